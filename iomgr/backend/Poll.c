/* Poll.c -- the poll(2) back-end: one-shot or level, no kernel state.                [path 1/6]
 *
 * Owns    an array of watched fds, an eventfd of its own.
 * Before  the kernel.   After  iomgr/EventManager.c: dispatch, by cookie.
 * Tests   testsuite/unit/PollTest.c, testsuite/conformance/EventManagerConformance.c
 *
 * BackendState works as See Note [Poll back-end] says.
 *
 * Note [Poll back-end]
 *   Every poll copies the armed entries (fd, sequence) under the lock, polls without it, and under
 *   the lock again takes what is still true: an entry whose sequence has moved was changed or taken
 *   by somebody else meanwhile.  Any number of polls may run at once, and each arming is reported
 *   once. A change while somebody sleeps writes to `nudge`; the sleeper then returns 0, as for a
 *   signal, and its caller polls again with a new copy.
 *   epoll forgets an fd when its file is closed; here the entry stays.  The file's (device, inode)
 *   tells a number that was closed and given to another file; what has no inode of its own
 *   (eventfd, timerfd, an epoll fd) cannot be told from another of its kind.  An armed entry whose
 *   number is not open any more is reported as ready with EventError (epoll stays silent): the
 *   retry sees EBADF.
 */
#include "iomgr/Backend.h"

#include "internal/Assert.h"
#include "internal/SMP.h"
#include "iomgr/Memory.h"
#include "iomgr/Wakeup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NO_ENTRY = 0, FIRST_ENTRIES = 16, FIXED = 2 }; /* nudge and wake_fd come first */

typedef struct WatchedFd {
    int fd;
    uint32_t interest; /* EventRead | EventWrite; 0: silent until the next change */
    uint64_t cookie;
    uint64_t sequence; /* a new one for every change and every report that silences */
    bool level;        /* stays armed when it is reported */
    dev_t device;
    ino_t inode;
} WatchedFd;

/* One running poll's copy. */
typedef struct Snapshot {
    struct Snapshot *next; /* lock: while in `spare` */
    struct pollfd *fds;    /* the poll that holds it; FIXED + capacity */
    uint64_t *sequences;
    uint32_t capacity;
    uint32_t count;
} Snapshot;

struct BackendState {
    pthread_mutex_t lock;
    const Allocator *allocator; /* constant */
    int wake_fd;                /* constant */
    Wakeup nudge;               /* ends the sleep of a running poll */
    uint32_t sleepers;          /* lock: polls that may wait and have made their copy */
    WatchedFd *entries;         /* lock: count of them, in no order */
    uint32_t count, capacity;   /* lock */
    uint32_t *places;           /* lock: by fd, 1 + index into entries, or NO_ENTRY */
    uint32_t places_size;       /* lock */
    uint32_t turn;              /* lock: where the next report begins, so that nobody starves */
    uint64_t sequence;          /* lock */
    Snapshot *spare;            /* lock */
};

/* ---- memory -------------------------------------------------------------------------------- */

/* Under lock: an array of at least `needed` elements, the new ones zeroed.  0 or -ENOMEM. */
static int growArray(const Allocator *allocator, void **array, uint32_t *size, uint32_t needed,
                     size_t element)
{
    uint32_t bigger = *size < FIRST_ENTRIES ? FIRST_ENTRIES : *size;
    if (needed <= *size)
        return 0;
    while (bigger < needed)
        bigger *= 2;
    void *made = memoryAllocateZeroed(allocator, bigger * element, CACHE_LINE);
    if (made == NULL)
        return -ENOMEM;
    if (*size > 0)
        memcpy(made, *array, *size * element);
    memoryRelease(allocator, *array, *size * element, CACHE_LINE);
    *array = made;
    *size = bigger;
    return 0;
}

static void freeSnapshot(const Allocator *allocator, Snapshot *snapshot)
{
    memoryRelease(allocator, snapshot->fds, (snapshot->capacity + FIXED) * sizeof *snapshot->fds,
                  CACHE_LINE);
    memoryRelease(allocator, snapshot->sequences, snapshot->capacity * sizeof *snapshot->sequences,
                  CACHE_LINE);
    memoryRelease(allocator, snapshot, sizeof *snapshot, CACHE_LINE);
}

static Snapshot *makeSnapshot(const Allocator *allocator, uint32_t capacity)
{
    Snapshot *made = memoryAllocateZeroed(allocator, sizeof *made, CACHE_LINE);
    if (made == NULL)
        return NULL;
    made->capacity = capacity;
    made->fds = memoryAllocate(allocator, (capacity + FIXED) * sizeof *made->fds, CACHE_LINE);
    made->sequences = memoryAllocate(allocator, capacity * sizeof *made->sequences, CACHE_LINE);
    if (made->fds == NULL || made->sequences == NULL) {
        freeSnapshot(allocator, made);
        return NULL;
    }
    return made;
}

/* Under lock: a snapshot with room for every entry, or NULL. */
static Snapshot *takeSnapshot(BackendState *state)
{
    uint32_t needed = state->count < FIRST_ENTRIES ? FIRST_ENTRIES : state->count;
    Snapshot *snapshot = state->spare;
    if (snapshot != NULL) {
        state->spare = snapshot->next;
        if (snapshot->capacity >= needed)
            return snapshot;
        freeSnapshot(state->allocator, snapshot);
        needed *= 2;
    }
    return makeSnapshot(state->allocator, needed);
}

/* ---- life cycle ---------------------------------------------------------------------------- */

static void closePoll(BackendState *state)
{
    const Allocator *allocator = state->allocator;
    while (state->spare != NULL) {
        Snapshot *snapshot = state->spare;
        state->spare = snapshot->next;
        freeSnapshot(allocator, snapshot);
    }
    memoryRelease(allocator, state->entries, state->capacity * sizeof *state->entries, CACHE_LINE);
    memoryRelease(allocator, state->places, state->places_size * sizeof *state->places, CACHE_LINE);
    wakeupClose(&state->nudge);
    pthread_mutex_destroy(&state->lock);
    memoryRelease(allocator, state, sizeof *state, CACHE_LINE);
}

static int openPoll(BackendState **state, int wake_fd, const Allocator *allocator)
{
    BackendState *made = memoryAllocateZeroed(allocator, sizeof *made, CACHE_LINE);
    if (made == NULL)
        return -ENOMEM;
    made->allocator = allocator;
    made->wake_fd = wake_fd;
    pthread_mutex_init(&made->lock, NULL);
    int result = wakeupOpen(&made->nudge);
    if (result < 0) {
        closePoll(made);
        return result;
    }
    *state = made;
    return 0;
}

/* ---- changes ------------------------------------------------------------------------------- */

static WatchedFd *findEntry(const BackendState *state, int fd)
{
    if ((uint32_t)fd >= state->places_size || state->places[fd] == NO_ENTRY)
        return NULL;
    return &state->entries[state->places[fd] - 1];
}

static void dropEntry(BackendState *state, WatchedFd *entry)
{
    WatchedFd *last = &state->entries[state->count - 1];
    ASSERT_CMP(state->count, >, 0);
    state->places[last->fd] = state->places[entry->fd];
    state->places[entry->fd] = NO_ENTRY;
    *entry = *last; /* entry == last: its place was set and cleared, which is right */
    state->count--;
}

static WatchedFd *makeEntry(BackendState *state, int fd)
{
    void *entries = state->entries, *places = state->places;
    int full = growArray(state->allocator, &entries, &state->capacity, state->count + 1,
                         sizeof *state->entries);
    state->entries = entries;
    if (full == 0)
        full = growArray(state->allocator, &places, &state->places_size, (uint32_t)fd + 1,
                         sizeof *state->places);
    state->places = places;
    if (full < 0)
        return NULL;
    state->places[fd] = ++state->count;
    return &state->entries[state->count - 1];
}

/* The number may be somebody else's by now, and be closed meanwhile: it is asked about on purpose,
 * by a system call of which ThreadSanitizer knows nothing. */
static int statFile(int fd, struct stat *file)
{
    return syscall(SYS_fstat, fd, file) < 0 ? -errno : 0;
}

/* Under lock. known: the caller believes that fd is watched. */
static int changeEntry(BackendState *state, int fd, WatchMode mode, uint32_t interest,
                       uint64_t cookie, bool known)
{
    struct stat file;
    WatchedFd *entry = fd < 0 ? NULL : findEntry(state, fd);
    int failed = fd < 0 ? -EBADF : statFile(fd, &file);
    if (entry != NULL && (failed == -EBADF || (failed == 0 && (file.st_dev != entry->device ||
                                                               file.st_ino != entry->inode)))) {
        dropEntry(state, entry); /* as epoll would have, when the file was closed */
        entry = NULL;
    }
    if (failed < 0)
        return failed;
    if (known && entry == NULL)
        return -ENOENT;
    if (!known && entry != NULL)
        return -EEXIST;
    if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))
        return -EPERM;
    if (entry == NULL) {
        entry = makeEntry(state, fd);
        if (entry == NULL)
            return -ENOMEM;
    }
    bool level = mode == WatchLevel;
    *entry = (WatchedFd){fd, interest, cookie, ++state->sequence, level, file.st_dev, file.st_ino};
    return 0;
}

static int changePoll(BackendState *state, int fd, WatchMode mode, uint32_t interest,
                      uint64_t cookie, bool known)
{
    int saved = errno;
    if (mode == WatchEdge)
        return -EINVAL;
    pthread_mutex_lock(&state->lock);
    int result = changeEntry(state, fd, mode, interest, cookie, known);
    bool nudge = result == 0 && state->sleepers > 0;
    pthread_mutex_unlock(&state->lock);
    if (nudge)
        wakeupSend(&state->nudge);
    errno = saved;
    return result;
}

static int addPoll(BackendState *state, int fd, WatchMode mode, uint32_t interest, uint64_t cookie)
{
    return changePoll(state, fd, mode, interest, cookie, false);
}

static int modifyPoll(BackendState *state, int fd, WatchMode mode, uint32_t interest,
                      uint64_t cookie)
{
    return changePoll(state, fd, mode, interest, cookie, true);
}

static int removePoll(BackendState *state, int fd)
{
    int saved = errno;
    pthread_mutex_lock(&state->lock);
    WatchedFd *entry = fd < 0 ? NULL : findEntry(state, fd);
    if (entry != NULL)
        dropEntry(state, entry);
    bool nudge = entry != NULL && state->sleepers > 0; /* its ppoll keeps the file open */
    pthread_mutex_unlock(&state->lock);
    if (nudge)
        wakeupSend(&state->nudge);
    errno = saved;
    return entry == NULL ? -ENOENT : 0;
}

/* ---- polling ------------------------------------------------------------------------------- */

static void copyArmed(const BackendState *state, Snapshot *snapshot)
{
    struct pollfd *at = snapshot->fds;
    *at++ = (struct pollfd){.fd = state->nudge.fd, .events = POLLIN};
    *at++ = (struct pollfd){.fd = state->wake_fd, .events = POLLIN};
    snapshot->count = 0;
    for (uint32_t i = 0; i < state->count; i++) {
        const WatchedFd *entry = &state->entries[i];
        if (entry->interest == 0)
            continue;
        short events = 0;
        if (entry->interest & EventRead)
            events |= POLLIN | POLLRDHUP;
        if (entry->interest & EventWrite)
            events |= POLLOUT;
        *at++ = (struct pollfd){.fd = entry->fd, .events = events};
        snapshot->sequences[snapshot->count++] = entry->sequence;
    }
}

static uint32_t eventsOf(short kernel)
{
    uint32_t events = 0;
    if (kernel & POLLIN)
        events |= EventRead;
    if (kernel & POLLOUT)
        events |= EventWrite;
    if (kernel & POLLRDHUP)
        events |= EventRead | EventPeerClosed;
    if (kernel & POLLHUP)
        events |= EventRead | EventWrite | EventHangUp;
    if (kernel & (POLLERR | POLLNVAL))
        events |= EventRead | EventWrite | EventError;
    return events;
}

/* Under lock: report what is still as it was copied, at most `most`; the rest stays armed. */
static int takeReady(BackendState *state, const Snapshot *snapshot, EventRecord *records, int most)
{
    int taken = 0;
    if (snapshot->fds[1].revents != 0)
        records[taken++] = (EventRecord){BACKEND_WAKE_COOKIE, EventRead};
    for (uint32_t i = 0; i < snapshot->count && taken < most; i++) {
        uint32_t at = (state->turn + i) % snapshot->count;
        const struct pollfd *polled = &snapshot->fds[FIXED + at];
        WatchedFd *entry = polled->revents == 0 ? NULL : findEntry(state, polled->fd);
        if (entry == NULL || entry->sequence != snapshot->sequences[at])
            continue;
        records[taken++] = (EventRecord){entry->cookie, eventsOf(polled->revents)};
        if (!entry->level || (polled->revents & POLLNVAL)) { /* closed: it would be so for ever */
            entry->interest = 0;
            entry->sequence = ++state->sequence;
        }
        if (taken == most)
            state->turn = at + 1;
    }
    return taken;
}

static int pollPoll(BackendState *state, int64_t timeout_ns, EventRecord *records, int most)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                               .tv_nsec = (long)(timeout_ns % 1000000000)};
    int saved = errno;
    ASSERT_CMP(most, >, 0);
    pthread_mutex_lock(&state->lock);
    Snapshot *snapshot = takeSnapshot(state);
    if (snapshot == NULL) {
        pthread_mutex_unlock(&state->lock);
        return -ENOMEM;
    }
    copyArmed(state, snapshot);
    state->sleepers += timeout_ns != 0;
    pthread_mutex_unlock(&state->lock);

    int count =
        ppoll(snapshot->fds, snapshot->count + FIXED, timeout_ns < 0 ? NULL : &timeout, NULL);
    int reason = count < 0 ? errno : 0;

    pthread_mutex_lock(&state->lock);
    state->sleepers -= timeout_ns != 0;
    /* One that does not wait leaves the nudge to the sleeper it is meant for. */
    if (count > 0 && timeout_ns != 0 && snapshot->fds[0].revents != 0)
        wakeupDrain(&state->nudge);
    int taken = count > 0 ? takeReady(state, snapshot, records, most) : 0;
    snapshot->next = state->spare;
    state->spare = snapshot;
    pthread_mutex_unlock(&state->lock);
    errno = saved;
    return reason == 0 || reason == EINTR ? taken : -reason;
}

static int pollablePoll(BackendState *state)
{
    (void)state;
    return -1; /* nothing of the kernel's stands for the whole set */
}

const Backend backendPoll = {
    .name = "poll",
    .edges = false,
    .levels = true,
    .open = openPoll,
    .close = closePoll,
    .add = addPoll,
    .modify = modifyPoll,
    .remove = removePoll,
    .poll = pollPoll,
    .pollable = pollablePoll,
};
