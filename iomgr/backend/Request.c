/* Request.c -- what each fd is watched for, and the submissions that say so; calls on files.
 *
 * Owns    Request; the chunks of them.
 * Before  iomgr/backend/IOUring.c.   After  iomgr/backend/Ring.c.
 * Tests   testsuite/unit/IOUringTest.c
 *
 * See Note [Request states].  All but the table is done under BackendState.lock.
 */
#include "iomgr/backend/IOUring.h"

#include "internal/Assert.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

enum { RESERVE_TRIES = 16 };

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

void requestRemove(BackendState *state, uint64_t data)
{
    struct io_uring_sqe *entry = ringTake(&state->ring);
    io_uring_prep_cancel64(entry, data, 0); /* unlike POLL_REMOVE it never says EALREADY */
    entry->user_data = MARK_REMOVED;
    if (state->ring.uring.features & IORING_FEAT_CQE_SKIP)
        entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    ringPush(&state->ring);
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
                            &submission->about);
        break;
    case FileOpen: /* not where it is submitted: that would be with O_NONBLOCK, even of a FIFO */
        io_uring_prep_openat(entry, AT_FDCWD, request->path, request->flags | O_CLOEXEC,
                             request->mode);
        entry->flags |= IOSQE_ASYNC;
        break;
    }
    entry->user_data = (uint64_t)(uintptr_t)submission | BACKEND_SUBMISSION;
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
