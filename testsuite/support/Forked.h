/* Forked.h -- for tests that fork: children and how they end, a load for the parent, what a child
 * does.
 */
#ifndef TESTSUITE_FORKED_H
#define TESTSUITE_FORKED_H

#include "capability/CapabilityTable.h"
#include "rts/Fork.h"
#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

enum { CODE = 42 };

/* Until `condition`: what is waited for stays once it is there. */
#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    CHECK_EQ(threadDelay(200), 0)

#ifdef SANITIZE_ADDRESS
/* LeakSanitizer asks this before it looks for leaks at exit.  In a child it would look for threads
 * that only the parent has; the counting allocator below looks for leaks there. */
int __lsan_is_turned_off(void);
static int is_child;

int __lsan_is_turned_off(void)
{
    return is_child;
}
#endif

/* A slow machine is not to be taken for a runaway. */
__attribute__((constructor)) static void beSlow(void)
{
    fork_patience_ns = INT64_C(60000000000);
}

static inline pid_t forkFlushed(void)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK_GE(child, 0);
#ifdef SANITIZE_ADDRESS
    is_child |= child == 0;
#endif
    return child;
}

/* The child has ended with exit(code). */
static inline void expectExit(pid_t child, int code)
{
    int status = 0;
    for (;;) { /* on green threads without blocking their capability */
        pid_t got = waitpid(child, &status, threadSelf() != NULL ? WNOHANG : 0);
        if (got == child)
            break;
        CHECK(got == 0 || errno == EINTR);
        CHECK_EQ(threadDelay(500), 0);
    }
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), code);
}

static inline size_t countFds(void)
{
    DIR *list = opendir("/proc/self/fd");
    size_t count = 0;
    CHECK(list != NULL);
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

/* ---- a load ---------------------------------------------------------------------------------- */

enum { YIELDERS = 4, SLEEPERS = 3, PINGERS = 2, LOAD = YIELDERS + SLEEPERS + 2 * PINGERS };

typedef struct Load {
    Thread *threads[LOAD];
    uint32_t stop;
    int there[PINGERS][2], back[PINGERS][2];
    uint64_t rounds; /* relaxed adds */
} Load;

typedef struct Pinger {
    Load *load;
    int in, out;
    bool first;
} Pinger;

static Pinger pingers[2 * PINGERS];

static inline void *yieldOn(void *env)
{
    Load *load = env;
    while (RELAXED_LOAD(&load->stop) == 0)
        threadYield();
    return NULL;
}

static inline void *sleepOn(void *env)
{
    Load *load = env;
    while (RELAXED_LOAD(&load->stop) == 0)
        CHECK_EQ(threadDelay(300), 0);
    return NULL;
}

static inline void *pingOn(void *env)
{
    Pinger *pinger = env;
    char byte = 'p';
    if (pinger->first)
        CHECK_EQ(fdWrite(pinger->out, &byte, 1), 1);
    while (fdRead(pinger->in, &byte, 1) == 1) {
        CHECK_EQ(byte, 'p');
        ADD_RELAXED(&pinger->load->rounds, 1);
        if (RELAXED_LOAD(&pinger->load->stop) != 0)
            break;
        CHECK_EQ(fdWrite(pinger->out, &byte, 1), 1);
    }
    CHECK_EQ(closeFd(pinger->out), 0);
    return NULL;
}

static inline void startLoad(Load *load)
{
    size_t at = 0;
    *load = (Load){0};
    for (int i = 0; i < YIELDERS; i++)
        load->threads[at++] = greenFork(yieldOn, load);
    for (int i = 0; i < SLEEPERS; i++)
        load->threads[at++] = greenFork(sleepOn, load);
    for (int i = 0; i < PINGERS; i++) {
        CHECK_EQ(fdPipe(load->there[i]), 0);
        CHECK_EQ(fdPipe(load->back[i]), 0);
        pingers[2 * i] = (Pinger){load, load->back[i][0], load->there[i][1], true};
        pingers[2 * i + 1] = (Pinger){load, load->there[i][0], load->back[i][1], false};
        load->threads[at++] = greenFork(pingOn, &pingers[2 * i]);
        load->threads[at++] = greenFork(pingOn, &pingers[2 * i + 1]);
    }
}

static inline void stopLoad(Load *load)
{
    RELAXED_STORE(&load->stop, 1);
    for (size_t i = 0; i < LOAD; i++)
        greenJoin(load->threads[i]);
    for (int i = 0; i < PINGERS; i++)
        CHECK_EQ(closeFd(load->there[i][0]) + closeFd(load->back[i][0]), 0);
}

/* ---- what a child does ----------------------------------------------------------------------- */

static inline void *addOne(void *env)
{
    ADD_RELAXED((uint32_t *)env, 1);
    CHECK_EQ(threadDelay(100), 0);
    threadYield();
    return env;
}

static inline void *writeLater(void *env)
{
    CHECK_EQ(threadDelay(1000), 0);
    CHECK_EQ(fdWrite(*(int *)env, "x", 1), 1);
    return NULL;
}

/* Everything a green thread may want: wait for fds, delay, fork here and elsewhere, join. */
static inline void useEverything(void)
{
    int ends[2];
    char byte = 0;
    uint32_t sum = 0, count = capabilityCount();
    Thread *threads[16];
    int64_t before_ns = rtsNow();
    CHECK_EQ(threadDelay(2000), 0);
    CHECK_GE(rtsNow() - before_ns, 2000 * 1000);
    CHECK_EQ(fdPipe(ends), 0);
    Thread *writer = greenFork(writeLater, &ends[1]);
    CHECK_EQ(fdRead(ends[0], &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    greenJoin(writer);
    CHECK_EQ(closeFd(ends[0]) + closeFd(ends[1]), 0);
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQ(threadForkOn(&threads[i], i, addOne, &sum), 0);
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQ(greenJoin(threads[i]), (void *)&sum);
    CHECK_EQ(RELAXED_LOAD(&sum), 16);
    CHECK_EQ(capabilityCount(), count);
}

static inline void *useAll(void *env)
{
    useEverything();
    return env;
}

#endif
