/* Timeouts.c -- timeouts of capabilities' managers, registered, moved and stopped wherever a thread
 * happens to be.
 *
 * Threads that wander register at the manager of the capability that they are on, or at another
 * one; each cell is taken by whoever comes next, on whatever core, and its timeout is stopped or
 * moved.  Some compute for long, so that peers fire for them; some call what blocks, so that their
 * capability goes on with another OS thread, and register inside of the call; the number of
 * capabilities changes.  Each timeout fires once or is stopped once, and never early.
 */
#include "testsuite/support/Crowd.h"

#include "capability/CapabilityTable.h"

#include <capri/foreign.h>
#include <capri/timeout.h>

#include <time.h>

enum { CELLS = 256, WANDERERS = 12, MOST_US = 2000, MOST_CAPABILITIES = 4 };

/* What a cell's state is. */
enum { CellFree, CellTaken, CellArmed };

typedef struct Cell {
    uint32_t state;        /* by CAS (acquire), given back by a store (release) */
    uint32_t over;         /* fired or stopped since it was armed: seq_cst */
    EventManager *manager; /* who has taken it, as the rest */
    TimeoutKey key;
    int64_t deadline_ns; /* not before; the callback looks (relaxed) */
} Cell;

static Cell cells[CELLS];
static uint32_t stopping;
static uint64_t armed, fired, stopped, moved, late; /* anyone adds, relaxed */

static int noteFired(EventManager *manager, TimeoutKey key, void *env)
{
    Cell *cell = env;
    (void)manager, (void)key;
    CHECK_GE(rtsNow(), RELAXED_LOAD(&cell->deadline_ns));
    CHECK_EQ(ADD_SEQ_CST(&cell->over, 1), 0);
    ADD_RELAXED(&fired, 1);
    return 0;
}

static bool takeCell(Cell *cell, uint32_t state)
{
    return RELAXED_LOAD(&cell->state) == state && CAS_ACQUIRE(&cell->state, &state, CellTaken);
}

static EventManager *pickManager(uint64_t *seed)
{
    EventManager *own = capabilityManager();
    if (own != NULL && crowdDraw(seed, 4) != 0)
        return own;
    return &capabilities.items[crowdDraw(seed, capabilityTableCount())]->manager;
}

static void armOne(uint64_t *seed)
{
    Cell *cell = &cells[crowdDraw(seed, CELLS)];
    if (!takeCell(cell, CellFree))
        return;
    int64_t delay_us = 1 + (int64_t)crowdDraw(seed, MOST_US);
    int64_t deadline_ns = rtsNow() + delay_us * 1000;
    RELAXED_STORE(&cell->over, 0);
    RELAXED_STORE(&cell->deadline_ns, deadline_ns);
    cell->manager = pickManager(seed);
    if (crowdDraw(seed, 2) == 0)
        CHECK_EQ(registerTimeout(cell->manager, delay_us, noteFired, cell, &cell->key), 0);
    else
        CHECK_EQ(timeoutRegisterAt(cell->manager, deadline_ns, noteFired, cell, &cell->key), 0);
    ADD_RELAXED(&armed, 1);
    RELEASE_STORE(&cell->state, CellArmed);
}

/* Later only: it may fire at the old deadline just before. */
static void moveIt(Cell *cell, uint64_t *seed)
{
    int64_t later_ns = rtsNow() + (int64_t)crowdDraw(seed, MOST_US) * 1000;
    if (later_ns <= RELAXED_LOAD(&cell->deadline_ns))
        return;
    int result = timeoutUpdateAt(cell->manager, cell->key, later_ns);
    CHECK(result == 0 || result == 1);
    if (result == 1) /* from here on */
        RELAXED_STORE(&cell->deadline_ns, later_ns);
    ADD_RELAXED(result == 1 ? &moved : &late, 1);
}

static void endOne(uint64_t *seed)
{
    Cell *cell = &cells[crowdDraw(seed, CELLS)];
    uint32_t next = CellFree;
    if (!takeCell(cell, CellArmed))
        return;
    if (SEQ_CST_LOAD(&cell->over) != 0) {
        CHECK_EQ(unregisterTimeout(cell->manager, cell->key), 0);
    } else if (crowdDraw(seed, 3) == 0) {
        moveIt(cell, seed);
        next = CellArmed;
    } else if (unregisterTimeout(cell->manager, cell->key) == 1) {
        CHECK_EQ(ADD_SEQ_CST(&cell->over, 1), 0);
        ADD_RELAXED(&stopped, 1);
    } else {
        next = CellArmed; /* it is about to fire */
    }
    RELEASE_STORE(&cell->state, next);
}

static void computeFor(int64_t us)
{
    int64_t until_ns = rtsNow() + us * 1000;
    while (rtsNow() < until_ns)
        SMP_PAUSE();
}

/* A plain OS thread for as long as it lasts. */
static void *blockAndArm(void *env)
{
    const struct timespec moment = {.tv_nsec = 200 * 1000};
    for (int i = 0; i < 4; i++) {
        armOne(env);
        endOne(env);
        nanosleep(&moment, NULL);
    }
    return NULL;
}

static void *wander(void *env)
{
    uint64_t seed = crowdSeed((size_t)(uintptr_t)env);
    while (RELAXED_LOAD(&stopping) == 0) {
        for (int i = 0; i < 20; i++) {
            armOne(&seed);
            endOne(&seed);
        }
        switch (crowdDraw(&seed, 16)) {
        case 0:
            computeFor((int64_t)crowdDraw(&seed, 3000));
            break;
        case 1:
            CHECK_EQ(foreignCall(blockAndArm, &seed, NULL), 0);
            break;
        case 2:
            CHECK_EQ(threadDelay((int64_t)crowdDraw(&seed, 500)), 0);
            break;
        default:
            CHECK_EQ(threadYield(), 0);
        }
    }
    return NULL;
}

static void *resizeOften(void *env)
{
    uint64_t seed = crowdSeed(4711);
    while (RELAXED_LOAD(&stopping) == 0) {
        CHECK_EQ(capabilitySetCount(1 + (uint32_t)crowdDraw(&seed, MOST_CAPABILITIES)), 0);
        CHECK_EQ(threadDelay(5000), 0);
    }
    return env;
}

static void runTimeouts(bool resizes)
{
    Crowd crowd;
    memset(cells, 0, sizeof cells);
    armed = fired = stopped = moved = late = 0;
    crowdStart(&crowd, 2 + (uint32_t)(testRandom() % 3), WANDERERS + 1);
    RELAXED_STORE(&stopping, 0);
    for (size_t i = 0; i < WANDERERS; i++)
        crowdFork(&crowd, wander, (void *)(uintptr_t)i, "wanderer");
    if (resizes)
        crowdFork(&crowd, resizeOften, NULL, "resizer");
    crowdPause((int64_t)(testSeconds() * 1e9 / 2));
    while (RELAXED_LOAD(&fired) == 0 || RELAXED_LOAD(&stopped) == 0 || RELAXED_LOAD(&moved) == 0)
        crowdPause(1000000);
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    while (RELAXED_LOAD(&fired) + stopped != armed)
        crowdPause(100000);
    printf("%llu armed, %llu fired, %llu stopped, %llu moved, %llu too late\n",
           (unsigned long long)armed, (unsigned long long)RELAXED_LOAD(&fired),
           (unsigned long long)stopped, (unsigned long long)moved, (unsigned long long)late);
    crowdStop(&crowd);
}

TEST(Timeouts, firedOrStoppedOnceWherever)
{
    runTimeouts(false);
}

TEST(Timeouts, whileCapabilitiesComeAndGo)
{
    runTimeouts(true);
}
