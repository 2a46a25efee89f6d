/* Forks.c -- the process forks all the time; the parent's threads and fds do not notice.
 * not-under: asan qemu
 *
 * (qemu-user 7.2 aborts when a child of a process with several OS threads starts one.)
 * Green threads and a plain OS thread fork children that use and close what they inherited,
 * register fds of their own, or end at once, while pipes are copied, timers fire and capabilities
 * are enabled and disabled.  Every byte comes out of the pipes, every child ends as it should.
 * Under ThreadSanitizer, which starts no OS threads after such a fork, children just end.
 */
#include "testsuite/support/Crowd.h"

#include "internal/SMP.h"
#include "rts/Fork.h"
#include "rts/context/Sanitizer.h"

#include <pthread.h>
#include <sys/wait.h>

enum { COPIERS = 12, FORKERS = 3, CODE = 7, CAPABILITIES = 3 };

typedef struct Copier {
    int in, out;
    uint64_t bytes; /* the copier; read after the join */
} Copier;

static uint32_t stopping;     /* main stores, the others look (relaxed) */
static uint64_t forks, ticks; /* relaxed adds */
static int pipes[COPIERS][2]; /* constant while the threads run */
static Copier copiers[COPIERS];

static void *copyOn(void *env)
{
    Copier *copier = env;
    char byte;
    while (fdRead(copier->in, &byte, 1) == 1) {
        CHECK_EQ(byte, 'c');
        copier->bytes++;
        if (RELAXED_LOAD(&stopping) != 0 || fdWrite(copier->out, &byte, 1) != 1)
            break;
    }
    CHECK_EQ(closeFd(copier->out), 0);
    return NULL;
}

static void *tick(void *env)
{
    (void)env;
    while (RELAXED_LOAD(&stopping) == 0) {
        CHECK_EQ(threadDelay(200), 0);
        ADD_RELAXED(&ticks, 1);
    }
    return NULL;
}

/* ---- children -------------------------------------------------------------------------------- */

static void *writeOne(void *env)
{
    CHECK_EQ(threadDelay(50), 0);
    CHECK_EQ(fdWrite(*(int *)env, "w", 1), 1);
    return NULL;
}

/* As a green thread: nothing of this may reach the parent. */
static void *spoil(void *env)
{
    int own[2];
    char byte;
    Thread *writer;
    (void)env;
    for (int i = 0; i < COPIERS; i++) {
        int result = threadWaitReadUntil(pipes[i][0], rtsNow() + 1000);
        CHECK(result == 0 || result == -ETIMEDOUT);
        CHECK_EQ(closeFd(pipes[i][0]), 0);
        result = closeFd(pipes[i][1]);
        CHECK(result == 0 || (result == -EBADF && stopping)); /* its copier may have ended */
    }
    CHECK_EQ(fdPipe(own), 0);
    CHECK_EQ(threadFork(&writer, writeOne, &own[1]), 0);
    CHECK_EQ(fdRead(own[0], &byte, 1), 1);
    CHECK_EQ(threadJoin(writer, NULL), 0);
    return NULL;
}

/* exit would, under AddressSanitizer, look for leaks among the parent's OS threads. */
static void endChild(void)
{
    if (CROWD_SANITIZED)
        _exit(CODE);
    exit(CODE);
}

static void runChild(uint64_t kind)
{
    Thread *thread;
#ifdef SANITIZE_THREAD
    kind = 0;
#endif
    if (kind == 0)
        _exit(CODE);
    if (threadSelf() != NULL) {
        spoil(NULL);
        endChild();
    }
    CHECK_EQ(threadFork(&thread, spoil, NULL), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    threadRelease(thread);
    CHECK_EQ(rtsShutdown(Drain, rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS), 0);
    endChild();
}

static void awaitChild(pid_t child)
{
    int status = 0;
    for (pid_t got = 0; got != child;) {
        got = waitpid(child, &status, WNOHANG);
        CHECK(got == child || got == 0 || errno == EINTR);
        CHECK_EQ(threadDelay(300), 0);
    }
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), CODE);
}

static void *forkOn(void *env)
{
    uint64_t seed = crowdSeed((uintptr_t)env);
    while (RELAXED_LOAD(&stopping) == 0) {
        uint64_t kind = crowdDraw(&seed, 3);
        pid_t child = fork();
        CHECK_GE(child, 0);
        if (child == 0)
            runChild(kind);
        awaitChild(child);
        ADD_RELAXED(&forks, 1);
        if (crowdDraw(&seed, 4) == 0)
            CHECK_EQ(capabilitySetCount(1 + (uint32_t)crowdDraw(&seed, CAPABILITIES)), 0);
    }
    return NULL;
}

TEST(Forks, theParentDoesNotNotice)
{
    Crowd crowd;
    pthread_t plain;
    fork_patience_ns = CROWD_HANG_S * CROWD_SECOND_NS; /* a slow machine is no runaway */
    crowdStart(&crowd, CAPABILITIES, COPIERS + FORKERS + 1);
    for (int i = 0; i < COPIERS; i++)
        CHECK_EQ(fdPipe(pipes[i]), 0);
    fflush(NULL);
    for (int i = 0; i < COPIERS; i++) {
        copiers[i] = (Copier){.in = pipes[i][0], .out = pipes[(i + 1) % COPIERS][1]};
        if (i % 3 == 0)
            CHECK_EQ(write(pipes[i][1], "c", 1), 1);
        crowdFork(&crowd, copyOn, &copiers[i], "copier");
    }
    crowdFork(&crowd, tick, NULL, "tick");
    for (uintptr_t i = 0; i < FORKERS; i++)
        crowdFork(&crowd, forkOn, (void *)i, "forker");
    CHECK_EQ(pthread_create(&plain, NULL, forkOn, (void *)(uintptr_t)FORKERS), 0);
    crowdPause((int64_t)(testSeconds() * 1e9));
    RELAXED_STORE(&stopping, 1);
    CHECK_EQ(pthread_join(plain, NULL), 0);
    crowdJoin(&crowd);
    uint64_t bytes = 0;
    for (int i = 0; i < COPIERS; i++) {
        CHECK_EQ(closeFd(pipes[i][0]), 0);
        bytes += copiers[i].bytes;
    }
    printf("%llu forks, %llu bytes, %llu ticks\n", (unsigned long long)RELAXED_LOAD(&forks),
           (unsigned long long)bytes, (unsigned long long)RELAXED_LOAD(&ticks));
    crowdStop(&crowd);
}
