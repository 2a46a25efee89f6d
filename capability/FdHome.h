/* FdHome.h -- fd -> the manager it lives with: one word an fd, a two-level array that only grows.
 *
 * Note [Fd home]
 *   word = kind bits << 16 | (capability index + 1); 0: no home, nothing known.
 *   from     on       to          by             order
 *   none     await    home        first waiter   CAS seq_cst: its own capability, or round robin
 *                                                when one manager holds more than 60 % of all fds
 *   any      closeFd  0           closer         seq_cst, before it detaches the slot's waiters
 *   any      fresh    kind, none  fdAccept & co. seq_cst, before eventManagerFresh on an old home
 *   A waiter publishes itself in the slot of the home it read, then reads the word again
 *   (seq_cst): if the home changed it takes itself back and starts over.  Either it sees the
 *   change, or the closer (or fresh), who changes the word first, finds it in the slot.
 */
#ifndef CAPABILITY_FD_HOME_H
#define CAPABILITY_FD_HOME_H

#include "capability/Capability.h"

int fdHomeStart(const Allocator *allocator);
void fdHomeFree(void);

/* fdHomeLook -- the word (0 if nothing is known or fd is out of range). */
uint32_t fdHomeLook(int fd);

static inline uint32_t fdHomeKind(uint32_t word)
{
    return word >> 16;
}

/* fdHomeManager -- the manager of a word, NULL: none. */
EventManager *fdHomeManager(uint32_t word);

/* fdHomeSettle -- give fd a home if it has none (near: the caller's capability, or NULL); returns
 * the word it has now, or 0: out of memory or out of range. */
uint32_t fdHomeSettle(int fd, Capability *near);

/* fdHomeFresh -- a number the kernel has just handed out: forget its past, set its kind.  0,
 * -ENOMEM,
 * -EMFILE, -EBADF (negative). */
int fdHomeFresh(int fd, uint32_t kind, void *sink);

/* fdHomeAdopt -- set the kind of an fd that may be in use.  0 or -E... */
int fdHomeAdopt(int fd, uint32_t kind, void *sink);

/* fdHomeLeave -- closing: forget the home; returns the word it had. */
uint32_t fdHomeLeave(int fd);

#endif
