/* Kill.c -- row 28: threads that are blocked, each on a thing of its own, are killed one by one.
 *
 * What is timed is the killing alone: a thrown interrupt ends the wait, and the thread is ready.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/capri.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { VICTIMS = 4000, ROUNDS = 5 };

typedef struct Victim {
    Thread *thread;
    MVar *mvar;
    TVar *tvar;
    uint64_t version;
    int pair[2];
} Victim;

static Victim victims[VICTIMS];

static void *onFd(void *env)
{
    char byte;
    BENCH_CHECK(fdRead(((Victim *)env)->pair[0], &byte, 1) == -ECANCELED);
    return NULL;
}

static void *onTimer(void *env)
{
    BENCH_CHECK(threadDelay(INT64_MAX) == -ECANCELED);
    return env;
}

static void *onMVar(void *env)
{
    void *value;
    BENCH_CHECK(mvarTake(((Victim *)env)->mvar, &value) == -ECANCELED);
    return NULL;
}

static void *onTVar(void *env)
{
    Victim *victim = env;
    BENCH_CHECK(tvarAwait(victim->tvar, victim->version) == -ECANCELED);
    return NULL;
}

static int64_t killOnce(ThreadFn *fn)
{
    for (int i = 0; i < VICTIMS; i++)
        BENCH_CHECK(threadFork(&victims[i].thread, fn, &victims[i]) == 0);
    for (int i = 0; i < VICTIMS; i++) {
        while (threadStatus(victims[i].thread).state < ThreadBlockedOnRead)
            threadYield();
    }
    int64_t start_ns = benchNow();
    for (int i = 0; i < VICTIMS; i++)
        BENCH_CHECK(threadKill(victims[i].thread) == 0);
    int64_t took_ns = benchNow() - start_ns;
    for (int i = 0; i < VICTIMS; i++) {
        BENCH_CHECK(threadJoin(victims[i].thread, NULL) == 0);
        threadRelease(victims[i].thread);
    }
    return took_ns;
}

/* The best round: whatever else the machine does makes the others longer. */
static void killMany(const char *name, ThreadFn *fn)
{
    int64_t best_ns = INT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t took_ns = killOnce(fn);
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    benchPrint(name, (double)best_ns / VICTIMS, "ns");
}

static void *begin(void *env)
{
    for (int i = 0; i < VICTIMS; i++) {
        Victim *victim = &victims[i];
        victim->mvar = mvarNewEmpty();
        victim->tvar = tvarNew(NULL);
        BENCH_CHECK(victim->mvar != NULL && victim->tvar != NULL);
        tvarReadVersionIO(victim->tvar, &victim->version);
        BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, victim->pair) == 0);
        BENCH_CHECK(fdAdopt(victim->pair[0]) == 0);
    }
    killMany("kill_fd", onFd);
    killMany("kill_timer", onTimer);
    killMany("kill_mvar", onMVar);
    killMany("kill_tvar", onTVar);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
