/* TimerHeapTest.c -- the heap against a plain array, its bounds, and an owner with a rescuer. */
#include "iomgr/Memory.h"
#include "testsuite/support/IoFixture.h"

#include <pthread.h>
#include <sched.h>

typedef struct Alarm {
    Timer timer; /* first: the callback gets its address */
    uint64_t fired_number;
    uint32_t fired;
} Alarm;

enum { MOST_FIRED = 4096 };
static Alarm *fired_order[MOST_FIRED];
static uint32_t fired_count;

static void noteAlarm(Timer *timer, uint64_t number, void *sink)
{
    Alarm *alarm = (Alarm *)timer;
    (void)sink;
    alarm->fired++;
    alarm->fired_number = number;
    if (fired_count < MOST_FIRED)
        fired_order[fired_count++] = alarm;
}

static void openHeap(TimerHeap *heap)
{
    ownerGateStart();
    fired_count = 0;
    CHECK_EQ(timerHeapInit(heap, NULL), 0);
    CHECK(timerHeapSane(heap));
}

static void arm(TimerHeap *heap, Alarm *alarm, uint64_t number, int64_t deadline_ns)
{
    alarm->timer.fire = noteAlarm;
    CHECK_EQ(timerHeapArm(heap, &alarm->timer, number, deadline_ns), 0);
    CHECK(timerHeapSane(heap));
}

TEST(TimerHeap, firesWhenDueAndNotBefore)
{
    TimerHeap heap;
    Alarm alarm = {0};
    openHeap(&heap);
    CHECK_EQ(timerHeapEarliest(&heap), DEADLINE_NEVER);
    arm(&heap, &alarm, 1, 1000000);
    CHECK_EQ(timerHeapEarliest(&heap), 1000000);
    CHECK_EQ(timerHeapExpire(&heap, 999999, true, NULL), 0);
    CHECK_EQ(alarm.fired, 0);
    CHECK_EQ(timerHeapExpire(&heap, 1000000, true, NULL), 1);
    CHECK_EQ(alarm.fired, 1);
    CHECK_EQ(alarm.fired_number, 1);
    CHECK_EQ(timerHeapExpire(&heap, 9000000, true, NULL), 0);
    CHECK_EQ(heap.entries.size, 0);
    timerHeapFree(&heap);
}

TEST(TimerHeap, equalDeadlinesFireInOrderOfArming)
{
    enum { MANY = 300 }; /* several batches */
    static Alarm alarms[MANY];
    TimerHeap heap;
    openHeap(&heap);
    for (int i = 0; i < MANY; i++)
        arm(&heap, &alarms[i], 1, i < 3 ? 4000 : 5000);
    arm(&heap, &alarms[0], 2, 5000); /* re-armed: it is the last one now */
    CHECK_EQ(timerHeapExpire(&heap, 5000, true, NULL), MANY);
    CHECK_EQ(fired_count, MANY);
    for (int i = 1; i < MANY; i++)
        CHECK_EQ(fired_order[i - 1], &alarms[i]);
    CHECK_EQ(fired_order[MANY - 1], &alarms[0]);
    CHECK_EQ(alarms[0].fired_number, 2);
    timerHeapFree(&heap);
}

TEST(TimerHeap, deadlineOrderOfWhatWasRearmedLater)
{
    Alarm early = {0}, late = {0};
    TimerHeap heap;
    openHeap(&heap);
    arm(&heap, &late, 1, 10000);
    arm(&heap, &early, 1, 30000);
    arm(&heap, &late, 2, 50000); /* keeps its entry at 10000 */
    CHECK_EQ(heap.entries.size, 2);
    CHECK_EQ(timerHeapExpire(&heap, 60000, true, NULL), 2); /* both due in one pass */
    CHECK_EQ(fired_order[0], &early);
    CHECK_EQ(fired_order[1], &late);
    timerHeapFree(&heap);
}

/* A kept entry changes its timer's order where it lies and hides what is below it. */
TEST(TimerHeap, equalDeadlinesBelowOneThatWasRearmed)
{
    enum { MANY = 21 }; /* the root, its four children, theirs */
    Alarm alarms[MANY] = {0};
    TimerHeap heap;
    openHeap(&heap);
    for (int i = 0; i < MANY; i++)
        arm(&heap, &alarms[i], 1, 5000000);
    arm(&heap, &alarms[1], 2, 9000000);
    CHECK_EQ(heap.entries.size, MANY);
    CHECK_EQ(timerHeapExpire(&heap, 5000000, true, NULL), MANY - 1);
    for (int i = 1; i < MANY - 1; i++)
        CHECK_EQ(fired_order[i], &alarms[i + 1]);
    CHECK_EQ(timerHeapExpire(&heap, 9000000, true, NULL), 1);
    timerHeapFree(&heap);
}

TEST(TimerHeap, rearmingLaterMovesNothing)
{
    Alarm alarm = {0};
    TimerHeap heap;
    openHeap(&heap);
    arm(&heap, &alarm, 1, 1000000);
    for (uint64_t i = 2; i < 1000; i++) {
        if (i % 2)
            timerHeapDisarm(NULL, &alarm.timer);
        arm(&heap, &alarm, i, 1000000 + (int64_t)i * 2000);
        CHECK_EQ(heap.entries.size, 1);
    }
    CHECK_EQ(timerHeapExpire(&heap, 1000000, true, NULL), 0); /* surfaces and is put back */
    CHECK_EQ(heap.entries.size, 1);
    CHECK_EQ(timerHeapEarliest(&heap), 1000000 + 999 * 2000);
    CHECK_EQ(timerHeapExpire(&heap, 1000000 + 999 * 2000, true, NULL), 1);
    CHECK_EQ(alarm.fired_number, 999);
    timerHeapFree(&heap);
}

TEST(TimerHeap, rearmingEarlierIsHonoured)
{
    Alarm alarm = {0};
    TimerHeap heap;
    openHeap(&heap);
    arm(&heap, &alarm, 1, 9000000);
    arm(&heap, &alarm, 2, 5000000);
    arm(&heap, &alarm, 3, 4999999); /* by less than the entry word can tell */
    CHECK_EQ(timerHeapExpire(&heap, 4999999, true, NULL), 1);
    CHECK_EQ(alarm.fired_number, 3);
    timerHeapDisarm(&heap, &alarm.timer);
    CHECK_EQ(timerHeapExpire(&heap, 9000000, true, NULL), 0);
    CHECK_EQ(alarm.fired, 1);
    CHECK_EQ(heap.entries.size, 0);
    timerHeapFree(&heap);
}

TEST(TimerHeap, disarmedDoesNotFireAndTheNewestGoesAtOnce)
{
    Alarm first = {0}, second = {0};
    TimerHeap heap;
    openHeap(&heap);
    arm(&heap, &first, 1, 1000000);
    arm(&heap, &second, 1, 2000000);
    timerHeapDisarm(&heap, &second.timer);
    CHECK_EQ(heap.entries.size, 1);
    timerHeapDisarm(&heap, &second.timer); /* twice is nothing */
    CHECK_EQ(heap.dead, 0);
    arm(&heap, &second, 2, 2000000);
    timerHeapDisarm(&heap, &first.timer); /* not the newest: stays, dead */
    CHECK_EQ(heap.entries.size, 2);
    CHECK_EQ(heap.dead, 1);
    CHECK_EQ(timerHeapEarliest(&heap), 2000000); /* the dead root is gone */
    CHECK_EQ(heap.entries.size, 1);
    CHECK_EQ(timerHeapExpire(&heap, 3000000, true, NULL), 1);
    CHECK_EQ(first.fired, 0);
    CHECK_EQ(second.fired, 1);
    timerHeapFree(&heap);
}

TEST(TimerHeap, theDeadAreBounded)
{
    enum { MANY = 1000, ROUNDS = 50 };
    static Alarm alarms[MANY];
    TimerHeap heap;
    openHeap(&heap);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < MANY; i++) /* each one earlier than before: a new entry */
            arm(&heap, &alarms[i], round, (int64_t)(ROUNDS - round) * 1000000 + 7000 * i + 1);
        for (int i = 0; i < MANY; i++)
            timerHeapDisarm(&heap, &alarms[i].timer);
        CHECK(timerHeapSane(&heap));
        CHECK_LE(heap.entries.size, 2 * MANY + 64);
    }
    CHECK_GT(heap.compactions, 0);
    CHECK_LT(heap.compactions, 6 * ROUNDS); /* each halves the heap */
    CHECK_EQ(timerHeapExpire(&heap, INT64_MAX - 1, true, NULL), 0);
    CHECK_EQ(heap.entries.size, 0);
    timerHeapFree(&heap);
}

TEST(TimerHeap, disarmedElsewhereIsBoundedToo)
{
    enum { MANY = 1000 };
    static Alarm alarms[MANY];
    TimerHeap heap, other;
    openHeap(&heap);
    openHeap(&other);
    for (int i = 0; i < MANY; i++) {
        arm(&heap, &alarms[i], 1, 1000000 + i);
        timerHeapDisarm(&other, &alarms[i].timer);
        CHECK_LE(heap.entries.size, 2 * 64);
    }
    for (int i = 0; i < MANY; i++) { /* and what moves to another heap */
        arm(&heap, &alarms[i], 2, 1000000 + i);
        arm(&other, &alarms[i], 3, 500000 + i);
        CHECK_LE(heap.entries.size, 2 * 64);
    }
    CHECK_EQ(timerHeapEarliest(&heap), DEADLINE_NEVER); /* nothing here wakes anybody for nothing */
    CHECK_EQ(timerHeapExpire(&heap, 9000000, true, NULL), 0);
    CHECK_EQ(timerHeapExpire(&other, 9000000, true, NULL), MANY);
    timerHeapFree(&heap);
    timerHeapFree(&other);
}

TEST(TimerHeap, neverAndTheFarFuture)
{
    const int64_t base = INT64_C(1700000000000000000); /* a clock that counts from 1970 */
    Alarm never = {0}, far = {0}, farther = {0};
    TimerHeap heap;
    openHeap(&heap);
    arm(&heap, &never, 1, DEADLINE_NEVER);
    CHECK_EQ(heap.entries.size, 0);
    arm(&heap, &far, 1, base + 1000);
    arm(&heap, &farther, 1, INT64_MAX - 1);
    CHECK_EQ(timerHeapExpire(&heap, base, true, NULL), 0);
    CHECK_EQ(timerHeapEarliest(&heap), base + 1000);
    arm(&heap, &farther, 2, base + 2000); /* from 200 years to now: must not keep its entry */
    CHECK_EQ(timerHeapExpire(&heap, base + 1000, true, NULL), 1);
    CHECK_EQ(timerHeapExpire(&heap, base + 2000, true, NULL), 1);
    CHECK_EQ(farther.fired_number, 2);
    /* Ages ago, so far that the entry word's key has wrapped: due, not "later". */
    arm(&heap, &farther, 3, base + 1000000);
    arm(&heap, &farther, 4, base + 1000000 - (INT64_C(3) << 56));
    CHECK_EQ(timerHeapExpire(&heap, base + 2001, true, NULL), 1);
    CHECK_EQ(farther.fired_number, 4);
    arm(&heap, &far, 2, base + 5000);
    arm(&heap, &far, 3, DEADLINE_NEVER); /* takes the deadline back */
    CHECK_EQ(timerHeapExpire(&heap, base + 6000, true, NULL), 0);
    CHECK_EQ(never.fired, 0);
    CHECK_EQ(far.fired, 1);
    timerHeapFree(&heap);
}

static TimerHeap *rearm_heap;

static void rearmAlarm(Timer *timer, uint64_t number, void *sink)
{
    noteAlarm(timer, number, sink);
    CHECK_EQ(timerHeapArm(rearm_heap, timer, number + 1, 0), 0); /* due already */
}

TEST(TimerHeap, aTimerThatRearmsItselfDoesNotHoldTheStep)
{
    enum { MANY = 100 }; /* more than a batch */
    static Alarm alarms[MANY];
    TimerHeap heap;
    openHeap(&heap);
    rearm_heap = &heap;
    for (int i = 0; i < MANY; i++) {
        alarms[i].timer.fire = rearmAlarm;
        CHECK_EQ(timerHeapArm(&heap, &alarms[i].timer, 1, 0), 0);
    }
    uint32_t fired = timerHeapExpire(&heap, 100, true, NULL);
    CHECK_GE(fired, MANY);
    CHECK_LE(fired, MANY + 64);
    for (int i = 0; i < MANY; i++)
        CHECK_GE(alarms[i].fired, 1);
    timerHeapFree(&heap);
}

/* ---- out of memory ---- */

static int allocations_left;

static void *allocateFew(void *context, size_t size, size_t alignment)
{
    (void)context;
    return allocations_left-- > 0 ? memoryAllocate(NULL, size, alignment) : NULL;
}

static void releaseFew(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context;
    memoryRelease(NULL, memory, size, alignment);
}

TEST(TimerHeap, outOfMemoryArmsNothing)
{
    static Alarm alarms[100];
    const Allocator allocator = {allocateFew, releaseFew, NULL};
    TimerHeap heap;
    ownerGateStart();
    allocations_left = 0;
    CHECK_EQ(timerHeapInit(&heap, &allocator), -ENOMEM);
    allocations_left = 1;
    CHECK_EQ(timerHeapInit(&heap, &allocator), 0);
    uint32_t armed = 0, refused = 0;
    for (int i = 0; i < 100; i++) {
        alarms[i].timer.fire = noteAlarm;
        int result = timerHeapArm(&heap, &alarms[i].timer, 1, 1000 + i);
        armed += result == 0;
        refused += result == -ENOMEM;
        CHECK(timerHeapSane(&heap));
    }
    CHECK_EQ(armed + refused, 100);
    CHECK_GT(refused, 0);
    CHECK_EQ(timerHeapExpire(&heap, 5000, true, NULL), armed);
    timerHeapFree(&heap);
}

/* ---- against a plain array ---- */

enum { MODEL_TIMERS = 200, MODEL_STEPS = 30000 };

typedef struct Expected {
    uint64_t number; /* 0: not armed */
    int64_t deadline_ns;
} Expected;

/* Everything due, and only that, was fired, and in order of deadlines. */
static void checkFired(Alarm *alarms, Expected *expected, int64_t now)
{
    uint32_t due = 0;
    for (uint32_t i = 0; i < fired_count; i++) {
        Expected *at = &expected[fired_order[i] - alarms];
        CHECK_NE(at->number, 0);
        CHECK_EQ(fired_order[i]->fired_number, at->number);
        CHECK_LE(at->deadline_ns, now);
        if (i > 0)
            CHECK_LE(expected[fired_order[i - 1] - alarms].deadline_ns, at->deadline_ns);
    }
    for (int i = 0; i < MODEL_TIMERS; i++)
        due += expected[i].number != 0 && expected[i].deadline_ns <= now;
    CHECK_EQ(fired_count, due);
    for (uint32_t i = 0; i < fired_count; i++)
        expected[fired_order[i] - alarms].number = 0;
    fired_count = 0;
}

TEST(TimerHeap, randomStepsAgainstAnArray)
{
    static Alarm alarms[MODEL_TIMERS];
    static Expected expected[MODEL_TIMERS];
    TimerHeap heap, other;
    int64_t now = 1000000;
    openHeap(&heap);
    openHeap(&other);
    for (uint64_t step = 1; step <= MODEL_STEPS; step++) {
        uint64_t which = testRandom() % MODEL_TIMERS, dice = testRandom() % 100;
        TimerHeap *at = testRandom() % 4 == 0 ? &other : &heap;
        Alarm *alarm = &alarms[which];
        if (dice < 55) {
            int64_t range = dice < 20 ? 3000 : 300000; /* collisions, and a wider spread */
            expected[which] = (Expected){step, now + (int64_t)(testRandom() % (uint64_t)range)};
            arm(at, alarm, step, expected[which].deadline_ns);
        } else if (dice < 90) {
            timerHeapDisarm(dice < 70 ? at : NULL, &alarm->timer);
            expected[which].number = 0;
        } else {
            now += (int64_t)(testRandom() % 20000);
            /* Two heaps: fire both up to one nanosecond after the other, so that order holds. */
            timerHeapExpire(&heap, now, testRandom() % 3 != 0, NULL);
            CHECK(timerHeapSane(&heap));
            uint32_t first = fired_count;
            timerHeapExpire(&other, now, true, NULL);
            for (uint32_t i = first; i < fired_count; i++) { /* merge by deadline */
                Alarm *moved = fired_order[i];
                uint32_t to = i;
                for (; to > 0 && expected[fired_order[to - 1] - alarms].deadline_ns >
                                     expected[moved - alarms].deadline_ns;
                     to--)
                    fired_order[to] = fired_order[to - 1];
                fired_order[to] = moved;
            }
            checkFired(alarms, expected, now);
            for (int i = 0; i < MODEL_TIMERS; i++) {
                if (expected[i].number == 0) /* as a waiter does on its way out */
                    timerHeapDisarm(&heap, &alarms[i].timer);
            }
        }
        CHECK(timerHeapSane(&heap));
        CHECK(timerHeapSane(&other));
    }
    timerHeapFree(&heap);
    timerHeapFree(&other);
}

/* ---- an owner and a rescuer ---- */

enum { SHARED_TIMERS = 64, SHARED_ROUNDS = 20000 };

typedef struct SharedAlarm {
    Timer timer;
    uint64_t claim; /* number << 1 | claimed: as a waiter's claim word */
} SharedAlarm;

static struct {
    TimerHeap heap;
    SharedAlarm alarms[SHARED_TIMERS];
    uint64_t claimed;  /* anyone */
    uint64_t late;     /* anyone: fires that lost their claim */
    int64_t now_ns;    /* owner stores, rescuer reads */
    uint32_t rescuing; /* rescuer */
    bool stop;
} shared;

static void claimAlarm(Timer *timer, uint64_t number, void *sink)
{
    SharedAlarm *alarm = (SharedAlarm *)timer;
    uint64_t armed = number << 1;
    int64_t deadline_ns = RELAXED_LOAD(&timer->deadline_ns); /* this wait's, if the claim is won */
    (void)sink;
    if (CAS_ACQ_REL(&alarm->claim, &armed, number << 1 | 1)) {
        CHECK_LE(deadline_ns, RELAXED_LOAD(&shared.now_ns)); /* never early */
        ADD_RELAXED(&shared.claimed, 1);
    } else {
        ADD_RELAXED(&shared.late, 1);
    }
}

static void *rescueTimers(void *arg)
{
    (void)arg;
    RELAXED_STORE(&shared.rescuing, 1);
    while (!ACQUIRE_LOAD(&shared.stop))
        timerHeapExpire(&shared.heap, RELAXED_LOAD(&shared.now_ns), false, NULL);
    return NULL;
}

TEST(TimerHeap, ownerAndRescuer)
{
    pthread_t rescuer;
    uint64_t waits = 0, cancelled = 0;
    openHeap(&shared.heap);
    RELAXED_STORE(&shared.now_ns, 1);
    for (int i = 0; i < SHARED_TIMERS; i++)
        shared.alarms[i].timer.fire = claimAlarm;
    CHECK_EQ(pthread_create(&rescuer, NULL, rescueTimers, NULL), 0);
    while (RELAXED_LOAD(&shared.rescuing) == 0)
        sched_yield();
    for (uint64_t round = 1; round <= SHARED_ROUNDS; round++) {
        SharedAlarm *alarm = &shared.alarms[testRandom() % SHARED_TIMERS];
        uint64_t claim = ACQUIRE_LOAD(&alarm->claim);
        if (claim != 0 && (claim & 1) == 0) { /* still waiting: give up, unless it was fired */
            if (CAS_ACQ_REL(&alarm->claim, &claim, claim | 1))
                cancelled++;
            timerHeapDisarm(&shared.heap, &alarm->timer);
        }
        RELEASE_STORE(&alarm->claim, round << 1);
        waits++;
        int64_t delay = (int64_t)(testRandom() % 4000);
        CHECK_EQ(
            timerHeapArm(&shared.heap, &alarm->timer, round, RELAXED_LOAD(&shared.now_ns) + delay),
            0);
        RELAXED_STORE(&shared.now_ns, RELAXED_LOAD(&shared.now_ns) + 100);
        if (round % 8 == 0)
            timerHeapExpire(&shared.heap, RELAXED_LOAD(&shared.now_ns), true, NULL);
        if (round % 64 == 0)
            ownerGateRebias(&shared.heap.gate, &shared.heap.seen_visits);
    }
    RELEASE_STORE(&shared.stop, true);
    pthread_join(rescuer, NULL);
    RELAXED_STORE(&shared.now_ns, RELAXED_LOAD(&shared.now_ns) + 10000);
    timerHeapExpire(&shared.heap, RELAXED_LOAD(&shared.now_ns), true, NULL);
    CHECK_EQ(RELAXED_LOAD(&shared.claimed) + cancelled, waits); /* none lost, none twice */
    CHECK(timerHeapSane(&shared.heap));
    CHECK_EQ(shared.heap.entries.size, 0);
    timerHeapFree(&shared.heap);
}
