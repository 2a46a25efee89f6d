/* FdHome.h -- fd -> the manager it lives with: one word an fd, a two-level array that only grows.
 *
 * Note [Fd home]
 *   word = kind bits << 16 | (capability index + 1); 0: no home, nothing known.
 *   from     on       to          by             order
 *   none     await    home        first waiter   CAS seq_cst: its own capability, or round robin
 *                                                when one manager holds more than 60 % of all fds
 *   disabled await    another     waiter         CAS seq_cst, before eventManagerLeave on the old
 *                                                home; the first to wait there makes it look
 *   any      closeFd  0           closer         seq_cst, before it detaches the slot's waiters
 *   any      fresh    kind, none  fdAccept & co. seq_cst, before eventManagerFresh on an old home
 *   A waiter publishes itself in the slot of the home it read, then reads the word again
 *   (seq_cst): if the home changed it takes itself back and starts over.  Either it sees the
 *   change, or the closer (or fresh), who changes the word first, finds it in the slot.
 */
#ifndef CAPABILITY_FD_HOME_H
#define CAPABILITY_FD_HOME_H

#include "capability/CapabilityTable.h"

int fdHomeStart(const Allocator *allocator);
void fdHomeFree(void);

#define HOME_CHUNK_BITS 12
#define HOME_CHUNK (1 << HOME_CHUNK_BITS)
#define HOME_CHUNKS (FD_MAX >> HOME_CHUNK_BITS)
#define HOME_MASK UINT32_C(0xffff)

extern uint32_t *fd_home_chunks[HOME_CHUNKS]; /* each set once by CAS (release), read acquire */

/* fdHomeWord -- the word's place, or NULL: never needed, or fd is out of range. */
static inline uint32_t *fdHomeWord(int fd)
{
    if (UNLIKELY((unsigned)fd >= FD_MAX))
        return NULL;
    uint32_t *chunk = ACQUIRE_LOAD(&fd_home_chunks[fd >> HOME_CHUNK_BITS]);
    return UNLIKELY(chunk == NULL) ? NULL : &chunk[fd & (HOME_CHUNK - 1)];
}

/* fdHomeLook -- the word (0 if nothing is known or fd is out of range). */
static inline uint32_t fdHomeLook(int fd)
{
    uint32_t *word = fdHomeWord(fd);
    return word == NULL ? 0 : SEQ_CST_LOAD(word);
}

static inline uint32_t fdHomeKind(uint32_t word)
{
    return word >> 16;
}

/* fdHomeIsSettled -- does the word name a home that is enabled? */
static inline bool fdHomeIsSettled(uint32_t word)
{
    return (word & HOME_MASK) - 1 < capabilityTableEnabled();
}

/* fdHomeManager -- the manager of a word, NULL: none. */
static inline EventManager *fdHomeManager(uint32_t word)
{
    uint32_t home = word & HOME_MASK;
    if (UNLIKELY(home == 0))
        return NULL;
    ASSERT_CMP(home, <=, capabilityTableCount());
    return &capabilities.items[home - 1]->manager;
}

/* fdHomeSettle -- give fd a home if it has none, or a new one if its home is disabled (near: the
 * caller's capability, or NULL); returns the word it has now, or 0: out of memory or out of range.
 * Slow: for words that are not settled; who calls it makes the new home look: FdNewHome. */
uint32_t fdHomeSettleSlow(int fd, Capability *near);

static inline uint32_t fdHomeSettle(int fd, Capability *near)
{
    uint32_t word = fdHomeLook(fd);
    return LIKELY(fdHomeIsSettled(word)) ? word : fdHomeSettleSlow(fd, near);
}

/* fdHomeFresh -- a number the kernel has just handed out: forget its past, set its kind.  0,
 * -ENOMEM, -EMFILE, -EBADF (negative). */
int fdHomeFresh(int fd, uint32_t kind, void *sink);

/* fdHomeAdopt -- set the kind of an fd that may be in use.  0 or -E... */
int fdHomeAdopt(int fd, uint32_t kind, void *sink);

/* fdHomeSurvive -- child of a fork: no fd has a home; kinds stay. */
void fdHomeSurvive(void);

/* fdHomeLeave -- closing: forget the home; returns the word it had. */
uint32_t fdHomeLeave(int fd);

#endif
