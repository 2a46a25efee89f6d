/* ChanTest.c -- channels: order, dup sees later items only, giving up breaks nothing, memory. */
#include "rts/Thread.h"

#include "testsuite/support/Runtime.h"

static void expect(Chan *chan, uintptr_t number)
{
    void *value = NULL;
    CHECK_EQ(chanReadUntil(chan, &value, INT64_MIN), 0); /* it is there */
    CHECK_EQ((uintptr_t)value, number);
}

static void *writeAndRead(void *env)
{
    void *value = env;
    Chan *chan = chanNew();
    CHECK_EQ(chanTryRead(chan, &value), -EAGAIN);
    CHECK_EQ(chanReadUntil(chan, &value, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(value, env);
    for (uintptr_t i = 1; i <= 5; i++)
        CHECK_EQ(chanWrite(chan, (void *)i), 0);
    for (uintptr_t i = 1; i <= 2; i++)
        expect(chan, i);
    Chan *twin = chanDup(chan), *third = chanDup(twin);
    CHECK_EQ(chanTryRead(twin, &value), -EAGAIN); /* only what comes later */
    CHECK_EQ(chanWrite(twin, (void *)6), 0);
    chanFree(third);
    CHECK_EQ(chanWrite(chan, (void *)7), 0);
    for (uintptr_t i = 3; i <= 7; i++)
        expect(chan, i);
    CHECK_EQ(chanTryRead(chan, NULL), -EAGAIN);
    chanFree(chan);
    expect(twin, 6); /* the others go on */
    CHECK_EQ(chanWrite(twin, (void *)8), 0);
    CHECK_EQ(chanTryRead(twin, NULL), 0);
    expect(twin, 8);
    CHECK_EQ(chanWrite(twin, (void *)9), 0);
    chanFree(twin); /* with what is in it */
    chanFree(NULL);
    return NULL;
}

TEST(Chan, keepsTheOrder)
{
    CHECK_EQ(chanNew(), NULL);
    greenRun(1, writeAndRead, NULL);
    greenStart(1);
    writeAndRead(NULL);
    greenStop();
}

TEST(Chan, losesNothingForWantOfMemory)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 1, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    Chan *chan = chanNew(), *twin = chanDup(chan);
    uint64_t blocks = RELAXED_LOAD(&heap.live_blocks);
    for (uint64_t room = 0; room < 2; room++) { /* two ends, so two items */
        RELAXED_STORE(&heap.fail_from, RELAXED_LOAD(&heap.asked) + room + 1);
        CHECK_EQ(chanWrite(chan, &heap), -ENOMEM);
        RELAXED_STORE(&heap.fail_from, 0);
        CHECK_EQ(chanTryRead(chan, NULL), -EAGAIN);
        CHECK_EQ(chanTryRead(twin, NULL), -EAGAIN);
        CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), blocks);
    }
    CHECK_EQ(chanWrite(chan, &heap), 0);
    CHECK_EQ(chanTryRead(twin, NULL), 0);
    chanFree(chan);
    chanFree(twin);
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), blocks);
    greenStop();
    CHECK_EQ(heap.live_blocks, 0);
}

/* ---- waiting --------------------------------------------------------------------------------- */

typedef struct Reader {
    Chan *chan;
    int64_t deadline_ns;
    void *value;
    int result;
    Thread *thread;
} Reader;

static void *readOnce(void *env)
{
    Reader *self = env;
    self->result = chanReadUntil(self->chan, &self->value, self->deadline_ns);
    return NULL;
}

static void sendReader(Reader *reader, Chan *chan, int64_t deadline_ns)
{
    *reader = (Reader){.chan = chan, .deadline_ns = deadline_ns};
    reader->thread = greenFork(readOnce, reader);
    greenUntil(reader->thread, ThreadBlockedOnMVar);
}

/* A reader is freed under while it is about to wait: it has the value, or is told. */
static void *freeUnderReaders(void *env)
{
    uint32_t rounds = greenScale(2000);
    (void)env;
    for (uint32_t i = 0; i < rounds; i++) {
        Chan *chan = chanNew();
        Reader reader = {.chan = chan, .deadline_ns = INT64_MAX};
        CHECK_EQ(threadForkOn(&reader.thread, 1, readOnce, &reader), 0);
        while (threadStatus(reader.thread).state != ThreadBlockedOnMVar)
            threadSafepoint();
        CHECK_EQ(chanWrite(chan, chan), 0);
        chanFree(chan);
        greenJoin(reader.thread);
        if (reader.result == 0)
            CHECK_EQ(reader.value, chan);
        else
            CHECK_EQ(reader.result, -EINVAL);
    }
    return NULL;
}

static void *freeUnderReadersHere(void *env)
{
    Thread *thread;
    CHECK_EQ(threadForkOn(&thread, 0, freeUnderReaders, env), 0);
    greenJoin(thread);
    return NULL;
}

TEST(Chan, isFreedWhileSomebodyIsAboutToWait)
{
    greenRun(2, freeUnderReadersHere, NULL);
}

static void *serveInOrder(void *env)
{
    Reader readers[4], twins;
    Chan *chan = chanNew(), *twin = chanDup(chan);
    (void)env;
    for (int i = 0; i < 4; i++)
        sendReader(&readers[i], chan, i == 1 ? rtsNow() + 20 * MS_NS : INT64_MAX - i / 3);
    sendReader(&twins, twin, INT64_MAX);
    greenJoin(readers[1].thread);
    CHECK_EQ(readers[1].result, -ETIMEDOUT); /* and the channel is as good as before */
    for (uintptr_t i = 0; i < 4; i++) {
        if (i == 1)
            continue;
        CHECK_EQ(chanWrite(chan, (void *)i), 0);
        greenJoin(readers[i].thread);
        CHECK_EQ(readers[i].result, 0);
        CHECK_EQ((uintptr_t)readers[i].value, i);
    }
    greenJoin(twins.thread);
    CHECK_EQ((uintptr_t)twins.value, 0);
    expect(twin, 2);
    expect(twin, 3);
    CHECK_EQ(chanTryRead(twin, NULL), -EAGAIN);
    sendReader(&twins, twin, INT64_MAX);
    chanFree(twin);
    greenJoin(twins.thread);
    CHECK_EQ(twins.result, -EINVAL);
    chanFree(chan);
    return NULL;
}

TEST(Chan, servesReadersInOrder)
{
    greenRun(1, serveInOrder, NULL);
}
