/* Ring.h -- one io_uring: the two queues that are shared with the kernel, and entering it.
 *
 * The queues have no lock of their own: ringTake, ringPop and what is said of them need the lock of
 * whoever owns the ring; ringEnter must be called without it, by any number of OS threads at once.
 *
 * Note [Ring words]   head and tail of both queues are words of the memory shared with the kernel
 *   word      from, to   by             order     partner
 *   sq tail   +1         lock holder    release   the kernel's load: the entry is filled
 *   sq head   +n         the kernel     -         our acquire: the entry may be filled again
 *   cq tail   +n         the kernel     -         our acquire: the completion may be read
 *   cq head   +1         lock holder    release   the kernel's load: its place is free
 * The kernel serialises those who enter: each takes from sq head what there is, so two that both
 * counted the same entries submit them once.
 */
#ifndef IOMGR_BACKEND_RING_H
#define IOMGR_BACKEND_RING_H

#include "internal/SMP.h"

#include <liburing.h>

typedef struct Ring {
    struct io_uring uring; /* constant but for the shared words */
    uint32_t wait_flags;   /* constant: beside GETEVENTS */
    uint16_t waits_first;  /* constant, of a receive: look for readiness, and only then try; or 0 */
    uint64_t enters;       /* anyone, relaxed add: calls of io_uring_enter */
} Ring;

/* ringOpen -- at least `entries` submissions and `completions`; close-on-exec, and absent in a
 * forked child.  0; -ENOSYS, -EPERM, -EINVAL: not on this kernel or not for this process;
 * -EMFILE, -ENFILE, -ENOMEM. */
int ringOpen(Ring *ring, uint32_t entries, uint32_t completions);
void ringClose(Ring *ring);

/* ringAbandon -- in a child that inherited it: closes the child's number.  The mappings were not
 * inherited: where they were anything may lie by now. */
void ringAbandon(Ring *ring);

/* ringFree -- places for submissions.  ringPending -- submissions the kernel has not taken yet. */
static inline uint32_t ringPending(const Ring *ring)
{
    return RELAXED_LOAD(ring->uring.sq.ktail) - ACQUIRE_LOAD(ring->uring.sq.khead);
}

static inline uint32_t ringFree(const Ring *ring)
{
    return ring->uring.sq.ring_entries - ringPending(ring);
}

/* ringReady -- completions to be popped. */
static inline uint32_t ringReady(const Ring *ring)
{
    return ACQUIRE_LOAD(ring->uring.cq.ktail) - RELAXED_LOAD(ring->uring.cq.khead);
}

/* ringOverflown -- the kernel keeps completions there was no place for; entering brings them. */
static inline bool ringOverflown(const Ring *ring)
{
    return (RELAXED_LOAD(ring->uring.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0;
}

/* ringTake -- lock holder, ringFree > 0: the place for the next submission, to be filled.
 * ringPush -- lock holder: it is filled. */
struct io_uring_sqe *ringTake(Ring *ring);
void ringPush(Ring *ring);

/* ringPop -- lock holder: the oldest completion, or false. */
bool ringPop(Ring *ring, struct io_uring_cqe *completion);

/* ringSubmit -- hand over what is pending.  ringWait -- likewise, then wait for a completion: at
 * most timeout_ns, rounded up (-1: for ever, 0: only bring what did not fit).  How many were
 * submitted, or -EINTR, -ETIME, -EAGAIN, -EBUSY, -ENOMEM.  Both keep errno. */
int ringSubmit(Ring *ring);
int ringWait(Ring *ring, int64_t timeout_ns);

#endif
