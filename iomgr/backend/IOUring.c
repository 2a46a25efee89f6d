/* IOUring.c -- the io_uring back-end: readiness by poll requests.                    [path 1/6]
 *
 * Owns    one ring per BackendState, and what each fd is watched for.
 * Before  the kernel.   After  iomgr/EventManager.c: dispatch, by cookie.
 * Tests   testsuite/unit/IOUringTest.c, testsuite/conformance/EventManagerConformance.c
 *
 * What a ring without an owner costs and why: See Note [Ring without an owner].
 *
 * Note [Batched changes]
 *   A change is put into the submission queue and left there; the next poll hands all of them over
 *   before it looks, so a change is a look still.  While somebody sleeps over the ring nobody is
 *   about to poll: then the one who changes submits it.  Both sides decide under `lock`: a sleeper
 *   counts itself and then sees what is pending, or whoever queues later sees the sleeper.
 *
 * Note [The wake fd]
 *   It is level-triggered, and who sees it need not be the owner.  Its one-shot request is armed
 *   again by the next poll, whoever's it is: if the owner has not drained it, it is told again.  A
 *   completion popped while somebody sleeps may be meant for the sleeper: it is armed at once.
 *
 * Note [Half-closed writers]
 *   The kernel adds POLLRDHUP to every poll request, so a one-shot that waits for writing on a
 *   socket whose peer has shut down completes at once, for nothing, each time.  Then a multishot
 *   request does it: it tells the news that nobody asked for once, and is removed after the right
 *   one.
 */
#include "iomgr/backend/IOUring.h"
#include "iomgr/backend/EpollBits.h"
#include "iomgr/backend/Pinned.h"

#include "internal/Assert.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    MOST_ENDS = 64,
    MOST_RECORDS = 64,
    CLOSE_TRIES = 100,
    CHANGE_ENTRIES = 2 /* submissions one change needs at most */
};
#define CLOSE_WAIT_NS INT64_C(1000000)
#define EVENTS_ALL (EventRead | EventWrite | EventError)

/* ---- changes ------------------------------------------------------------------------------- */

/* Let go of the lock; submit what is pending if a sleeper would not, or if it cannot wait.
 * See Note [Batched changes]. */
static void unlockState(BackendState *state, bool submit)
{
    bool insist = state->sleepers > 0;
    spinUnlock(&state->lock);
    if (submit || insist)
        requestHandOver(state, insist);
}

/* Likewise; the wake fd reaches whoever sleeps: See Note [Refused submissions]. */
static void unlockArmed(BackendState *state)
{
    for (;;) {
        if (state->sleepers > 0)
            requestArmWake(state);
        bool reached = state->sleepers == 0 || RELAXED_LOAD(&state->wake_armed) != 0 ||
                       ringReady(&state->ring) != 0 || ringOverflown(&state->ring);
        unlockState(state, false);
        if (reached)
            return;
        spinLock(&state->lock);
    }
}

/* Under lock.  known: the caller believes that fd is watched. */
static int changeRequest(BackendState *state, Request *request, int fd, int looked,
                         const struct stat *file, bool known)
{
    int full = requestReserve(state, CHANGE_ENTRIES);
    if (full < 0)
        return full;
    /* See Note [Pinned files]. */
    bool known_file = looked == 0 || looked == -EPERM; /* else: not enough memory to tell */
    if (request->watched && (looked == -EBADF || (known_file && !pinnedIs(request, file)))) {
        requestCancel(state, request, fd);
        request->watched = false;
    }
    if (looked < 0)
        return looked;
    if (known != request->watched)
        return known ? -ENOENT : -EEXIST;
    return 0;
}

static int changeIOUring(BackendState *state, int fd, WatchMode mode, uint32_t interest,
                         uint64_t cookie, bool known)
{
    struct stat file;
    if (fd < 0 || fd >> REQUEST_FD_BITS != 0)
        return fd < 0 ? -EBADF : -EMFILE;
    int looked = pinnedLook(state, requestFind(state, fd), fd, &file);
    Request *request = looked == 0 ? requestGet(state, fd) : requestFind(state, fd);
    if (request == NULL)
        return looked == 0 ? -ENOMEM : looked;
    spinLock(&state->lock);
    int result = changeRequest(state, request, fd, looked, &file, known);
    if (result == 0) {
        requestCancel(state, request, fd);
        request->cookie = cookie;
        request->interest = (uint8_t)(interest & (EventRead | EventWrite));
        request->edge = mode == WatchEdge;
        request->ends = 0;
        request->watched = true;
        request->device = file.st_dev;
        request->inode = file.st_ino;
        requestArm(state, request, fd, request->edge);
    }
    unlockState(state, false);
    return result;
}

static int addIOUring(BackendState *state, int fd, WatchMode mode, uint32_t interest,
                      uint64_t cookie)
{
    return changeIOUring(state, fd, mode, interest, cookie, false);
}

static int modifyIOUring(BackendState *state, int fd, WatchMode mode, uint32_t interest,
                         uint64_t cookie)
{
    return changeIOUring(state, fd, mode, interest, cookie, true);
}

static int removeIOUring(BackendState *state, int fd)
{
    Request *request = fd < 0 || fd >> REQUEST_FD_BITS != 0 ? NULL : requestFind(state, fd);
    if (request == NULL)
        return -ENOENT;
    spinLock(&state->lock);
    if (!request->watched) {
        spinUnlock(&state->lock);
        return -ENOENT;
    }
    bool submit = request->sequence != 0;
    request->watched = false;
    if (requestReserve(state, 1) == 0)
        requestCancel(state, request, fd);
    else
        requestOwe(state, request);
    request->sequence = 0;      /* at the least nothing is reported any more */
    unlockState(state, submit); /* the file must not stay open */
    return 0;
}

static int submitIOUring(BackendState *state, Submission *submission)
{
    spinLock(&state->lock);
    int result = requestReserve(state, 1);
    if (submission->wanted != NULL && !submission->wanted(submission))
        result = -ECANCELED;
    if (result == 0)
        requestSubmit(state, submission);
    unlockState(state, false);
    return result;
}

static void flushIOUring(BackendState *state, int fd)
{
    spinLock(&state->lock); /* whoever is about to submit has done so, or sees that he need not */
    if (fd >= 0 && state->submitted != 0 && requestReserve(state, 1) == 0)
        requestRemoveFile(state, fd);
    spinUnlock(&state->lock);
    requestHandOver(state, true);
}

static int cancelIOUring(BackendState *state, Submission *submission)
{
    spinLock(&state->lock);
    int result = requestReserve(state, 1);
    if (result == 0)
        requestRemove(state, requestDataOf(submission));
    unlockState(state, true);
    return result;
}

/* ---- completions, under lock --------------------------------------------------------------- */

/* What a completion of the present request of fd amounts to; 0: nothing anybody waits for.
 * more: another one will come. */
static uint32_t completeRequest(BackendState *state, Request *request, int fd, int result,
                                bool more)
{
    uint32_t events = epollBitsEvents((uint32_t)result); /* of an error: not looked at */
    if (more)
        request->ends = 0;
    else
        request->sequence = 0;
    if (!more && (request->edge || result < 0)) {
        if (++request->ends > MOST_ENDS || ringFree(&state->ring) == 0)
            return EVENTS_ALL;
        requestArm(state, request, fd, request->edge);
        return 0;
    }
    if (request->edge)
        return events;
    /* See Note [Half-closed writers]. */
    if (request->interest == EventWrite && (events & EventWrite) == 0) {
        if (more)
            return 0;
        if (ringFree(&state->ring) == 0)
            return EVENTS_ALL;
        requestArm(state, request, fd, true);
        return 0;
    }
    if (more && ringFree(&state->ring) > 0)
        requestCancel(state, request, fd);
    return events;
}

/* Pop one completion.  True: *record is to be reported. */
static bool takeCompletion(BackendState *state, const struct io_uring_cqe *completion,
                           EventRecord *record, Seen *seen)
{
    bool more = (completion->flags & IORING_CQE_F_MORE) != 0;
    seen->fd = -1;
    if (completion->user_data == MARK_REMOVED)
        return false;
    if ((completion->user_data & BACKEND_SUBMISSION) != 0) {
        Submission *submission =
            (Submission *)(uintptr_t)(completion->user_data & ~BACKEND_SUBMISSION);
        submission->result = completion->res;
        submission->more = (completion->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
        state->submitted--;
        *record = (EventRecord){completion->user_data, 0};
        return true;
    }
    if (!more)
        state->in_flight--;
    if (completion->user_data == MARK_WAKE) {
        RELAXED_STORE(&state->wake_armed, 0);
        *record = (EventRecord){BACKEND_WAKE_COOKIE, EventRead};
        return true;
    }
    int fd = (int)(completion->user_data & ((1u << REQUEST_FD_BITS) - 1));
    Request *request = requestFind(state, fd);
    ASSERT(request != NULL);
    if (request->sequence != completion->user_data >> REQUEST_FD_BITS)
        return false;
    record->cookie = request->cookie;
    if (!request->edge)
        *seen = (Seen){fd, request->device, request->inode};
    record->events = completeRequest(state, request, fd, completion->res, more);
    return record->events != 0;
}

static int takeCompletions(BackendState *state, EventRecord *records, Seen *seen, int most)
{
    struct io_uring_cqe completion;
    int taken = 0;
    /* Should it be full, writers are woken for nothing. */
    requestReserve(state, (uint32_t)most < RING_ENTRIES / 2 ? (uint32_t)most : RING_ENTRIES / 2);
    while (taken < most && ringPop(&state->ring, &completion))
        taken += takeCompletion(state, &completion, &records[taken], &seen[taken]);
    return taken;
}

/* ---- polling ------------------------------------------------------------------------------- */

/* Is there nothing to do for one who only looks? */
static bool isQuiet(const BackendState *state)
{
    const Ring *ring = &state->ring;
    return ringReady(ring) == 0 && ringPending(ring) == 0 && !ringOverflown(ring) &&
           RELAXED_LOAD(&state->wake_armed) != 0;
}

/* What poll says when nothing was taken and entering said `entered`. */
static int explainFailure(int entered)
{
    if (entered >= 0 || entered == -EINTR || entered == -ETIME)
        return 0;
    bool passes = entered == -EAGAIN || entered == -EBUSY;
    return passes ? -ENOMEM : entered;
}

static int pollIOUring(BackendState *state, int64_t timeout_ns, EventRecord *records, int most)
{
    Ring *ring = &state->ring;
    Seen seen[MOST_RECORDS];
    int entered = 0;
    ASSERT_CMP(most, >, 0);
    most = most < MOST_RECORDS ? most : MOST_RECORDS;
    if (timeout_ns == 0 && isQuiet(state))
        return 0;
    spinLock(&state->lock);
    requestArmWake(state);
    bool sleeps = timeout_ns != 0 && RELAXED_LOAD(&state->wake_armed) != 0 &&
                  ringReady(ring) == 0 && !ringOverflown(ring);
    if (sleeps)
        state->sleepers++;
    spinUnlock(&state->lock);
    if (sleeps)
        entered = ringWait(ring, timeout_ns);
    else if (ringOverflown(ring))
        entered = ringWait(ring, 0);
    else if (ringPending(ring) != 0)
        entered = ringSubmit(ring);
    spinLock(&state->lock);
    if (sleeps)
        state->sleepers--;
    int taken = takeCompletions(state, records, seen, most);
    requestPay(state);
    unlockArmed(state);
    for (int i = 0; i < taken; i++)
        pinnedCheck(state, &records[i], &seen[i]);
    return taken == 0 ? explainFailure(entered) : taken;
}

/* ---- being watched ------------------------------------------------------------------------- */

static void dozeIOUring(BackendState *state, bool asleep)
{
    spinLock(&state->lock);
    requestArmWake(state);
    state->sleepers += asleep ? 1u : UINT32_MAX; /* - 1 */
    unlockArmed(state);
}

static int pollableIOUring(BackendState *state)
{
    if (ringPending(&state->ring) != 0 || RELAXED_LOAD(&state->wake_armed) == 0) {
        spinLock(&state->lock);
        requestArmWake(state);
        unlockState(state, true);
    }
    return state->ring.uring.ring_fd;
}

static uint64_t callsIOUring(BackendState *state)
{
    return RELAXED_LOAD(&state->ring.enters) + RELAXED_LOAD(&state->looks);
}

/* ---- life cycle ---------------------------------------------------------------------------- */

/* A request of a closed ring is cancelled later, by a kernel thread: here they are over before. */
static void cancelAll(BackendState *state)
{
    struct io_uring_cqe completion;
    EventRecord record;
    Seen seen;
    ASSERT_CMP(state->submitted, ==, 0);
    for (int fd = 0; fd >> REQUEST_FD_BITS == 0; fd++) {
        Request *request = requestFind(state, fd);
        if (request == NULL)
            fd |= REQUEST_CHUNK - 1;
        else if (request->sequence != 0 && requestReserve(state, 1) == 0)
            requestCancel(state, request, fd);
    }
    if (RELAXED_LOAD(&state->wake_armed) != 0 && requestReserve(state, 1) == 0)
        requestRemove(state, MARK_WAKE);
    for (int tries = 0; state->in_flight > 0 && tries < CLOSE_TRIES; tries++) {
        spinUnlock(&state->lock);
        ringWait(&state->ring, CLOSE_WAIT_NS);
        spinLock(&state->lock);
        while (ringPop(&state->ring, &completion))
            takeCompletion(state, &completion, &record, &seen);
    }
}

static void closeIOUring(BackendState *state)
{
    const Allocator *allocator = state->allocator;
    if (state->process == getpid()) {
        spinLock(&state->lock);
        cancelAll(state);
        spinUnlock(&state->lock);
        ringClose(&state->ring);
    } else { /* it is the parent's, and not to be touched */
        ringAbandon(&state->ring);
    }
    for (int i = 0; i < REQUEST_CHUNKS; i++)
        memoryRelease(allocator, RELAXED_LOAD(&state->chunks[i]), REQUEST_CHUNK * sizeof(Request),
                      CACHE_LINE);
    memoryRelease(allocator, state->chunks, REQUEST_CHUNKS * sizeof(Request *), CACHE_LINE);
    memoryRelease(allocator, state, sizeof *state, CACHE_LINE);
}

/* A kernel may have rings but no multishot polls, a sandbox may let us make and not enter one. */
static int probeRing(BackendState *state)
{
    struct io_uring_cqe completion;
    EventRecord record;
    Seen seen;
    bool works = false;
    /* An eventfd is writable. */
    requestPoll(state, state->wake_fd, EPOLLOUT | EPOLLET, true, MARK_WAKE);
    requestRemove(state, MARK_WAKE);
    for (int tries = 0; state->in_flight > 0; tries++) {
        int result = ringWait(&state->ring, CLOSE_WAIT_NS);
        if (result < 0 && result != -EINTR && result != -ETIME)
            return result;
        if (tries == CLOSE_TRIES)
            return -ENOSYS;
        while (ringPop(&state->ring, &completion)) {
            works = works || (completion.user_data == MARK_WAKE &&
                              (completion.res == -ECANCELED || completion.res > 0));
            takeCompletion(state, &completion, &record, &seen);
        }
    }
    return works ? 0 : -ENOSYS;
}

static int openIOUring(BackendState **state, int wake_fd, const Allocator *allocator)
{
    const size_t size = REQUEST_CHUNKS * sizeof(Request *);
    BackendState *made = memoryAllocateZeroed(allocator, sizeof *made, CACHE_LINE);
    if (made == NULL)
        return -ENOMEM;
    made->allocator = allocator;
    made->wake_fd = wake_fd;
    made->process = getpid();
    made->lock = (SpinLock)SPIN_LOCK_INIT;
    made->chunks = memoryAllocateZeroed(allocator, size, CACHE_LINE);
    int result =
        made->chunks == NULL ? -ENOMEM : ringOpen(&made->ring, RING_ENTRIES, RING_COMPLETIONS);
    if (result == 0) {
        result = probeRing(made);
        if (result < 0)
            ringClose(&made->ring);
    }
    if (result < 0) {
        memoryRelease(allocator, made->chunks, size, CACHE_LINE);
        memoryRelease(allocator, made, sizeof *made, CACHE_LINE);
        return result;
    }
    *state = made;
    return 0;
}

const Backend backendIOUring = {
    .name = "uring",
    .edges = true,
    .pins = true,
    .fallback = &backendEPoll,
    .open = openIOUring,
    .close = closeIOUring,
    .add = addIOUring,
    .modify = modifyIOUring,
    .remove = removeIOUring,
    .poll = pollIOUring,
    .submit = submitIOUring,
    .cancel = cancelIOUring,
    .flush = flushIOUring,
    .pollable = pollableIOUring,
    .doze = dozeIOUring,
    .calls = callsIOUring,
};
