/* QueueStorm.c -- queues and channels of transactions under green threads and plain OS threads:
 * every value comes once (at every end), each writer's in order, also where branches are lost and
 * attempts thrown away; a channel's values are freed once, after everybody who reads them.
 */
#include "internal/SMP.h"
#include "testsuite/support/Crowd.h"

#include <capri/capri.h>

#include <pthread.h>

enum { WRITERS = 3, READERS = 3, VALUES = 1000, ROOM = 8 };

static struct {
    TQueue *queue;
    TBQueue *bounded;
    TChan *ends[READERS];
    uint32_t each;       /* constant: values of each writer */
    uint64_t seed_index; /* relaxed add */
    uint64_t read;       /* values from the queues; likewise */
    uint64_t freed;      /* values of the channel; likewise */
    uint8_t seen[WRITERS * VALUES];
} all;

/* Value `number` of a writer. */
static void *nameValue(uint64_t number, uint64_t writer)
{
    return (void *)(uintptr_t)(number * WRITERS + writer);
}

static void *nothing(Transaction *tx, void *env)
{
    (void)tx, (void)env;
    return NULL;
}

/* ---- TQueue and TBQueue: writer w writes odd numbers to one, even ones to the other ---- */

typedef struct Lane {
    uint64_t writer, number, seed;
    void *value;
} Lane;

static void *readAndRetry(Transaction *tx, void *env)
{
    void *value;
    (void)env;
    tqueueTryRead(tx, all.queue, &value);
    tbqueueTryRead(tx, all.bounded, &value);
    tqueueWrite(tx, all.queue, NULL);
    stmRetry(tx);
}

static void *writeValue(Transaction *tx, void *env)
{
    Lane *it = env;
    uint64_t seed = it->seed;
    if (crowdDraw(&seed, 8) == 0)
        stmOrElse(tx, readAndRetry, NULL, nothing, NULL);
    if (it->number % 2 == 0)
        tbqueueWrite(tx, all.bounded, nameValue(it->number, it->writer));
    else
        tqueueWrite(tx, all.queue, nameValue(it->number, it->writer));
    if (crowdDraw(&seed, 8) == 0)
        stmThrow(tx, -EAGAIN, NULL);
    return NULL;
}

static void *writeAll(void *env)
{
    Lane it = {.writer = (uintptr_t)env, .seed = crowdSeed(ADD_RELAXED(&all.seed_index, 1))};
    while (it.number < all.each) {
        int status = stmAtomically(writeValue, &it, NULL);
        CHECK(status == 0 || status == -EAGAIN);
        it.number += status == 0;
        it.seed++;
    }
    return NULL;
}

static void *readQueue(Transaction *tx, void *env)
{
    (void)env;
    return tqueueRead(tx, all.queue);
}

static void *readBounded(Transaction *tx, void *env)
{
    (void)env;
    CHECK_LE(tbqueueLength(tx, all.bounded), ROOM);
    return tbqueueRead(tx, all.bounded);
}

static void *readEither(Transaction *tx, void *env)
{
    Lane *it = env;
    uint64_t seed = it->seed;
    it->value = stmOrElse(tx, readQueue, NULL, readBounded, NULL);
    if (crowdDraw(&seed, 8) == 0)
        stmThrow(tx, -EAGAIN, NULL);
    return it->value;
}

static void *readAll(void *env)
{
    Lane it = {.seed = crowdSeed(ADD_RELAXED(&all.seed_index, 1))};
    uint64_t next[WRITERS][2] = {{0}}, total = (uint64_t)all.each * WRITERS;
    (void)env;
    while (RELAXED_LOAD(&all.read) < total) {
        int status = stmAtomicallyUntil(readEither, &it, NULL, rtsNow() + 1000000);
        it.seed++;
        if (status != 0) {
            CHECK(status == -EAGAIN || status == -ETIMEDOUT);
            continue;
        }
        uint64_t name = (uintptr_t)it.value, number = name / WRITERS, writer = name % WRITERS;
        CHECK_GE(number, next[writer][number % 2]); /* in order, some are others' */
        next[writer][number % 2] = number + 1;
        CHECK_EQ(all.seen[name], 0);
        all.seen[name] = 1;
        ADD_RELAXED(&all.read, 1);
    }
    return NULL;
}

TEST(QueueStorm, everyValueOnceAndInOrder)
{
    uint64_t rounds = 0;
    Crowd crowd;
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 4), WRITERS + READERS);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 0.5e9);
    all.each = (uint32_t)crowdScale(VALUES, VALUES / 10);
    do {
        pthread_t reader, writer;
        all.queue = tqueueNew();
        all.bounded = tbqueueNew(ROOM);
        CHECK(all.queue != NULL && all.bounded != NULL);
        all.read = 0;
        memset(all.seen, 0, sizeof all.seen);
        CHECK_EQ(pthread_create(&reader, NULL, readAll, NULL), 0);
        CHECK_EQ(pthread_create(&writer, NULL, writeAll, NULL), 0);
        for (uintptr_t i = 1; i < READERS; i++)
            crowdFork(&crowd, readAll, NULL, "reader");
        for (uintptr_t i = 1; i < WRITERS; i++)
            crowdFork(&crowd, writeAll, (void *)i, "writer");
        crowdJoin(&crowd);
        CHECK_EQ(pthread_join(reader, NULL), 0);
        CHECK_EQ(pthread_join(writer, NULL), 0);
        tqueueFree(all.queue);
        tbqueueFree(all.bounded);
        rounds++;
    } while (rtsNow() < end_ns);
    printf("%llu rounds of %u values\n", (unsigned long long)rounds, all.each * WRITERS);
    crowdStop(&crowd);
}

/* ---- TChan ---- */

typedef struct Value {
    uint64_t number, writer, check;
} Value;

static void freeValue(void *env)
{
    Value *value = env;
    CHECK_EQ(value->check, ~value->number);
    value->check = 0;
    ADD_RELAXED(&all.freed, 1);
    free(value);
}

static void *useEnd(Transaction *tx, void *env)
{
    TChan *copy = tchanClone(tx, env), *later = tchanDup(tx, env);
    void *value;
    if (tchanTryRead(tx, copy, &value)) {
        tchanUnGet(tx, copy, value);
        CHECK_EQ(tchanRead(tx, copy), value);
    }
    tchanWrite(tx, later, NULL);
    stmRetry(tx);
}

static void *writeChan(Transaction *tx, void *env)
{
    Value *value = env;
    TChan *chan = all.ends[value->number % READERS];
    tchanWrite(tx, chan, value);
    if (value->number % 8 == 0)
        stmOrElse(tx, useEnd, chan, nothing, NULL);
    return NULL;
}

static void *writeChans(void *env)
{
    for (uint64_t i = 0; i < all.each; i++) {
        Value *value = malloc(sizeof *value);
        CHECK(value != NULL);
        *value = (Value){i, (uintptr_t)env, ~i};
        CHECK_EQ(stmAtomically(writeChan, value, NULL), 0);
    }
    return NULL;
}

typedef struct End {
    TChan *chan, *copy;
    uint64_t seed;
} End;

/* Now and then the end is put back to where it was, or goes on as a copy of itself. */
static void *readChan(Transaction *tx, void *env)
{
    End *it = env;
    uint64_t seed = it->seed, draw = crowdDraw(&seed, 16);
    Value *value = tchanRead(tx, it->chan);
    CHECK_EQ(value->check, ~value->number);
    if (draw == 0)
        stmThrow(tx, -EAGAIN, NULL);
    if (draw == 1) {
        tchanUnGet(tx, it->chan, value);
        CHECK_EQ(tchanPeek(tx, it->chan), value);
        value = tchanRead(tx, it->chan);
    }
    it->copy = NULL;
    if (draw == 2) {
        it->copy = tchanClone(tx, it->chan);
        tchanFreeSTM(tx, it->chan);
    }
    return value;
}

static void *readEnd(void *env)
{
    End it = {.chan = env, .seed = crowdSeed(ADD_RELAXED(&all.seed_index, 1))};
    uint64_t next[WRITERS] = {0};
    for (uint64_t left = (uint64_t)all.each * WRITERS; left > 0; it.seed++) {
        void *result = NULL;
        int status = stmAtomically(readChan, &it, &result);
        if (status == -EAGAIN)
            continue;
        CHECK_EQ(status, 0);
        if (it.copy != NULL)
            it.chan = it.copy;
        Value *value = result; /* stays until the next read from this end */
        CHECK_EQ(value->check, ~value->number);
        CHECK_EQ(value->number, next[value->writer]++);
        left--;
    }
    tchanFree(it.chan);
    return NULL;
}

static void *copyEnd(Transaction *tx, void *env)
{
    return tchanClone(tx, env);
}

TEST(QueueStorm, channelsBringEverythingAndFreeItOnce)
{
    uint64_t rounds = 0;
    Crowd crowd;
    crowdStart(&crowd, 1 + (uint32_t)(testRandom() % 4), WRITERS + READERS);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 0.5e9);
    all.each = (uint32_t)crowdScale(VALUES, VALUES / 10);
    do {
        pthread_t reader, writer;
        void *ends[READERS];
        all.ends[0] = tchanNew(freeValue);
        for (int i = 0; i < READERS; i++) { /* one for writing, one for reading */
            void *copy = all.ends[0];
            if (i != 0)
                CHECK_EQ(stmAtomically(copyEnd, all.ends[0], &copy), 0);
            all.ends[i] = copy;
            CHECK_EQ(stmAtomically(copyEnd, all.ends[0], &ends[i]), 0);
        }
        CHECK_EQ(pthread_create(&reader, NULL, readEnd, ends[0]), 0);
        CHECK_EQ(pthread_create(&writer, NULL, writeChans, NULL), 0);
        for (int i = 1; i < READERS; i++)
            crowdFork(&crowd, readEnd, ends[i], "reader");
        for (uintptr_t i = 1; i < WRITERS; i++)
            crowdFork(&crowd, writeChans, (void *)i, "writer");
        crowdJoin(&crowd);
        CHECK_EQ(pthread_join(reader, NULL), 0);
        CHECK_EQ(pthread_join(writer, NULL), 0);
        for (int i = 0; i < READERS; i++)
            tchanFree(all.ends[i]);
        rounds++;
    } while (rtsNow() < end_ns);
    crowdStop(&crowd);
    CHECK_EQ(all.freed, rounds * all.each * WRITERS);
    printf("%llu rounds of %u values\n", (unsigned long long)rounds, all.each * WRITERS);
}
