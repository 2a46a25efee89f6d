/* Request.c -- what each fd is watched for, and the submissions that say so; calls on files.
 *
 * Owns    Request; the chunks of them.
 * Before  iomgr/backend/IOUring.c.   After  iomgr/backend/Ring.c.
 * Tests   testsuite/unit/IOUringTest.c, testsuite/fault/RingFault.c
 *
 * See Note [Request states].  All but the table is done under BackendState.lock.
 *
 * Note [Refused submissions]
 *   The kernel may have no memory for requests just now (EAGAIN).  Nobody sleeps before it has
 *   taken all, the wake fd's too; what is queued for a sleeper is offered again until it is taken.
 *   EBUSY wants completions to be taken first, perhaps by somebody who waits for the caller: no
 *   matter, while there are some the ring is readable and nobody sleeps over it.  What is not for a
 *   sleeper is left to the next poll; for which a removal is owed that found the queue full.
 */
#include "iomgr/backend/IOUring.h"

#include "internal/Assert.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { RESERVE_TRIES = 16, REFUSED_NS = 100 * 1000 };

/* ---- the table ----------------------------------------------------------------------------- */

Request *requestFind(const BackendState *state, int fd)
{
    Request *chunk = ACQUIRE_LOAD(&state->chunks[fd >> REQUEST_CHUNK_BITS]);
    return chunk == NULL ? NULL : &chunk[fd & (REQUEST_CHUNK - 1)];
}

Request *requestGet(BackendState *state, int fd)
{
    const size_t size = REQUEST_CHUNK * sizeof(Request);
    Request *found = requestFind(state, fd), *none = NULL;
    if (found != NULL)
        return found;
    Request *made = memoryAllocateZeroed(state->allocator, size, CACHE_LINE);
    if (made == NULL)
        return NULL;
    if (!CAS_ACQ_REL(&state->chunks[fd >> REQUEST_CHUNK_BITS], &none, made))
        memoryRelease(state->allocator, made, size, CACHE_LINE);
    return requestFind(state, fd);
}

/* ---- submissions, under lock --------------------------------------------------------------- */

int requestReserve(BackendState *state, uint32_t count)
{
    for (int tries = 0; ringFree(&state->ring) < count; tries++) {
        if (tries == RESERVE_TRIES)
            return -ENOMEM; /* the kernel takes none, for want of memory */
        spinUnlock(&state->lock);
        ringSubmit(&state->ring);
        spinLock(&state->lock);
    }
    return 0;
}

/* See Note [Refused submissions]. */
void requestHandOver(BackendState *state, bool insist)
{
    const struct timespec moment = {.tv_nsec = REFUSED_NS};
    for (int tries = 0; ringPending(&state->ring) != 0; tries += tries < RESERVE_TRIES) {
        int result = ringSubmit(&state->ring);
        bool passes = result == -EAGAIN || result == -ENOMEM || result == -EINTR;
        if (result > 0)
            continue;
        if (tries < RESERVE_TRIES)
            sched_yield();
        else if (insist && passes)
            clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
        else
            return;
    }
}

void requestOwe(BackendState *state, Request *request)
{
    if (request->sequence != 0 && request->owed == 0) {
        request->owed = request->sequence;
        state->owed++;
    }
}

void requestPay(BackendState *state)
{
    for (int fd = 0; state->owed != 0 && fd >> REQUEST_FD_BITS == 0; fd++) {
        Request *request = requestFind(state, fd);
        if (request == NULL) {
            fd |= REQUEST_CHUNK - 1;
        } else if (request->owed != 0) {
            if (ringFree(&state->ring) == 0)
                return; /* at the next poll */
            requestRemove(state, request->owed << REQUEST_FD_BITS | (uint32_t)fd);
            request->owed = 0;
            state->owed--;
        }
    }
}

void requestPoll(BackendState *state, int fd, uint32_t events, bool multishot, uint64_t data)
{
    struct io_uring_sqe *entry = ringTake(&state->ring);
    io_uring_prep_poll_add(entry, fd, events);
    entry->len = multishot ? IORING_POLL_ADD_MULTI : 0;
    entry->user_data = data;
    ringPush(&state->ring);
    state->in_flight++;
}

void requestArm(BackendState *state, Request *request, int fd, bool multishot)
{
    uint32_t events = EPOLLRDHUP;
    if (request->edge)
        events |= EPOLLIN | EPOLLOUT | EPOLLPRI;
    else if (request->interest & EventRead)
        events |= EPOLLIN;
    if (request->interest & EventWrite)
        events |= EPOLLOUT;
    if (multishot)
        events |= EPOLLET;
    request->sequence = ++state->sequence;
    requestPoll(state, fd, events, multishot, request->sequence << REQUEST_FD_BITS | (uint32_t)fd);
}

static void pushRemoval(BackendState *state, struct io_uring_sqe *entry)
{
    entry->user_data = MARK_REMOVED;
    if (state->ring.uring.features & IORING_FEAT_CQE_SKIP)
        entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    ringPush(&state->ring);
}

void requestRemove(BackendState *state, uint64_t data)
{
    struct io_uring_sqe *entry = ringTake(&state->ring);
    io_uring_prep_cancel64(entry, data, 0); /* unlike POLL_REMOVE it never says EALREADY */
    pushRemoval(state, entry);
}

void requestRemoveFile(BackendState *state, int fd)
{
    struct io_uring_sqe *entry = ringTake(&state->ring);
    io_uring_prep_cancel_fd(entry, fd, IORING_ASYNC_CANCEL_ALL);
    pushRemoval(state, entry);
}

void requestCancel(BackendState *state, Request *request, int fd)
{
    if (request->sequence != 0)
        requestRemove(state, request->sequence << REQUEST_FD_BITS | (uint32_t)fd);
    request->sequence = 0;
}

void requestSubmit(BackendState *state, Submission *submission)
{
    const FileRequest *request = submission->request;
    struct io_uring_sqe *entry = ringTake(&state->ring);
    switch (request->operation) {
    case FileRead:
        io_uring_prep_readv(entry, request->fd, request->parts, (unsigned)request->count,
                            (uint64_t)request->offset);
        break;
    case FileWrite:
        io_uring_prep_writev(entry, request->fd, request->parts, (unsigned)request->count,
                             (uint64_t)request->offset);
        break;
    case FileSync:
        io_uring_prep_fsync(entry, request->fd, 0);
        break;
    case FileStat:
        io_uring_prep_statx(entry, request->fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS,
                            submission->about);
        break;
    case FileOpen: /* not where it is submitted: that would be with O_NONBLOCK, even of a FIFO */
        io_uring_prep_openat(entry, AT_FDCWD, request->path, request->flags | O_CLOEXEC,
                             request->mode);
        entry->flags |= IOSQE_ASYNC;
        break;
    case FileReceive: /* who asks believes that nothing is there yet */
        io_uring_prep_recv(entry, request->fd, request->parts->iov_base, request->parts->iov_len,
                           0);
        entry->ioprio = state->ring.waits_first;
        break;
    case FileSend:
        io_uring_prep_send(entry, request->fd, request->parts->iov_base, request->parts->iov_len,
                           MSG_NOSIGNAL);
        break;
    }
    entry->user_data = requestDataOf(submission);
    ringPush(&state->ring);
    state->submitted++;
}

void requestArmWake(BackendState *state)
{
    if (RELAXED_LOAD(&state->wake_armed) != 0 || requestReserve(state, 1) < 0)
        return;
    if (RELAXED_LOAD(&state->wake_armed) != 0)
        return; /* while the lock was free */
    requestPoll(state, state->wake_fd, EPOLLIN, false, MARK_WAKE);
    RELAXED_STORE(&state->wake_armed, 1);
}
