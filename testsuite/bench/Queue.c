/* Queue.c -- row 41: values go through a bounded queue of 1024, one transaction to write, one to
 * read: by one thread in turn (one core), or from a thread on one core to one on another.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>
#include <capri/tqueue.h>

enum { ROOM = 1024 };

static TBQueue *queue; /* constant */

static void *writeOne(Transaction *tx, void *env)
{
    tbqueueWrite(tx, queue, env);
    return NULL;
}

static void *readOne(Transaction *tx, void *env)
{
    (void)env;
    return tbqueueRead(tx, queue);
}

static void *writeMany(void *env)
{
    for (uint64_t i = 0; i < *(uint64_t *)env; i++)
        BENCH_CHECK(stmAtomically(writeOne, (void *)i, NULL) == 0);
    return NULL;
}

static void *readMany(void *env)
{
    for (uint64_t i = 0; i < *(uint64_t *)env; i++) {
        void *value = NULL;
        BENCH_CHECK(stmAtomically(readOne, NULL, &value) == 0);
        BENCH_CHECK((uintptr_t)value == i);
    }
    return NULL;
}

static void passInTurn(uint64_t count, void *env)
{
    (void)env;
    for (uint64_t i = 0; i < count; i++) {
        void *value = NULL;
        BENCH_CHECK(stmAtomically(writeOne, (void *)i, NULL) == 0);
        BENCH_CHECK(stmAtomically(readOne, NULL, &value) == 0);
        BENCH_CHECK((uintptr_t)value == i);
    }
}

static void passAcross(uint64_t count, void *env)
{
    Thread *threads[2];
    (void)env;
    BENCH_CHECK(threadForkOn(&threads[0], 0, writeMany, &count) == 0);
    BENCH_CHECK(threadForkOn(&threads[1], 1, readMany, &count) == 0);
    for (int i = 0; i < 2; i++) {
        BENCH_CHECK(threadJoin(threads[i], NULL) == 0);
        threadRelease(threads[i]);
    }
}

static void *begin(void *env)
{
    BENCH_CHECK((queue = tbqueueNew(ROOM)) != NULL);
    benchPrint("queue", benchRate(capabilityCount() == 1 ? passInTurn : passAcross, NULL), "ns");
    tbqueueFree(queue);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
