/* Mock.c -- a back-end that obeys a script.                                          [path 1/6]
 *
 * Owns    the script and the record of what was asked for.
 * Before  a test.   After  iomgr/EventManager.c: dispatch, by cookie.
 * Tests   testsuite/unit/MockTest.c
 */
#include "iomgr/backend/Mock.h"

#include "internal/Assert.h"
#include "internal/SMP.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST_FAILURES = 16, MOST_FDS = 4096, MOST_CHANGES = 65536, MOST_EVENTS = 65536 };

typedef struct MockFd {
    bool watched;
    WatchMode mode;
    uint32_t interest; /* 0: a one-shot that has fired */
    uint64_t cookie;
} MockFd;

typedef struct MockEvent {
    EventRecord record;
    int fd; /* whose one-shot it uses up, or -1 */
} MockEvent;

struct BackendState {
    pthread_mutex_t lock;       /* over all that follows but the constants */
    const Allocator *allocator; /* constant */
    int wake_fd;                /* constant */
    int script_fd;              /* constant: eventfd, readable when something was delivered */
    int limit;
    MockFd fds[MOST_FDS];
    struct {
        int fd, error;
    } failures[MOST_FAILURES];
    uint32_t failure_count;
    MockChange changes[MOST_CHANGES];
    uint32_t change_count;
    MockEvent events[MOST_EVENTS]; /* a ring: first .. first + event_count */
    uint32_t first, event_count;
    void (*on_change)(void *context, const MockChange *change);
    void *change_context;
    void (*on_sleep)(void *context, int64_t timeout_ns);
    void *sleep_context;
};

static int openMock(BackendState **state, int wake_fd, const Allocator *allocator)
{
    BackendState *made = memoryAllocate(allocator, sizeof *made, CACHE_LINE);
    if (made == NULL)
        return -ENOMEM;
    memset(made, 0, offsetof(BackendState, changes)); /* the two big arrays are never read ahead */
    made->change_count = made->first = made->event_count = 0;
    made->on_change = NULL;
    made->on_sleep = NULL;
    made->allocator = allocator;
    made->wake_fd = wake_fd;
    pthread_mutex_init(&made->lock, NULL);
    made->script_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (made->script_fd < 0) {
        int result = -errno;
        memoryRelease(allocator, made, sizeof *made, CACHE_LINE);
        return result;
    }
    *state = made;
    return 0;
}

static void closeMock(BackendState *state)
{
    close(state->script_fd);
    pthread_mutex_destroy(&state->lock);
    memoryRelease(state->allocator, state, sizeof *state, CACHE_LINE);
}

/* ---- changes ------------------------------------------------------------------------------- */

/* Under lock: what the script says about this change, or 0. */
static int takeFailure(BackendState *state, int fd)
{
    for (uint32_t i = 0; i < state->failure_count; i++) {
        if (state->failures[i].fd == fd) {
            int error = state->failures[i].error;
            state->failure_count--;
            for (; i < state->failure_count; i++)
                state->failures[i] = state->failures[i + 1];
            return error;
        }
    }
    return 0;
}

/* Under lock: do it, as epoll would. */
static int applyChange(BackendState *state, const MockChange *change)
{
    if (change->fd < 0 || change->fd >= MOST_FDS)
        return -EBADF;
    int error = takeFailure(state, change->fd);
    MockFd *fd = &state->fds[change->fd];
    if (error != 0)
        return error;
    if (change->operation == MockAdd && fd->watched)
        return -EEXIST;
    if (change->operation != MockAdd && !fd->watched)
        return -ENOENT;
    *fd = (MockFd){change->operation != MockRemove, change->mode, change->interest, change->cookie};
    return 0;
}

static int changeMock(BackendState *state, MockChange change)
{
    pthread_mutex_lock(&state->lock);
    change.result = applyChange(state, &change);
    if (state->change_count == MOST_CHANGES)
        barf("mock back-end: more than %d changes", MOST_CHANGES);
    state->changes[state->change_count++] = change;
    void (*hook)(void *, const MockChange *) = state->on_change;
    void *context = state->change_context;
    pthread_mutex_unlock(&state->lock);
    if (hook != NULL)
        hook(context, &change);
    return change.result;
}

static int addMock(BackendState *state, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    return changeMock(state, (MockChange){MockAdd, fd, mode, interest, cookie, 0});
}

static int modifyMock(BackendState *state, int fd, WatchMode mode, uint32_t interest,
                      uint64_t cookie)
{
    return changeMock(state, (MockChange){MockModify, fd, mode, interest, cookie, 0});
}

static int removeMock(BackendState *state, int fd)
{
    return changeMock(state, (MockChange){MockRemove, fd, WatchOneShot, 0, 0, 0});
}

/* ---- polling ------------------------------------------------------------------------------- */

/* Under lock: the records that are due, wake fd first. */
static int takeScripted(BackendState *state, EventRecord *records, int most)
{
    struct pollfd wake = {.fd = state->wake_fd, .events = POLLIN};
    uint64_t delivered;
    int taken = 0;
    if (state->limit > 0 && state->limit < most)
        most = state->limit;
    if (poll(&wake, 1, 0) > 0)
        records[taken++] = (EventRecord){BACKEND_WAKE_COOKIE, EventRead};
    while (taken < most && state->event_count > 0) {
        MockEvent *event = &state->events[state->first];
        state->first = (state->first + 1) % MOST_EVENTS;
        state->event_count--;
        records[taken++] = event->record;
        if (event->fd >= 0 && state->fds[event->fd].mode == WatchOneShot)
            state->fds[event->fd].interest = 0;
    }
    if (state->event_count == 0 && read(state->script_fd, &delivered, sizeof delivered) < 0 &&
        errno != EAGAIN)
        barf("mock back-end: its eventfd cannot be read");
    return taken;
}

static int pollMock(BackendState *state, int64_t timeout_ns, EventRecord *records, int most)
{
    int saved = errno;
    for (int look = 0;; look++) {
        pthread_mutex_lock(&state->lock);
        int taken = takeScripted(state, records, most);
        void (*hook)(void *, int64_t) = state->on_sleep;
        void *context = state->sleep_context;
        pthread_mutex_unlock(&state->lock);
        if (taken > 0 || timeout_ns == 0 || look > 0) {
            errno = saved;
            return taken;
        }
        if (hook != NULL) {
            hook(context, timeout_ns);
            continue;
        }
        struct pollfd sources[2] = {{.fd = state->wake_fd, .events = POLLIN},
                                    {.fd = state->script_fd, .events = POLLIN}};
        struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                   .tv_nsec = (long)(timeout_ns % 1000000000)};
        ppoll(sources, 2, timeout_ns < 0 ? NULL : &timeout, NULL); /* EINTR: look again */
    }
}

static int pollableMock(BackendState *state)
{
    (void)state;
    return -1;
}

/* ---- the script ---------------------------------------------------------------------------- */

uint32_t mockChangeCount(BackendState *state)
{
    pthread_mutex_lock(&state->lock);
    uint32_t count = state->change_count;
    pthread_mutex_unlock(&state->lock);
    return count;
}

MockChange mockChange(BackendState *state, uint32_t index)
{
    pthread_mutex_lock(&state->lock);
    if (index >= state->change_count)
        barf("mock back-end: change %u of %u", index, state->change_count);
    MockChange change = state->changes[index];
    pthread_mutex_unlock(&state->lock);
    return change;
}

void mockForget(BackendState *state)
{
    pthread_mutex_lock(&state->lock);
    state->change_count = 0;
    pthread_mutex_unlock(&state->lock);
}

void mockFail(BackendState *state, int fd, int error)
{
    pthread_mutex_lock(&state->lock);
    if (state->failure_count == MOST_FAILURES)
        barf("mock back-end: more than %d failures wait", MOST_FAILURES);
    state->failures[state->failure_count].fd = fd;
    state->failures[state->failure_count++].error = error;
    pthread_mutex_unlock(&state->lock);
}

static MockFd *checkFd(BackendState *state, int fd)
{
    if (fd < 0 || fd >= MOST_FDS)
        barf("mock back-end: fd %d is not below %d", fd, MOST_FDS);
    return &state->fds[fd];
}

void mockReplaceFile(BackendState *state, int fd)
{
    pthread_mutex_lock(&state->lock);
    checkFd(state, fd)->watched = false;
    pthread_mutex_unlock(&state->lock);
}

uint64_t mockCookie(BackendState *state, int fd)
{
    pthread_mutex_lock(&state->lock);
    MockFd *at = checkFd(state, fd);
    uint64_t cookie = at->watched ? at->cookie : 0;
    pthread_mutex_unlock(&state->lock);
    return cookie;
}

bool mockIsArmed(BackendState *state, int fd, uint32_t interest)
{
    pthread_mutex_lock(&state->lock);
    MockFd *at = checkFd(state, fd);
    bool armed = at->watched && (at->mode == WatchEdge || (at->interest & interest) == interest);
    pthread_mutex_unlock(&state->lock);
    return armed;
}

static void appendEvent(BackendState *state, MockEvent event)
{
    const uint64_t one = 1;
    if (state->event_count == MOST_EVENTS)
        barf("mock back-end: more than %d events wait", MOST_EVENTS);
    state->events[(state->first + state->event_count++) % MOST_EVENTS] = event;
    if (write(state->script_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        barf("mock back-end: its eventfd cannot be written");
}

void mockDeliver(BackendState *state, uint64_t cookie, uint32_t events)
{
    pthread_mutex_lock(&state->lock);
    appendEvent(state, (MockEvent){{cookie, events}, -1});
    pthread_mutex_unlock(&state->lock);
}

bool mockDeliverFd(BackendState *state, int fd, uint32_t events)
{
    pthread_mutex_lock(&state->lock);
    MockFd *at = checkFd(state, fd);
    uint32_t always = EventHangUp | EventError; /* an armed one-shot reports them unasked */
    bool heard = at->watched && (at->mode == WatchEdge ||
                                 (at->interest != 0 && (events & (at->interest | always)) != 0));
    if (heard)
        appendEvent(state, (MockEvent){{at->cookie, events}, fd});
    pthread_mutex_unlock(&state->lock);
    return heard;
}

void mockLimit(BackendState *state, int most)
{
    pthread_mutex_lock(&state->lock);
    state->limit = most;
    pthread_mutex_unlock(&state->lock);
}

void mockOnChange(BackendState *state, void (*hook)(void *context, const MockChange *change),
                  void *context)
{
    pthread_mutex_lock(&state->lock);
    state->on_change = hook;
    state->change_context = context;
    pthread_mutex_unlock(&state->lock);
}

void mockOnSleep(BackendState *state, void (*hook)(void *context, int64_t timeout_ns),
                 void *context)
{
    pthread_mutex_lock(&state->lock);
    state->on_sleep = hook;
    state->sleep_context = context;
    pthread_mutex_unlock(&state->lock);
}

#define MOCK(named, has_edges)                                                                     \
    {                                                                                              \
        .name = named, .edges = has_edges, .levels = has_edges, .open = openMock,                  \
        .close = closeMock, .add = addMock, .modify = modifyMock, .remove = removeMock,            \
        .poll = pollMock, .pollable = pollableMock                                                 \
    }

const Backend backendMock = MOCK("mock", true);
const Backend backendMockOneShot = MOCK("mock-oneshot", false);
