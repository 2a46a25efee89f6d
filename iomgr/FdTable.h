/* FdTable.h -- fd -> slot: a two-level array that only grows; slots are type-stable, 64 bytes.
 *
 * Note [Fd slot]
 *   Each direction (read, write) of an fd has a WatchList (who waits; generation inside the word)
 *   and an edge counter.  An event first adds 1 to the counter, then takes the list; a waiter first
 *   publishes itself, then compares the counter with the one it had read before its system call
 *   said EAGAIN.  All four are seq_cst, so at least one of the two sees the other (See Note
 *   [StoreLoad]).  Nobody consumes the counter: any number of waiters may share a direction.
 *
 *   Changes of the kernel's interest (add, modify, remove) and of the generation are serialised by
 *   the CONTROL bit of `control`; warm waits of adopted fds never take it.
 *
 * Note [Fd slot states]   kernel side, all transitions under CONTROL unless said otherwise
 *   from          on             to            by         what
 *   Unregistered  await          Edge          waiter     adopted: add(edge, both), then publish,
 *                                                         re-check
 *   Unregistered  await          OneShot       waiter     un-adopted: add(one-shot, mine), likewise
 *   Unregistered  add: EPERM     Unregistered  waiter     cannot be polled: ready now (READY, if
 *                                                         adopted)
 *   Edge          await, warm    Edge          waiter     no CONTROL, no system call: publish, then
 *                                                         compare the edge counter
 *   Edge          await, unsure  Edge          waiter     bare wait by another than the last, or
 *                                                         SUSPECT: modify = the kernel looks again,
 *                                                         publish, re-check
 *   OneShot       await          as above      waiter     modify(dirs waited + mine, or edge and
 *                                                         both), publish, re-check
 *   OneShot       event          OneShot       poller     fires; if the other direction still has
 *                                                         waiters: modify(dirs waited)
 *   OneShot       give up        Unregistered  waiter     the last one, where watching keeps the
 *                                                         file open (Backend.pins): remove
 *   Edge,OneShot  ENOENT, EPERM  as await      waiter     modify tells that the number was closed
 *                                                         behind our back and reused: generation
 *                                                         + 1, older waiters get -EBADF (Edge:
 *                                                         look again), then add
 *   Edge,OneShot  EBADF          Unregistered  anyone     likewise, and there is nothing to add
 *   OneShot       EventGone      Unregistered  poller     likewise, where the back-end can tell
 *   any           close          Unregistered  closer     generation + 1, remove, CONTROL given
 *                                                         back, only then waiters get -EBADF
 *   any           fresh          Unregistered  fdAccept   generation + 1, older waiters -EBADF, no
 *                                              & co.      remove (the number is another file now)
 *   Edge          adopt          Edge          adopter    modify: is it the same file still?
 *   OneShot       adopt          Edge          adopter    if somebody waits: modify(edge, both)
 *   Unregistered  register       Level,       registrar   add(mode that fits, all directions asked
 *                                OneShot                  for), then link; how it is watched:
 *                                                         See Note [Fd registration]
 *   Level,OneShot register,      Level,       anyone      modify, if mode or union of directions
 *                 unregister     OneShot                  have changed; nobody left: remove
 *   Edge          register       Edge         registrar   modify: the kernel looks again
 *   Level         await          OneShot      waiter      modify(dirs waited, asked for + mine)
 *   An event whose generation is not the slot's is dropped without any effect.
 *   Publishing under CONTROL *after* the modify means that whoever finds ENOENT knows every
 *   published waiter to belong to the older file.
 *
 * Note [Fd slot generation]
 *   16 bits, in both waiter words and in the upper half of `control`; they change under CONTROL,
 *   first in `control` (which loses all its other bits by the same CAS), then in the words.  So
 *     a waiter reads its word first and `control` second: if both say g, then the bits are of g,
 *     and publishing under g fails should g pass meanwhile;
 *     a poller sets PEER_CLOSED, SUSPECT, URGENT by CAS under its event's g.  Were they set without
 *     comparing, a close and a new file in between would inherit them, and a sticky PEER_CLOSED
 *     makes every bare wait of the new file return at once: a busy loop.  It sets them *before* it
 *     counts the edge, hence whoever has seen the new count sees the bits.  It sets them whatever
 *     the mode (add's first event may be here before its caller has noted the mode); only edge mode
 *     reads them, and going to edge mode clears them before the kernel looks.
 *   An event is mistaken for a new file's only if it is held up for 65536 closes of one number.
 *
 * Note [Fd slot's end]
 *   With PEER_CLOSED a bare wait ends at once, whoever looked last.  It is not taken at its word by
 *   who has tried in vain at the present edge: a socket can be connected anew, and shutdown(2)
 *   leaves some that only calls that block see the end of.  The kernel looks again for him, and
 *   sets the bit again if it still holds.
 */
#ifndef IOMGR_FD_TABLE_H
#define IOMGR_FD_TABLE_H

#include "iomgr/WatchList.h"

#include <capri/allocator.h>

typedef enum FdDirection { FdRead = 0, FdWrite = 1 } FdDirection;

/* What the layer above knows of an fd; kept beside its home, passed down with each call. */
typedef enum FdKind {
    FdAdopted = 1, /* non-blocking, ours to close, waits only after EAGAIN: edge-triggered */
    FdStream = 2,  /* a byte stream without records: a short read proves it empty */
    /* Of one wait: the number had no home just now, so what the slot believes may be of an older
     * file, put there by a waiter that came late: ask the kernel. */
    FdNewHome = 8
} FdKind;

/* Bits of FdSlot.control. */
enum {
    SLOT_CONTROL = 1,          /* somebody is changing the kernel's interest */
    SLOT_EDGE = 2,             /* registered edge-triggered, both directions */
    SLOT_ONESHOT = 4,          /* registered one-shot */
    SLOT_PEER_CLOSED = 8,      /* sticky: reading blocks no more; See Note [Fd slot's end] */
    SLOT_SUSPECT = 16,         /* HUP or ERR was seen: the next wait asks the kernel again */
    SLOT_URGENT = 32,          /* sticky: out-of-band data was seen, short reads prove nothing */
    SLOT_READY = 64,           /* adopted, and the kernel cannot poll it (EPERM): always ready */
    SLOT_STICKY = 56,          /* PEER_CLOSED, SUSPECT, URGENT */
    SLOT_LEVEL = 128,          /* registered level-triggered; nobody waits here but registrations */
    SLOT_REGISTERED = 256,     /* `registrations` is not empty */
    SLOT_STATE = 510,          /* all of these but CONTROL; 0: the slot believes nothing */
    SLOT_MORE = 512,           /* a hint of readers: the last receive left bytes in the stream */
    SLOT_MOVED = 1 << 16,      /* of `moved`: some generation was */
    SLOT_GENERATION_SHIFT = 16 /* the upper half, See Note [Fd slot generation] */
};

#define SLOT_MODES ((uint32_t)(SLOT_EDGE | SLOT_ONESHOT | SLOT_LEVEL)) /* at most one is set */

typedef struct Registration Registration; /* Registration.h */

typedef struct FdSlot {
    WatchList waiters[2]; /* by FdDirection; see WatchList.h */
    uint64_t last[2]; /* who << 32 | edges: the last waiter that was woken, and the count it saw */
    uint64_t
        edges; /* 32 bits a direction: pollers add (seq_cst), waiters read; neither is ever 0 */
    uint32_t drained; /* edge count of FdRead at which a short read proved the stream empty, or 0 */
    uint32_t control; /* generation and bits above; by CAS and fetch-and, never a plain store */
    Registration *registrations; /* CONTROL: callbacks, oldest first */
    uint32_t armed; /* CONTROL: what the kernel was last asked for; 0 once an event used it up */
    uint32_t moved; /* CONTROL, read by waiters: SLOT_MOVED | the generation that a move ended */
} CACHE_ALIGNED FdSlot;

_Static_assert(sizeof(FdSlot) == CACHE_LINE, "a slot is one cache line");

#define FD_CHUNK_BITS 8 /* slots in a chunk */
#define FD_CHUNK (1 << FD_CHUNK_BITS)
#define FD_MAX (1 << 20) /* numbers above it are -EMFILE */
#define FD_CHUNKS (FD_MAX >> FD_CHUNK_BITS)

typedef struct FdTable {
    FdSlot **chunks; /* FD_CHUNKS entries, each set once by CAS (release), read acquire */
    const Allocator *allocator;
} FdTable;

int fdTableInit(FdTable *table, const Allocator *allocator);
void fdTableFree(FdTable *table);

/* fdTableFind -- the slot, or NULL if its chunk was never needed (or fd is out of range). */
static inline FdSlot *fdTableFind(const FdTable *table, int fd)
{
    if (UNLIKELY((unsigned)fd >= FD_MAX))
        return NULL;
    FdSlot *chunk = ACQUIRE_LOAD(&table->chunks[fd >> FD_CHUNK_BITS]);
    return UNLIKELY(chunk == NULL) ? NULL : &chunk[fd & (FD_CHUNK - 1)];
}

/* fdTableGet -- the slot, made if need be.  NULL: out of memory or fd out of [0, FD_MAX). */
FdSlot *fdTableGet(FdTable *table, int fd);

/* Taking and giving back the CONTROL bit.  Lock spins, then yields the core. */
void fdSlotLock(FdSlot *slot);
void fdSlotUnlock(FdSlot *slot);

/* fdSlotEdges -- the count of a direction's edges (seq_cst). */
static inline uint32_t fdSlotEdges(const FdSlot *slot, FdDirection direction)
{
    return (uint32_t)(SEQ_CST_LOAD(&slot->edges) >> 32 * direction);
}

/* fdSlotFire -- an event on `direction` under `generation`: count the edge, take and fire the
 * waiters. Returns how many were fired.  fdSlotFireBoth -- on both directions at once. */
uint32_t fdSlotFire(FdSlot *slot, FdDirection direction, uint16_t generation, void *sink);
uint32_t fdSlotFireBoth(FdSlot *slot, uint16_t generation, void *sink);

/* fdSlotPublish -- publish node if the edge counter still is `edges`, re-check after publishing.
 * 0 published (and perhaps fired by now); 1 an edge came, node is not published and was not fired;
 * -EBADF the generation has passed, likewise. */
int fdSlotPublish(FdSlot *slot, FdDirection direction, uint16_t generation, uint32_t edges,
                  WatchNode *node, void *sink);

/* fdSlotRecheck -- the second half of that, for a node added after `edges` was read. 0 or 1. */
int fdSlotRecheck(FdSlot *slot, FdDirection direction, uint16_t generation, uint32_t edges,
                  WatchNode *node, void *sink);

/* fdSlotDrained -- after a short read that began at `edges` (of FdRead): nothing is left until the
 * next edge (ignored when urgent data or the peer's end was seen).  fdSlotIsDrained: reading at
 * `edges` would say EAGAIN for certain, so wait first. */
static inline bool fdSlotCanBeDrained(const FdSlot *slot)
{
    uint32_t control = ACQUIRE_LOAD(&slot->control);
    return (control & (SLOT_EDGE | SLOT_STICKY)) == SLOT_EDGE;
}

static inline void fdSlotDrained(FdSlot *slot, uint32_t edges)
{
    if (RELAXED_LOAD(&slot->drained) != edges && fdSlotCanBeDrained(slot))
        RELAXED_STORE(&slot->drained, edges);
}

static inline bool fdSlotIsDrained(const FdSlot *slot, uint32_t edges)
{
    return RELAXED_LOAD(&slot->drained) == edges && fdSlotCanBeDrained(slot) &&
           fdSlotEdges(slot, FdRead) == edges;
}

/* fdSlotMark -- set sticky bits, unless the generation has passed (false). */
bool fdSlotMark(FdSlot *slot, uint16_t generation, uint32_t bits);

/* fdSlotAdvance -- under CONTROL: next generation, Unregistered, nothing believed.  The waiters are
 * put into older[]; fire them after fdSlotUnlock. */
void fdSlotAdvance(FdSlot *slot, WatchNode *older[2]);

static inline uint16_t fdControlGeneration(uint32_t control)
{
    return (uint16_t)(control >> SLOT_GENERATION_SHIFT);
}

/* fdSlotHasMoved -- that generation ended because the fd moved to another home, the file is the
 * same: look again.  Asked by who has found it ended. */
static inline bool fdSlotHasMoved(const FdSlot *slot, uint16_t generation)
{
    return RELAXED_LOAD(&slot->moved) == (SLOT_MOVED | (uint32_t)generation);
}

/* fdSlotSane -- walker for tests, while nobody else is at the slot. */
bool fdSlotSane(FdSlot *slot);

#endif
