/* EPoll.c -- the epoll(7) back-end.                                                  [path 1/6]
 *
 * Owns    one epoll instance per BackendState.
 * Before  the kernel.   After  iomgr/EventManager.c: dispatch, by cookie.
 * Tests   testsuite/unit/EPollTest.c, testsuite/conformance/EventManagerConformance.c
 *
 * The state is constant once it is open, so any number of OS threads may change and poll at once;
 * edge and one-shot mode hand each event to one of them.
 */
#include "iomgr/Backend.h"

#include "internal/Assert.h"
#include "internal/SMP.h"
#include "iomgr/Memory.h"
#include "iomgr/backend/EpollBits.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct BackendState {
    int epoll_fd;               /* constant */
    uint32_t no_pwait2;         /* anyone, relaxed, 0 -> 1: the kernel knows no epoll_pwait2 */
    const Allocator *allocator; /* constant */
};

static int changeInterest(BackendState *state, int operation, int fd, struct epoll_event *event)
{
    int saved = errno;
    int result =
        (int)syscall(SYS_epoll_ctl, state->epoll_fd, operation, fd, event) < 0 ? -errno : 0;
    errno = saved;
    return result;
}

static int openEPoll(BackendState **state, int wake_fd, const Allocator *allocator)
{
    BackendState *made = memoryAllocateZeroed(allocator, sizeof *made, CACHE_LINE);
    if (made == NULL)
        return -ENOMEM;
    made->allocator = allocator;
    made->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int result = made->epoll_fd < 0 ? -errno : 0;
    if (result == 0) {
        /* Level-triggered: a rescuer that sees it does not take it away from the owner. */
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = BACKEND_WAKE_COOKIE};
        result = changeInterest(made, EPOLL_CTL_ADD, wake_fd, &event);
        if (result < 0)
            close(made->epoll_fd);
    }
    if (result < 0) {
        memoryRelease(allocator, made, sizeof *made, CACHE_LINE);
        return result;
    }
    *state = made;
    return 0;
}

static void closeEPoll(BackendState *state)
{
    close(state->epoll_fd);
    memoryRelease(state->allocator, state, sizeof *state, CACHE_LINE);
}

static uint32_t kernelInterest(WatchMode mode, uint32_t interest)
{
    uint32_t events;
    if (mode == WatchEdge)
        return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    /* No EPOLLPRI: it stays up while the data is not read with MSG_OOB, and a level-triggered wait
     * for plain data would spin. */
    events = mode == WatchLevel ? 0 : EPOLLONESHOT;
    if (interest & EventRead)
        events |= EPOLLIN | EPOLLRDHUP;
    if (interest & EventWrite)
        events |= EPOLLOUT;
    return events;
}

static int addEPoll(BackendState *state, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    struct epoll_event event = {.events = kernelInterest(mode, interest), .data.u64 = cookie};
    return changeInterest(state, EPOLL_CTL_ADD, fd, &event);
}

static int modifyEPoll(BackendState *state, int fd, WatchMode mode, uint32_t interest,
                       uint64_t cookie)
{
    struct epoll_event event = {.events = kernelInterest(mode, interest), .data.u64 = cookie};
    return changeInterest(state, EPOLL_CTL_MOD, fd, &event);
}

static int removeEPoll(BackendState *state, int fd)
{
    struct epoll_event ignored = {0};
    return changeInterest(state, EPOLL_CTL_DEL, fd, &ignored);
}

/* Milliseconds, rounded up: late is allowed, early is not. */
static int millisecondsOf(int64_t timeout_ns)
{
    if (timeout_ns <= 0)
        return timeout_ns == 0 ? 0 : -1;
    int64_t milliseconds = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
}

/* The raw count or -1 with errno. */
static int waitEvents(BackendState *state, int64_t timeout_ns, struct epoll_event *events, int most)
{
    if (timeout_ns > 0 && RELAXED_LOAD(&state->no_pwait2) == 0) {
        struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                   .tv_nsec = (long)(timeout_ns % 1000000000)};
        int count = epoll_pwait2(state->epoll_fd, events, most, &timeout, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        RELAXED_STORE(&state->no_pwait2, 1); /* Linux < 5.11, qemu-user, or a sandbox (EPERM) */
    }
    return epoll_wait(state->epoll_fd, events, most, millisecondsOf(timeout_ns));
}

/* The kernel's records, which are no larger, come into the far end of the caller's and are turned
 * into them from the near end: no second array, which would lie on some green thread's stack. */
static int pollEPoll(BackendState *state, int64_t timeout_ns, EventRecord *records, int most)
{
    _Static_assert(sizeof(struct epoll_event) <= sizeof(EventRecord), "they fit");
    size_t room = (size_t)most * (sizeof(EventRecord) - sizeof(struct epoll_event));
    struct epoll_event *events = (void *)((char *)records + room);
    int saved = errno;
    ASSERT_CMP(most, >, 0);
    int count = waitEvents(state, timeout_ns, events, most);
    if (count < 0) {
        int reason = errno;
        errno = saved;
        return reason == EINTR ? 0 : -reason;
    }
    for (int i = 0; i < count; i++) {
        struct epoll_event event;
        memcpy(&event, &events[i], sizeof event);
        EventRecord record = {.cookie = event.data.u64, .events = epollBitsEvents(event.events)};
        memcpy(&records[i], &record, sizeof record);
    }
    return count;
}

static int pollableEPoll(BackendState *state)
{
    return state->epoll_fd;
}

const Backend backendEPoll = {
    .name = "epoll",
    .edges = true,
    .levels = true,
    .open = openEPoll,
    .close = closeEPoll,
    .add = addEPoll,
    .modify = modifyEPoll,
    .remove = removeEPoll,
    .poll = pollEPoll,
    .pollable = pollableEPoll,
};
