/* Ring.c -- the queues of an io_uring, and entering the kernel for them.
 *
 * Owns    the words of Note [Ring words]; liburing makes and unmakes the mappings.
 * Before  iomgr/backend/IOUring.c.   After  the kernel.
 * Tests   testsuite/unit/IOUringTest.c
 *
 * Note [Ring without an owner]
 *   The ring belongs to no OS thread: neither SINGLE_ISSUER nor DEFER_TASKRUN.  With these,
 *   entering from another OS thread fails, and completions appear only while the one owner enters:
 *   neither could a capability be carried by another OS thread, nor an idle core look after a busy
 *   one.
 *   Nor COOP_TASKRUN: completions of an OS thread that computes would wait for its next system
 *   call. So an event interrupts the OS thread that submitted the request, for less than a
 *   microsecond, its completion appears in shared memory, and whoever looks at the ring finds it.
 */
#include "iomgr/backend/Ring.h"

#include "internal/Assert.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Younger than the headers we are built with: a sleeping ring is no IO that is waited for. */
#define FEAT_NO_IOWAIT (1u << 17)
#define FEAT_REG_REG_RING (1u << 13)
#define ENTER_NO_IOWAIT (1u << 7)

enum { KERNEL_SIGNALS = 64 };
#define LONGEST_NS (INT64_MAX / 2) /* the kernel adds it to its clock unchecked */

int ringOpen(Ring *ring, uint32_t entries, uint32_t completions)
{
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE, .cq_entries = completions};
    const uint32_t needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_POLL_32BITS;
    int saved = errno;
    memset(ring, 0, sizeof *ring);
    int result = io_uring_queue_init_params(entries, &ring->uring, &params);
    if (result == 0 && (params.features & needed) != needed) {
        io_uring_queue_exit(&ring->uring);
        result = -ENOSYS;
    }
    if (result == 0)
        io_uring_ring_dontfork(&ring->uring);
    errno = saved;
    if (result < 0)
        return result;
    if (params.features & FEAT_NO_IOWAIT)
        ring->wait_flags = ENTER_NO_IOWAIT;
    if (params.features & FEAT_REG_REG_RING) /* of Linux 6.3; the flag of 5.19 has no bit */
        ring->waits_first = IORING_RECVSEND_POLL_FIRST;
    for (uint32_t i = 0; i < ring->uring.sq.ring_entries; i++)
        ring->uring.sq.array[i] = i; /* for good: the n-th submission lies in place n */
    return 0;
}

void ringClose(Ring *ring)
{
    int saved = errno;
    io_uring_queue_exit(&ring->uring);
    errno = saved;
}

void ringAbandon(Ring *ring)
{
    int saved = errno;
    close(ring->uring.ring_fd);
    errno = saved;
}

struct io_uring_sqe *ringTake(Ring *ring)
{
    struct io_uring_sq *queue = &ring->uring.sq;
    ASSERT_CMP(ringFree(ring), >, 0);
    struct io_uring_sqe *entry = &queue->sqes[RELAXED_LOAD(queue->ktail) & queue->ring_mask];
    memset(entry, 0, sizeof *entry);
    return entry;
}

void ringPush(Ring *ring)
{
    RELEASE_STORE(ring->uring.sq.ktail, RELAXED_LOAD(ring->uring.sq.ktail) + 1);
}

bool ringPop(Ring *ring, struct io_uring_cqe *completion)
{
    struct io_uring_cq *queue = &ring->uring.cq;
    uint32_t head = RELAXED_LOAD(queue->khead);
    if (head == ACQUIRE_LOAD(queue->ktail))
        return false;
    const struct io_uring_cqe *entry = &queue->cqes[head & queue->ring_mask];
    completion->user_data = entry->user_data;
    completion->res = entry->res;
    completion->flags = entry->flags;
    RELEASE_STORE(queue->khead, head + 1);
    return true;
}

static int enterKernel(Ring *ring, uint32_t submit, uint32_t wait, uint32_t flags, void *argument,
                       size_t size)
{
    int saved = errno;
    ADD_RELAXED(&ring->enters, 1);
    int result =
        io_uring_enter2((unsigned)ring->uring.ring_fd, submit, wait, flags, argument, size);
    errno = saved;
    return result;
}

int ringSubmit(Ring *ring)
{
    uint32_t pending = ringPending(ring);
    return pending == 0 ? 0 : enterKernel(ring, pending, 0, 0, NULL, KERNEL_SIGNALS / 8);
}

int ringWait(Ring *ring, int64_t timeout_ns)
{
    if (timeout_ns > LONGEST_NS)
        timeout_ns = LONGEST_NS;
    struct __kernel_timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                                        .tv_nsec = timeout_ns % 1000000000};
    struct io_uring_getevents_arg argument = {.sigmask_sz = KERNEL_SIGNALS / 8,
                                              .ts = (uint64_t)(uintptr_t)&timeout};
    uint32_t pending = ringPending(ring);
    if (timeout_ns == 0)
        return enterKernel(ring, pending, 0, IORING_ENTER_GETEVENTS, NULL, KERNEL_SIGNALS / 8);
    uint32_t flags = IORING_ENTER_GETEVENTS | ring->wait_flags;
    if (timeout_ns < 0)
        return enterKernel(ring, pending, 1, flags, NULL, KERNEL_SIGNALS / 8);
    return enterKernel(ring, pending, 1, flags | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
}
