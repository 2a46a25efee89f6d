/* TimeoutRacesTest.c -- timeouts at home, beside OS threads that cancel, update and step at will.
 */
#include "testsuite/support/IoFixture.h"

#include <capri/timeout.h>

#include <pthread.h>
#include <sched.h>

enum { HELPERS = 2, CELLS = 64, ROUNDS = 3000 };

typedef struct Cell {
    TimeoutKey key;   /* whoever holds the cell */
    uint32_t state;   /* 0: home's, 1: a timeout is armed, 2: somebody is about to cancel it */
    uint32_t over;    /* home and callbacks: fired or stopped, since it was armed */
    uint64_t stopped; /* who holds it */
} Cell;

static Cell cells[CELLS];
static uint32_t helpers_left;
static EventManager *shared;

static int fireCell(EventManager *at, TimeoutKey key, void *env)
{
    Cell *cell = env;
    (void)at, (void)key;
    CHECK_EQ(ADD_SEQ_CST(&cell->over, 1), 0);
    return 0;
}

/* Whoever may: stop it, or move it a little; then it is home's turn again. */
static void endCell(Cell *cell, uint64_t random)
{
    uint32_t armed = 1;
    if (RELAXED_LOAD(&cell->state) != 1 || !CAS_ACQ_REL(&cell->state, &armed, 2))
        return;
    if (random % 3 == 0) {
        updateTimeout(shared, cell->key, 1 + (int64_t)(random >> 8) % 200);
        RELEASE_STORE(&cell->state, 1);
        return;
    }
    if (unregisterTimeout(shared, cell->key) == 1) {
        CHECK_EQ(ADD_SEQ_CST(&cell->over, 1), 0);
        cell->stopped++;
    }
    RELEASE_STORE(&cell->state, 0);
}

static uint64_t draw(uint64_t *random)
{
    return *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
}

static void *endCells(void *env)
{
    uint64_t random = (uint64_t)(uintptr_t)env;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t drawn = draw(&random) >> 16;
        endCell(&cells[drawn % CELLS], drawn >> 8);
        if (i % 16 == 0)
            sched_yield();
    }
    ADD_RELEASE(&helpers_left, UINT32_MAX);
    return NULL;
}

static void armCell(Cell *cell, uint64_t random)
{
    int64_t delay_us = 1 + (int64_t)(random % 100);
    RELAXED_STORE(&cell->over, 0);
    CHECK_EQ(registerTimeout(shared, delay_us, fireCell, cell, &cell->key), 0);
    RELEASE_STORE(&cell->state, 1);
}

/* Home arms, fires and cancels; others cancel and move. */
TEST(TimeoutRaces, othersCancelWhatHomeArms)
{
    pthread_t threads[HELPERS];
    uint64_t random = 7;
    memset(cells, 0, sizeof cells);
    CHECK_EQ(eventManagerNew(NULL, &shared), 0);
    CHECK_EQ(eventManagerStep(shared, 0), 0);
    helpers_left = HELPERS;
    for (int i = 0; i < HELPERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, endCells, (void *)(uintptr_t)(i + 1)), 0);
    while (ACQUIRE_LOAD(&helpers_left) != 0) {
        for (int i = 0; i < CELLS; i++) {
            uint64_t drawn = draw(&random) >> 16;
            if (ACQUIRE_LOAD(&cells[i].state) == 0) {
                if (SEQ_CST_LOAD(&cells[i].over) == 0 && cells[i].key.record != NULL)
                    continue; /* it is about to fire */
                armCell(&cells[i], drawn);
            } else if (drawn % 8 == 0) {
                endCell(&cells[i], drawn >> 8);
            }
        }
        CHECK_GE(eventManagerStep(shared, 0), 0);
    }
    for (int i = 0; i < HELPERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CELLS; i++) {
        while (cells[i].key.record != NULL && SEQ_CST_LOAD(&cells[i].over) == 0)
            CHECK_GE(eventManagerStep(shared, 1000000), 0);
    }
    CHECK_GE(eventManagerStep(shared, 0), 0); /* those that were cancelled in the inbox */
    CHECK(timerHeapSane(&shared->timers));
    CHECK_EQ(timeoutPoolFree(&shared->timeouts.pool), shared->timeouts.pool.records);
    CHECK_EQ(eventManagerFree(shared), 0);
}

static pthread_mutex_t stepping = PTHREAD_MUTEX_INITIALIZER;
static uint64_t armed_count, fired_count, stopped_count; /* relaxed adds */

static int countFired(EventManager *at, TimeoutKey key, void *env)
{
    (void)at, (void)key, (void)env;
    ADD_RELAXED(&fired_count, 1);
    return 0;
}

static void *stepInTurn(void *env)
{
    uint64_t random = (uint64_t)(uintptr_t)env;
    TimeoutKey keys[8] = {{NULL, 0}};
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t drawn = draw(&random) >> 16;
        TimeoutKey *key = &keys[drawn % 8];
        if (unregisterTimeout(shared, *key) == 1)
            ADD_RELAXED(&stopped_count, 1);
        CHECK_EQ(registerTimeout(shared, 1 + (int64_t)(drawn >> 8) % 50, countFired, NULL, key), 0);
        ADD_RELAXED(&armed_count, 1);
        if (i % 4 == 0) {
            pthread_mutex_lock(&stepping);
            CHECK_GE(eventManagerStep(shared, 0), 0);
            pthread_mutex_unlock(&stepping);
        }
    }
    return NULL;
}

/* Several step it in turn, and register and cancel at any time. */
TEST(TimeoutRaces, homeMovesAbout)
{
    pthread_t threads[HELPERS];
    CHECK_EQ(eventManagerNew(NULL, &shared), 0);
    for (int i = 0; i < HELPERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, stepInTurn, (void *)(uintptr_t)(i + 1)), 0);
    stepInTurn(&stepping);
    for (int i = 0; i < HELPERS; i++)
        pthread_join(threads[i], NULL);
    while (RELAXED_LOAD(&fired_count) + stopped_count < armed_count)
        CHECK_GE(eventManagerStep(shared, 1000000), 0);
    CHECK_EQ(fired_count + stopped_count, armed_count);
    CHECK(shared->timeouts.moved);
    CHECK_GE(eventManagerStep(shared, 0), 0); /* those that were cancelled in the inbox */
    CHECK_EQ(timeoutPoolFree(&shared->timeouts.pool), shared->timeouts.pool.records);
    CHECK_EQ(eventManagerFree(shared), 0);
}
