/* Registrations.c -- OS threads register, unregister and close while others step and call back.
 *
 * Pipes come and go under numbers that are used again at once; who registers does not look whether
 * the number is being closed.  Every registration has an entry that is never used twice, so that a
 * call that should not come is seen.  What must hold of each: never called twice at once; OneShot
 * at most once; nothing after EventClose, after unregisterFd has said 1 or -EINPROGRESS; and, when
 * all fds are closed, whoever is still registered has heard EventClose.  Reading and writing what
 * others close is meant here: by system calls of which ThreadSanitizer knows nothing.
 */
#include "iomgr/EventManager.h"
#include "testsuite/support/IoFixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PIPES = 12, MUTATORS = 3, ENTRIES = 1 << 20 };

typedef struct Entry {
    FdKey key;
    Lifetime lifetime;
    uint32_t inside;       /* callbacks exchange */
    uint32_t calls, ended; /* relaxed; `ended`: EventClose */
    uint32_t gone;         /* stored after unregisterFd has said 1, or -EINPROGRESS (2) */
    uint32_t late;         /* the callback: it was about to be entered when that was said */
    uint32_t ready;        /* the key is there: release */
} Entry;

typedef struct Pipe {
    pthread_mutex_t lock; /* who opens and closes */
    int fds[2];           /* lock; others look (relaxed) */
} Pipe;

static Entry *entries;
static uint32_t entry_count; /* anyone, relaxed add */
static Pipe pipes[PIPES];
static EventManager *manager;
static EventManager shared;
static uint32_t over, stop_stepping;
static uint64_t calls, closes, unregistered, in_progress;

static uint64_t draw(uint64_t *seed, uint64_t most)
{
    return testRandomFrom(seed) % most;
}

static int noteCall(EventManager *at, FdKey key, uint32_t events, void *env);

static void registerOne(uint64_t *seed)
{
    uint32_t place = ADD_RELAXED(&entry_count, 1);
    if (place >= ENTRIES)
        return;
    Entry *entry = &entries[place];
    int fd = RELAXED_LOAD(&pipes[draw(seed, PIPES)].fds[draw(seed, 2)]);
    entry->lifetime = draw(seed, 2) ? MultiShot : OneShot;
    FdKey key;
    int result = registerFd(manager, noteCall, entry, fd, (uint32_t)(1 + draw(seed, 3)),
                            entry->lifetime, &key);
    CHECK(result == 0 || result == -EBADF);
    if (result < 0)
        return;
    entry->key = key;
    RELEASE_STORE(&entry->ready, 1);
}

static void unregisterOne(Entry *entry)
{
    if (ACQUIRE_LOAD(&entry->ready) == 0)
        return;
    int result = unregisterFd(manager, entry->key);
    CHECK(result == 0 || result == 1 || result == -EINPROGRESS);
    if (result == 0)
        return;
    SEQ_CST_STORE(&entry->gone, result == 1 ? 1 : 2);
    ADD_RELAXED(result == 1 ? &unregistered : &in_progress, 1);
}

static void closeOne(int fd)
{
    if (manager->exclusive) {
        CHECK_EQ(eventManagerCloseFd(manager, fd), 0);
        return;
    }
    eventManagerClosingFd(manager, fd, NULL);
    CHECK_EQ(close(fd), 0);
    eventManagerClosedFd(manager, fd, NULL);
}

static void openPipe(Pipe *at)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    RELAXED_STORE(&at->fds[0], ends[0]);
    RELAXED_STORE(&at->fds[1], ends[1]);
}

static void reopenPipe(Pipe *at)
{
    if (pthread_mutex_trylock(&at->lock) != 0)
        return; /* a callback of this close may be here itself */
    closeOne(at->fds[0]);
    closeOne(at->fds[1]);
    openPipe(at);
    pthread_mutex_unlock(&at->lock);
}

static void actInside(Entry *entry, uint64_t *seed)
{
    switch (draw(seed, 16)) {
    case 0:
    case 1:
        unregisterOne(entry);
        break;
    case 2:
        reopenPipe(&pipes[draw(seed, PIPES)]);
        break;
    case 3:
        registerOne(seed);
        break;
    default:
        break;
    }
}

static int noteCall(EventManager *at, FdKey key, uint32_t events, void *env)
{
    Entry *entry = env;
    uint64_t seed = key.unique * UINT64_C(0x9e3779b97f4a7c15) + RELAXED_LOAD(&entry->calls) + 1;
    char byte;
    CHECK(at == manager);
    CHECK_EQ(XCHG_ACQUIRE(&entry->inside, 1), 0);
    uint32_t gone = SEQ_CST_LOAD(&entry->gone);
    CHECK(gone == 0 || (gone == 2 && entry->late++ == 0 && (events & EventClose) == 0));
    CHECK_EQ(RELAXED_LOAD(&entry->ended), 0);
    if (events & EventClose) {
        RELAXED_STORE(&entry->ended, 1);
        ADD_RELAXED(&closes, 1);
    } else {
        CHECK(entry->lifetime == MultiShot || RELAXED_LOAD(&entry->calls) == 0);
        RELAXED_STORE(&entry->calls, RELAXED_LOAD(&entry->calls) + 1);
        ADD_RELAXED(&calls, 1);
        if ((events & EventRead) && syscall(SYS_read, key.fd, &byte, 1) < 0)
            CHECK(errno == EAGAIN || errno == EBADF); /* others read and close */
        if (RELAXED_LOAD(&over) == 0)
            actInside(entry, &seed);
    }
    RELEASE_STORE(&entry->inside, 0);
    return 0;
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *mutate(void *env)
{
    uint64_t seed = (uint64_t)(uintptr_t)env * 7919 + testSeed();
    while (RELAXED_LOAD(&over) == 0) {
        uint64_t what = draw(&seed, 16);
        uint32_t count = RELAXED_LOAD(&entry_count);
        if (count >= ENTRIES)
            break;
        if (what < 5)
            registerOne(&seed);
        else if (what < 10 && count > 0)
            unregisterOne(&entries[count - 1 - draw(&seed, count < 64 ? count : 64)]);
        else if (what < 11)
            reopenPipe(&pipes[draw(&seed, PIPES)]);
        else if (syscall(SYS_write, RELAXED_LOAD(&pipes[draw(&seed, PIPES)].fds[1]), "x", 1) < 0)
            CHECK(errno == EAGAIN || errno == EBADF || errno == EPIPE);
    }
    return NULL;
}

static void *own(void *env)
{
    (void)env;
    if (manager->exclusive)
        CHECK_EQ(eventManagerRun(manager), 0);
    else
        while (RELAXED_LOAD(&stop_stepping) == 0)
            eventManagerPoll(manager, clockDeadline(&clockMonotonic, 1000), NULL);
    return NULL;
}

static void *rescue(void *env)
{
    (void)env;
    while (RELAXED_LOAD(&stop_stepping) == 0)
        eventManagerRescue(manager, NULL);
    return NULL;
}

static void checkEntries(void)
{
    uint32_t count = entry_count < ENTRIES ? entry_count : ENTRIES;
    for (uint32_t i = 0; i < count; i++) {
        Entry *entry = &entries[i];
        bool done = entry->lifetime == OneShot && entry->calls == 1;
        if (entry->ready)
            CHECK_EQ(entry->ended + (entry->gone || done), 1);
    }
}

static void rest(double seconds)
{
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static void runAll(const char *backend, bool alone, double seconds)
{
    pthread_t mutators[MUTATORS], owner, rescuer;
    EventManagerConfig config = {.backend = backend};
    signal(SIGPIPE, SIG_IGN);
    entries = calloc(ENTRIES, sizeof *entries);
    CHECK(entries != NULL);
    entry_count = over = stop_stepping = 0;
    calls = closes = unregistered = in_progress = 0;
    ownerGateStart();
    manager = &shared;
    if (alone)
        CHECK_EQ(eventManagerNew(&config, &manager), 0);
    else
        CHECK_EQ(eventManagerOpen(&shared, backendByName(backend), NULL, NULL), 0);
    CHECK_EQ(strcmp(manager->backend->name, backend), 0);
    for (int i = 0; i < PIPES; i++) {
        pthread_mutex_init(&pipes[i].lock, NULL);
        openPipe(&pipes[i]);
    }
    CHECK_EQ(pthread_create(&owner, NULL, own, NULL), 0);
    if (!alone)
        CHECK_EQ(pthread_create(&rescuer, NULL, rescue, NULL), 0);
    for (uintptr_t i = 0; i < MUTATORS; i++)
        CHECK_EQ(pthread_create(&mutators[i], NULL, mutate, (void *)(i + 1)), 0);
    rest(seconds);
    while (RELAXED_LOAD(&calls) == 0 || RELAXED_LOAD(&closes) == 0 ||
           RELAXED_LOAD(&unregistered) == 0)
        rest(0.01);
    RELAXED_STORE(&over, 1);
    for (int i = 0; i < MUTATORS; i++)
        CHECK_EQ(pthread_join(mutators[i], NULL), 0);
    for (int i = 0; i < PIPES; i++) {
        pthread_mutex_lock(&pipes[i].lock); /* a callback may still be opening it anew */
        closeOne(pipes[i].fds[0]);
        closeOne(pipes[i].fds[1]);
        pthread_mutex_unlock(&pipes[i].lock);
    }
    RELAXED_STORE(&stop_stepping, 1);
    eventManagerStop(manager);
    CHECK_EQ(pthread_join(owner, NULL), 0);
    if (!alone)
        CHECK_EQ(pthread_join(rescuer, NULL), 0);
    CHECK_EQ(RELAXED_LOAD(&manager->registered), 0);
    CHECK_EQ(RELAXED_LOAD(&manager->fds), 0);
    checkEntries();
    if (alone)
        CHECK_EQ(eventManagerFree(manager), 0);
    else
        eventManagerClose(&shared);
    free(entries);
}

TEST(Registrations, standaloneOnEPoll)
{
    runAll("epoll", true, testSeconds());
}

TEST(Registrations, sharedOnEPoll)
{
    runAll("epoll", false, testSeconds());
}

TEST(Registrations, standaloneOnPoll)
{
    runAll("poll", true, testSeconds());
}

TEST(Registrations, sharedOnPoll)
{
    runAll("poll", false, testSeconds());
}

TEST(Registrations, standaloneOnURing)
{
    if (ringsRefused())
        SKIP("the kernel refuses rings");
    runAll("uring", true, testSeconds());
}

TEST(Registrations, sharedOnURing)
{
    if (ringsRefused())
        SKIP("the kernel refuses rings");
    runAll("uring", false, testSeconds());
}
