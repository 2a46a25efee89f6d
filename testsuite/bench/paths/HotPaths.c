/* HotPaths.c -- the paths that must stay short, each run N and then 2N times for instructions.py.
 *
 *     HotPaths --about | --list | --path NAME [--count N]
 *
 * Under callgrind it leaves profiles, the second of N operations and the fourth of 2N (the others
 * are of what came before them): their difference divided by N is the price of one operation, free
 * of what begins and ends a run.
 *
 * Note [Counting the same twice]
 *   The count must depend on nothing but the code.  So there is one capability; the Monitor, which
 *   looks at the others when real time passes, is stopped; the capability's clock moves CLOCK_STEP
 *   each time it is read; and its back-end, asked to sleep, looks once without waiting and moves
 *   the clock to the end of the sleep instead.  What the kernel, the C library and this file
 *   execute is left out by instructions.py; system calls are counted apart.
 */
#include "capability/CapabilityTable.h"
#include "capability/Monitor.h"
#include "internal/Assert.h"
#include "rts/Schedule.h"
#include "testsuite/bench/paths/Steady.h"
#include "testsuite/bench/paths/Tasks.h"
#include "testsuite/bench/paths/Times.h"
#include "testsuite/bench/paths/Transactions.h"

#include <capri/capri.h>

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_DUMP_STATS_AT(title) ((void)(title))
#define NO_REQUESTS
#endif

enum { FORK_THREADS = 1000, RING_THREADS = 503, BATCH_FDS = 64, BUFFER_SIZE = 64 };

/* ---- threads ------------------------------------------------------------------------------ */

static void *yieldOften(void *env)
{
    for (uint32_t left = *(uint32_t *)env; left > 0; left--)
        threadYield();
    return NULL;
}

/* Two threads take turns: count switches. */
static void runYield(uint32_t count)
{
    uint32_t half = count / 2;
    Thread *peer = forkThread(yieldOften, &half);
    yieldOften(&half);
    joinThread(peer);
}

static void *doNothing(void *env)
{
    return env;
}

static void runForkJoin(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        joinThread(forkThread(doNothing, NULL));
}

/* FORK_THREADS at a time, then all of them joined. */
static void runForkMany(uint32_t count)
{
    static Thread *threads[FORK_THREADS];
    for (uint32_t done = 0; done < count; done += FORK_THREADS) {
        for (uint32_t i = 0; i < FORK_THREADS; i++)
            threads[i] = forkThread(doNothing, NULL);
        for (uint32_t i = 0; i < FORK_THREADS; i++)
            joinThread(threads[i]);
    }
}

typedef struct RingThread {
    TVar *own, *next;
    Thread *thread;
} RingThread;

/* Take the number out of the own cell, put number - 1 into the neighbour's; end once it is < 0. */
static void *passOn(void *env)
{
    RingThread *self = env;
    uint64_t version = 0;
    intptr_t number = 0;
    while (number >= 0) {
        require(tvarAwait(self->own, version) == 0, "tvarAwait failed");
        number = (intptr_t)tvarReadVersionIO(self->own, &version);
        tvarWriteIO(self->next, (void *)(number - 1));
    }
    return NULL;
}

static void runRing(uint32_t count)
{
    static RingThread ring[RING_THREADS];
    for (uint32_t i = 0; i < RING_THREADS; i++) {
        ring[i].own = tvarNew(NULL);
        require(ring[i].own != NULL, "tvarNew failed");
    }
    for (uint32_t i = 0; i < RING_THREADS; i++) {
        ring[i].next = ring[(i + 1) % RING_THREADS].own;
        ring[i].thread = forkThread(passOn, &ring[i]);
    }
    threadYield();
    tvarWriteIO(ring[0].own, (void *)(intptr_t)count);
    for (uint32_t i = 0; i < RING_THREADS; i++)
        joinThread(ring[i].thread);
    for (uint32_t i = 0; i < RING_THREADS; i++)
        tvarFree(ring[i].own);
}

typedef struct Pair {
    MVar *mine, *other;
    uint32_t left;
} Pair;

static void *playMVar(void *env)
{
    Pair *self = env;
    for (; self->left > 0; self->left--) {
        void *ball;
        require(mvarTake(self->mine, &ball) == 0, "mvarTake failed");
        require(mvarPut(self->other, ball) == 0, "mvarPut failed");
    }
    return NULL;
}

/* Two threads, one ball, a box for each: count takes that park, and as many puts. */
static void runMVar(uint32_t count)
{
    MVar *one = mvarNewEmpty(), *two = mvarNewEmpty();
    require(one != NULL && two != NULL, "mvarNewEmpty failed");
    Pair first = {one, two, count / 2}, second = {two, one, count / 2};
    Thread *threads[] = {forkThread(playMVar, &first), forkThread(playMVar, &second)};
    threadYield();
    mvarPut(one, NULL);
    joinThread(threads[0]);
    joinThread(threads[1]);
    mvarFree(one);
    mvarFree(two);
}

/* ---- descriptors -------------------------------------------------------------------------- */

/* Local: over TCP the kernel's own threads have a say in which edges come together. */
static void openPair(int ends[2])
{
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 &&
                fdAdopt(ends[0]) == 0 && fdAdopt(ends[1]) == 0,
            "no socket pair");
}

static void closePair(const int ends[2])
{
    closeFd(ends[0]);
    closeFd(ends[1]);
}

/* The peer's side, as cheap as can be: it is not what is measured. */
static void sendByte(int fd)
{
    require(write(fd, "", 1) == 1, "write failed");
}

static void *sendLater(void *env)
{
    sendByte(*(int *)env);
    return NULL;
}

/* A pair whose first end has been waited for, as a connection's has. */
static void openWarmPair(int ends[2])
{
    char byte;
    openPair(ends);
    Thread *sender = forkThread(sendLater, &ends[1]);
    require(fdRead(ends[0], &byte, 1) == 1, "fdRead failed");
    joinThread(sender);
}

/* The byte is there, and fills the buffer: nothing is learnt about what follows. */
static void runReadReady(uint32_t count)
{
    int ends[2];
    char byte;
    openWarmPair(ends);
    for (uint32_t i = 0; i < count; i++) {
        sendByte(ends[1]);
        require(fdRead(ends[0], &byte, 1) == 1, "fdRead failed");
    }
    closePair(ends);
}

static void runWrite(uint32_t count)
{
    int ends[2];
    char byte;
    openWarmPair(ends);
    for (uint32_t i = 0; i < count; i++) {
        require(fdWrite(ends[0], "", 1) == 1, "fdWrite failed");
        require(read(ends[1], &byte, 1) == 1, "read failed");
    }
    closePair(ends);
}

typedef struct Player {
    int fd;
    uint32_t left;
} Player;

static void *playPing(void *env)
{
    Player *self = env;
    char buffer[BUFFER_SIZE];
    for (; self->left > 0; self->left--) {
        require(fdRead(self->fd, buffer, sizeof buffer) == 1, "fdRead failed");
        sendByte(self->fd);
    }
    return NULL;
}

/* Two threads, one ball: each fdRead parks, the capability lies down, an edge wakes it. */
static void runReadPark(uint32_t count)
{
    int ends[2];
    openPair(ends);
    Player one = {ends[0], count / 2}, other = {ends[1], count / 2};
    Thread *threads[] = {forkThread(playPing, &one), forkThread(playPing, &other)};
    sendByte(ends[1]);
    joinThread(threads[0]);
    joinThread(threads[1]);
    closePair(ends);
}

typedef struct Crowd {
    int pairs[BATCH_FDS][2];
    TVar *round; /* how many rounds are complete */
    uint32_t rounds, heard;
} Crowd;

typedef struct Listener {
    Crowd *crowd;
    int fd;
} Listener;

static void *listenOften(void *env)
{
    Listener *self = env;
    Crowd *crowd = self->crowd;
    char buffer[BUFFER_SIZE];
    for (uint32_t round = 1; round <= crowd->rounds; round++) {
        require(fdRead(self->fd, buffer, sizeof buffer) == 1, "fdRead failed");
        if (++crowd->heard == BATCH_FDS) {
            crowd->heard = 0;
            tvarWriteIO(crowd->round, (void *)(uintptr_t)round);
        }
    }
    return NULL;
}

/* BATCH_FDS parked readers, one poll that brings all their events. */
static void runDispatch(uint32_t count)
{
    static Crowd crowd;
    static Listener listeners[BATCH_FDS];
    static Thread *threads[BATCH_FDS];
    uint64_t version;
    crowd.rounds = count / BATCH_FDS;
    crowd.round = tvarNew(NULL);
    require(crowd.round != NULL, "tvarNew failed");
    for (uint32_t i = 0; i < BATCH_FDS; i++) {
        openPair(crowd.pairs[i]);
        listeners[i] = (Listener){&crowd, crowd.pairs[i][0]};
        threads[i] = forkThread(listenOften, &listeners[i]);
    }
    threadYield();
    for (uint32_t round = 0; round < crowd.rounds; round++) {
        tvarReadVersionIO(crowd.round, &version);
        for (uint32_t i = 0; i < BATCH_FDS; i++)
            sendByte(crowd.pairs[i][1]);
        require(tvarAwait(crowd.round, version) == 0, "tvarAwait failed");
    }
    for (uint32_t i = 0; i < BATCH_FDS; i++) {
        joinThread(threads[i]);
        closePair(crowd.pairs[i]);
    }
    tvarFree(crowd.round);
}

/* ---- calls -------------------------------------------------------------------------------- */

/* A call of a C function that returns at once. */
static void *returnArgument(void *arg)
{
    return arg;
}

static void runForeignCall(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        require(foreignCall(returnArgument, NULL, NULL) == 0, "no call");
}

static void runRegion(uint32_t count)
{
    BlockingRegion region;
    for (uint32_t i = 0; i < count; i++) {
        require(threadBlockingEnter(&region) == 0, "no region");
        threadBlockingLeave(&region);
    }
}

/* ---- the table ---------------------------------------------------------------------------- */

typedef struct Path {
    const char *name;
    void (*run)(uint32_t count);
    uint32_t count; /* operations, unless --count says otherwise */
    uint32_t step;  /* it does so many, or a multiple */
} Path;

static const Path paths[] = {
    {"yield", runYield, 16000, 2},
    {"fork_join", runForkJoin, 3000, 1},
    {"fork_many", runForkMany, 3000, FORK_THREADS},
    {"ring", runRing, 6000, 1},
    {"mvar", runMVar, 6000, 2},
    {"task_yield", runTaskYield, 16000, 2},
    {"task_mvar", runTaskMVar, 6000, 2},
    {"transaction", runTransaction, 6000, 1},
    {"read_many", runReads, 100 * MANY_READS, MANY_READS},
    {"hand_off", runHandOff, 6000, 2},
    {"watchers", runWatchers, 20 * WATCHERS, WATCHERS},
    {"read_ready", runReadReady, 3000, 1},
    {"write", runWrite, 3000, 1},
    {"read_park", runReadPark, 2000, 2},
    {"dispatch", runDispatch, 30 * BATCH_FDS, BATCH_FDS},
    {"delay", runDelay, 2000, 1},
    {"timeout_run", runLimit, 10000, 1},
    {"timer_cancel", runTimer, 10000, 1},
    {"foreign_call", runForeignCall, 16000, 1},
    {"region", runRegion, 16000, 1},
};

enum { PATHS = sizeof paths / sizeof paths[0] };

typedef struct Job {
    const Path *path;
    uint32_t count;
    sem_t done;
} Job;

/* On a green thread.  The first run is to warm up. */
static void *measurePath(void *env)
{
    Job *job = env;
    EventManager *manager = &capabilities.items[0]->manager;
    char title[64];
    beginSteady(manager);
    job->path->run(job->count);
    for (uint32_t times = 1; times <= 2; times++) {
        CALLGRIND_DUMP_STATS_AT("before"); /* and begin at zero, system calls too */
        CALLGRIND_TOGGLE_COLLECT;
        job->path->run(times * job->count);
        CALLGRIND_TOGGLE_COLLECT;
        snprintf(title, sizeof title, "%s %u", job->path->name, times);
        CALLGRIND_DUMP_STATS_AT(title);
    }
    endSteady(manager);
    sem_post(&job->done);
    return NULL;
}

static void measure(Job *job)
{
    RtsConfig config = {.capabilities = 1, .backend = "epoll"};
    Thread *thread;
    require(sem_init(&job->done, 0, 0) == 0, "no semaphore");
    require(rtsInit(&config) == 0, "rtsInit failed");
    monitorStop();
    require(threadFork(&thread, measurePath, job) == 0, "threadFork failed");
    while (sem_wait(&job->done) != 0) /* in threadJoin this OS thread would look about */
        continue;
    joinThread(thread);
    require(rtsShutdown(Drain, INT64_MAX) == 0, "rtsShutdown failed");
    printf("%s %u\n", job->path->name, job->count);
}

/* How it was compiled: a count is good for that only. */
static void printAbout(void)
{
#ifdef __clang__
    printf("clang %d", __clang_major__);
#else
    printf("gcc %d", __GNUC__);
#endif
#ifdef __x86_64__
    printf(" x86_64");
#else
    printf(" aarch64");
#endif
#ifndef __OPTIMIZE__
    printf(" unoptimised");
#endif
#ifdef CAPRI_ASSERTIONS
    printf(" assertions");
#endif
#ifdef NO_REQUESTS
    printf(" no valgrind requests");
#endif
    printf("\n");
}

static const Path *findPath(const char *name)
{
    for (uint32_t i = 0; i < PATHS; i++)
        if (strcmp(paths[i].name, name) == 0)
            return &paths[i];
    return NULL;
}

int main(int argc, char **argv)
{
    Job job = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--about") == 0) {
            printAbout();
            return 0;
        }
        if (strcmp(argv[i], "--list") == 0) {
            for (uint32_t k = 0; k < PATHS; k++)
                printf("%s\n", paths[k].name);
            return 0;
        }
        require(i + 1 < argc, "usage: HotPaths --about | --list | --path NAME [--count N]");
        if (strcmp(argv[i], "--path") == 0)
            job.path = findPath(argv[++i]);
        else if (strcmp(argv[i], "--count") == 0)
            job.count = (uint32_t)strtoul(argv[++i], NULL, 10);
        else
            require(false, "unknown argument");
    }
    require(job.path != NULL, "no such path; --list names them");
    if (job.count == 0)
        job.count = job.path->count;
    require(job.count % job.path->step == 0, "this path does not come in such numbers");
    measure(&job);
    return 0;
}
