/* TimeoutThreadsTest.c -- timeouts registered, updated and unregistered by many OS threads. */
#include "testsuite/support/IoFixture.h"

#include <capri/timeout.h>

#include <pthread.h>

static EventManager manager;

enum { HELPERS = 3, PER_HELPER = 64, ROUNDS = 4000 };

typedef struct Shared {
    int64_t deadline_ns; /* of its registration, at the least; helper stores, callback reads */
    uint64_t fired;      /* callback adds */
    uint64_t done;       /* callback stores: as many as `registered` by then */
    uint64_t registered; /* helper */
} Shared;

static Shared shared[HELPERS][PER_HELPER];
static uint64_t stopped_count, fired_count, registered_count; /* anyone, relaxed */
static uint32_t helpers_left;

static int noteShared(EventManager *at, TimeoutKey key, void *env)
{
    Shared *one = env;
    (void)at, (void)key;
    CHECK_GE(clockRead(&clockMonotonic), RELAXED_LOAD(&one->deadline_ns));
    ADD_RELAXED(&fired_count, 1);
    ADD_RELEASE(&one->fired, 1);
    return 0;
}

static void *help(void *env)
{
    Shared *mine = env;
    TimeoutKey keys[PER_HELPER];
    uint64_t random = (uint64_t)(uintptr_t)env | 1, over[PER_HELPER] = {0};
    bool live[PER_HELPER] = {false};
    for (int round = 0; round < ROUNDS; round++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint32_t i = (uint32_t)(random >> 33) % PER_HELPER;
        int64_t delay_us = 1 + (int64_t)(random >> 40) % 300;
        if (live[i] && ACQUIRE_LOAD(&mine[i].fired) != over[i]) { /* it has fired */
            CHECK_EQ(ACQUIRE_LOAD(&mine[i].fired), over[i] + 1);
            CHECK_EQ(unregisterTimeout(&manager, keys[i]), 0);
            over[i]++;
            live[i] = false;
        }
        if (!live[i]) {
            RELAXED_STORE(&mine[i].deadline_ns, clockRead(&clockMonotonic) + delay_us * 1000);
            CHECK_EQ(registerTimeout(&manager, delay_us, noteShared, &mine[i], &keys[i]), 0);
            ADD_RELAXED(&registered_count, 1);
            live[i] = true;
        } else if (random % 3 == 0) {
            updateTimeout(&manager, keys[i], delay_us + 300);
        } else if (unregisterTimeout(&manager, keys[i]) == 1) {
            ADD_RELAXED(&stopped_count, 1);
            live[i] = false;
        }
    }
    ADD_RELEASE(&helpers_left, UINT32_MAX);
    eventManagerWake(&manager);
    return NULL;
}

TEST(TimerManager, manyThreadsAgainstTheOwner)
{
    pthread_t threads[HELPERS];
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&manager, backendByName("poll"), NULL, NULL), 0);
    helpers_left = HELPERS;
    for (int i = 0; i < HELPERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, help, shared[i]), 0);
    while (ACQUIRE_LOAD(&helpers_left) != 0 ||
           RELAXED_LOAD(&fired_count) + RELAXED_LOAD(&stopped_count) !=
               RELAXED_LOAD(&registered_count)) {
        eventManagerPoll(&manager, DEADLINE_NEVER, NULL);
        if (testRandom() % 4 == 0)
            eventManagerRescue(&manager, NULL);
    }
    for (int i = 0; i < HELPERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_LE(manager.timeouts.pool.records, 2 * HELPERS * (PER_HELPER + 64) + 64);
    CHECK(timerHeapSane(&manager.timers));
    eventManagerClose(&manager);
}
