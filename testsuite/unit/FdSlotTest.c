/* FdSlotTest.c -- edges, generations, sticky bits of one slot; storms of all that touch it. */
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <sched.h>

static FdSlot *freshSlot(FdSlot *slot)
{
    memset(slot, 0, sizeof *slot);
    slot->edges = UINT64_C(1) << 32 | 1;
    CHECK(fdSlotSane(slot));
    return slot;
}

static uint16_t generationOf(FdSlot *slot)
{
    return fdControlGeneration(SEQ_CST_LOAD(&slot->control));
}

TEST(FdSlot, anEdgeIsCountedAndFires)
{
    FdSlot slot;
    Watcher reader, writer;
    freshSlot(&slot);
    slot.control |= SLOT_EDGE;
    CHECK_EQ(fdSlotPublish(&slot, FdRead, 0, 1, &watcherInit(&reader)->node, NULL), 0);
    CHECK_EQ(fdSlotPublish(&slot, FdWrite, 0, 1, &watcherInit(&writer)->node, NULL), 0);
    CHECK(fdSlotSane(&slot));
    CHECK_EQ(fdSlotFire(&slot, FdRead, 0, NULL), 1);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(writer.fired, 0);
    CHECK_EQ(fdSlotEdges(&slot, FdRead), 2);
    CHECK_EQ(fdSlotEdges(&slot, FdWrite), 1);
    CHECK_EQ(fdSlotFire(&slot, FdRead, 0, NULL), 0);
    CHECK_EQ(fdSlotEdges(&slot, FdRead), 3); /* counted though nobody waits */
    CHECK_EQ(fdSlotFire(&slot, FdWrite, 0, NULL), 1);
    CHECK(fdSlotSane(&slot));
}

TEST(FdSlot, aMissedEdgeRefusesThePublication)
{
    FdSlot slot;
    Watcher waiter;
    freshSlot(&slot);
    fdSlotFire(&slot, FdRead, 0, NULL);
    CHECK_EQ(fdSlotPublish(&slot, FdRead, 0, 1, &watcherInit(&waiter)->node, NULL), 1);
    CHECK(!watchListHasWatchers(&slot.waiters[FdRead]));
    CHECK_EQ(fdSlotPublish(&slot, FdRead, 1, 2, &waiter.node, NULL), -EBADF);
    CHECK_EQ(waiter.fired, 0);
    /* Published first, the edge after it, the look last: it is taken back. */
    CHECK(watchListAdd(&slot.waiters[FdRead], 0, &waiter.node));
    slot.edges++;
    CHECK_EQ(fdSlotRecheck(&slot, FdRead, 0, 2, &waiter.node, NULL), 1);
    CHECK(!watchListHasWatchers(&slot.waiters[FdRead]));
    /* The edge took it: as good as parked, and fired once. */
    CHECK(watchListAdd(&slot.waiters[FdRead], 0, &waiter.node));
    CHECK_EQ(fdSlotFire(&slot, FdRead, 0, NULL), 1);
    CHECK_EQ(fdSlotRecheck(&slot, FdRead, 0, 3, &waiter.node, NULL), 0);
    CHECK_EQ(waiter.fired, 1);
}

TEST(FdSlot, theCounterSkipsZero)
{
    FdSlot slot;
    freshSlot(&slot);
    slot.edges = (uint64_t)UINT32_MAX << 32 | 1;
    fdSlotFire(&slot, FdWrite, 0, NULL);
    CHECK_EQ(fdSlotEdges(&slot, FdWrite), 1);
}

TEST(FdSlot, aStaleEventHasNoEffect)
{
    FdSlot slot;
    Watcher waiter;
    freshSlot(&slot);
    slot.control |= SLOT_EDGE;
    CHECK_EQ(fdSlotPublish(&slot, FdRead, 0, 1, &watcherInit(&waiter)->node, NULL), 0);
    CHECK_EQ(fdSlotFire(&slot, FdRead, 7, NULL), 0);
    CHECK_EQ(fdSlotEdges(&slot, FdRead), 1);
    CHECK(!fdSlotMark(&slot, 7, SLOT_PEER_CLOSED));
    CHECK_EQ(slot.control, SLOT_EDGE);
    CHECK(fdSlotMark(&slot, 0, SLOT_PEER_CLOSED | SLOT_URGENT));
    CHECK_EQ(slot.control, SLOT_EDGE | SLOT_PEER_CLOSED | SLOT_URGENT);
}

TEST(FdSlot, advanceForgetsEverything)
{
    FdSlot slot;
    Watcher reader, writer;
    WatchNode *older[2] = {NULL, NULL};
    freshSlot(&slot);
    slot.control |= SLOT_EDGE;
    CHECK_EQ(fdSlotPublish(&slot, FdRead, 0, 1, &watcherInit(&reader)->node, NULL), 0);
    CHECK_EQ(fdSlotPublish(&slot, FdWrite, 0, 1, &watcherInit(&writer)->node, NULL), 0);
    CHECK(fdSlotMark(&slot, 0, SLOT_SUSPECT));
    fdSlotLock(&slot);
    fdSlotAdvance(&slot, older);
    CHECK_EQ(slot.control, (1u << SLOT_GENERATION_SHIFT) | SLOT_CONTROL);
    fdSlotUnlock(&slot);
    CHECK_EQ(older[FdRead], &reader.node);
    CHECK_EQ(older[FdWrite], &writer.node);
    CHECK_NE(fdSlotEdges(&slot, FdRead), 1); /* what was seen of the older file is void */
    CHECK_NE(fdSlotEdges(&slot, FdWrite), 1);
    CHECK(fdSlotSane(&slot));
    CHECK_EQ(watchListFire(older[FdRead], -EBADF, NULL), 1);
    CHECK_EQ(watchListFire(older[FdWrite], -EBADF, NULL), 1);
    slot.control = (uint32_t)UINT16_MAX << SLOT_GENERATION_SHIFT; /* the last one of 16 bits */
    fdSlotLock(&slot);
    fdSlotAdvance(&slot, older);
    fdSlotUnlock(&slot);
    CHECK_EQ(slot.control, 0);
    CHECK(fdSlotSane(&slot));
}

/* ---- storms ---- */

enum { THREADS = 3, ROUNDS = 20000 };

static struct {
    FdSlot slot;
    uint64_t guarded; /* plain: CONTROL is all that protects it */
    uint32_t running;
    uint64_t fired, ready, bad; /* waiters, at their end */
} shared;

static void *lockAndCount(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        fdSlotLock(&shared.slot);
        shared.guarded++;
        fdSlotUnlock(&shared.slot);
        fdSlotMark(&shared.slot, 0, i % 2 ? SLOT_URGENT : SLOT_SUSPECT); /* without the lock */
    }
    return NULL;
}

TEST(FdSlot, controlExcludes)
{
    pthread_t threads[THREADS];
    freshSlot(&shared.slot);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, lockAndCount, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(shared.guarded, THREADS * ROUNDS);
    CHECK_EQ(shared.slot.control, SLOT_URGENT | SLOT_SUSPECT);
}

/* A waiter that would park for ever if an edge were lost: it waits until it is fired. */
static void *waitForEdges(void *arg)
{
    uint64_t fired = 0, ready = 0, bad = 0;
    Watcher waiter;
    (void)arg;
    watcherInit(&waiter);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t before = ACQUIRE_LOAD(&waiter.fired);
        uint16_t generation = watchListGeneration(ACQUIRE_LOAD(&shared.slot.waiters[FdRead]));
        uint32_t edges = fdSlotEdges(&shared.slot, FdRead);
        int result = fdSlotPublish(&shared.slot, FdRead, generation, edges, &waiter.node, NULL);
        if (result == 0) {
            while (ACQUIRE_LOAD(&waiter.fired) == before)
                sched_yield();
            fired++;
        } else {
            CHECK(result == 1 || result == -EBADF);
            ready += result == 1;
            bad += result == -EBADF;
        }
        CHECK_EQ(ACQUIRE_LOAD(&waiter.fired), before + (result == 0));
    }
    ADD_RELAXED(&shared.fired, fired);
    ADD_RELAXED(&shared.ready, ready);
    ADD_RELAXED(&shared.bad, bad);
    ADD_RELEASE(&shared.running, UINT32_MAX);
    return NULL;
}

TEST(FdSlot, waitersPollersAndAnAdvancingGeneration)
{
    pthread_t threads[THREADS];
    memset(&shared, 0, sizeof shared);
    freshSlot(&shared.slot);
    shared.running = THREADS;
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, waitForEdges, NULL), 0);
    for (uint64_t turn = 1; ACQUIRE_LOAD(&shared.running) != 0; turn++) {
        WatchNode *older[2] = {NULL, NULL};
        if (turn % 50 == 0) {
            fdSlotLock(&shared.slot);
            fdSlotAdvance(&shared.slot, older);
            fdSlotUnlock(&shared.slot);
            watchListFire(older[FdRead], -EBADF, NULL);
        }
        fdSlotFire(&shared.slot, FdRead, generationOf(&shared.slot), NULL);
        if (turn % 4 == 0)
            sched_yield();
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(shared.fired + shared.ready + shared.bad, THREADS * ROUNDS);
    CHECK_GT(shared.fired, 0);
    CHECK(!watchListHasWatchers(&shared.slot.waiters[FdRead]));
}
