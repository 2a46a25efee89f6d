/* Crowd.h -- many green threads of one test: start, fork them, wait for all, name the stuck.
 *
 *     Crowd crowd;
 *     crowdStart(&crowd, 2, 1000);          // 2 capabilities, room for 1000 threads
 *     crowdFork(&crowd, body, env, "reader");
 *     crowdJoin(&crowd);                    // who never ends fails the test, with its status
 *     crowdStop(&crowd);
 *
 * A hang is the failure that these programs look for.  It is told by a limit so far above any
 * honest run (CROWD_HANG_S after everybody was told to stop) that it is a verdict, not a
 * measurement.
 */
#ifndef TESTSUITE_CROWD_H
#define TESTSUITE_CROWD_H

#include "rts/Thread.h"
#include "testsuite/support/Test.h"

#include <capri/fd.h>
#include <capri/rts.h>
#include <capri/thread.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A sanitizer makes everything slower and larger: crowdScale(native, under). */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define CROWD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CROWD_SANITIZED 1
#endif
#endif
#ifndef CROWD_SANITIZED
#define CROWD_SANITIZED 0
#endif

enum { CROWD_HANG_S = 40 };
#define CROWD_SECOND_NS INT64_C(1000000000)

static inline size_t crowdScale(size_t native, size_t sanitized)
{
    return CROWD_SANITIZED || testUnderValgrind() ? sanitized : native;
}

typedef struct Crowd {
    Thread **threads; /* who forks */
    size_t count;
    size_t room;
} Crowd;

/* Numbers for one thread: a state of its own, so that the order of threads does not matter. */
static inline uint64_t crowdSeed(uint64_t index)
{
    return testSeed() * UINT64_C(0x9e3779b97f4a7c15) + index * UINT64_C(0xd1342543de82ef95) + 1;
}

/* A number in [0, most). */
static inline uint64_t crowdDraw(uint64_t *state, uint64_t most)
{
    return testRandomFrom(state) % most;
}

static inline void crowdStart(Crowd *crowd, uint32_t capability_count, size_t room)
{
    RtsConfig config = {.capabilities = capability_count, .backend = testArg("--backend")};
    CHECK_EQ(rtsInit(&config), 0);
    *crowd = (Crowd){.threads = calloc(room + 1, sizeof(Thread *)), .room = room};
    CHECK(crowd->threads != NULL);
}

static inline Thread *crowdForkWith(Crowd *crowd, ThreadAttributes attributes, ThreadFn *fn,
                                    void *env)
{
    CHECK_LT(crowd->count, crowd->room);
    CHECK_EQ(threadForkWith(&crowd->threads[crowd->count], &attributes, fn, env), 0);
    return crowd->threads[crowd->count++];
}

static inline Thread *crowdFork(Crowd *crowd, ThreadFn *fn, void *env, const char *label)
{
    return crowdForkWith(crowd, (ThreadAttributes){.label = label}, fn, env);
}

static inline Thread *crowdForkOn(Crowd *crowd, uint32_t capability, ThreadFn *fn, void *env,
                                  const char *label)
{
    return crowdForkWith(crowd, (ThreadAttributes){.label = label, .pinned = capability + 1}, fn,
                         env);
}

static inline const char *crowdStateName(ThreadState state)
{
    static const char *const names[] = {"ready",
                                        "running",
                                        "finished",
                                        "blocked on read of",
                                        "blocked on write of",
                                        "blocked on a delay",
                                        "blocked on a variable",
                                        "blocked on a thread",
                                        "blocked on a stack",
                                        "blocked on a call",
                                        "blocked on an MVar",
                                        "blocked on a lock",
                                        "blocked on a throw",
                                        "dead"};
    return (size_t)state < sizeof names / sizeof *names ? names[state] : "in no known state";
}

/* Name everyone who has not ended; the first hundred. */
static inline void crowdNameStuck(const Crowd *crowd)
{
    size_t stuck = 0;
    for (size_t i = 0; i < crowd->count; i++) {
        ThreadStatus status = threadStatus(crowd->threads[i]);
        char label[64];
        if (status.state == ThreadFinished || status.state == ThreadDied || ++stuck > 100)
            continue;
        threadLabelOf(crowd->threads[i], label, sizeof label);
        fprintf(stderr, "thread %llu \"%s\" (number %zu) is %s %d\n",
                (unsigned long long)threadId(crowd->threads[i]), label, i,
                crowdStateName(status.state), status.fd);
    }
    fprintf(stderr, "%zu of %zu threads never ended\n", stuck, crowd->count);
}

/* Wait for all and give their handles back; they have been told to end. */
static inline void crowdJoin(Crowd *crowd)
{
    int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    for (size_t i = 0; i < crowd->count; i++) {
        int result = threadJoinUntil(crowd->threads[i], NULL, deadline_ns);
        if (result == -ETIMEDOUT)
            crowdNameStuck(crowd);
        CHECK_EQ(result, 0);
    }
    for (size_t i = 0; i < crowd->count; i++)
        threadRelease(crowd->threads[i]);
    crowd->count = 0;
}

static inline void crowdStop(Crowd *crowd)
{
    CHECK_EQ(crowd->count, 0);
    free(crowd->threads);
    int result = rtsShutdown(Drain, rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS);
    CHECK_EQ(result, 0);
}

/* Sleep on a plain OS thread; nothing is concluded from how long it took. */
static inline void crowdPause(int64_t duration_ns)
{
    struct timespec time = {duration_ns / CROWD_SECOND_NS, duration_ns % CROWD_SECOND_NS};
    while (nanosleep(&time, &time) != 0) {
    }
}

/* Compute for duration_ns without calling the runtime. */
static inline void crowdCompute(int64_t duration_ns)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t end_ns = now.tv_sec * CROWD_SECOND_NS + now.tv_nsec + duration_ns;
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec * CROWD_SECOND_NS + now.tv_nsec < end_ns);
}

/* May this process have `count` descriptors open?  Raises the soft limit. */
static inline bool crowdMayOpen(rlim_t count)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= count)
        return true;
    if (limit.rlim_max < count)
        return false;
    limit.rlim_cur = count;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* A connected pair of non-blocking stream sockets; adopted if wanted. */
static inline void crowdPair(int pair[2], bool adopted)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    for (int i = 0; adopted && i < 2; i++)
        CHECK_EQ(fdAdopt(pair[i]), 0);
}

/* Wait until the runtime has parked `thread` in `state` (on `fd`, if >= 0): it is off its stack,
 * and whatever it did before happened before this returns. */
static inline void crowdAwaitState(Thread *thread, ThreadState state, int fd)
{
    int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    for (;;) {
        ThreadStatus status = threadStatus(thread);
        ClaimState claim = claimState(ACQUIRE_LOAD(&thread->claim));
        if (status.state == state && (fd < 0 || status.fd == fd) &&
            (claim == ClaimParked || claim == ClaimListed))
            return;
        if (rtsNow() > deadline_ns) {
            CHECK_EQ(status.state, state);
            CHECK_EQ(status.fd, fd);
            CHECK_EQ(claim, ClaimParked);
        }
        if (threadSelf() == NULL)
            crowdPause(50000);
        else
            threadDelay(50);
    }
}

#endif
