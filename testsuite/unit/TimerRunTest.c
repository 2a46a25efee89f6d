/* TimerRunTest.c -- thousands of timers: the run beside the heap, and the bound on the dead. */
#include "testsuite/support/IoFixture.h"

typedef struct Alarm {
    Timer timer; /* first: the callback gets its address */
    uint64_t fired_number;
    uint32_t fired;
} Alarm;

enum { MOST_FIRED = 32768 };
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

enum { CROWD = 20000, CROWD_NS = 3000000 };

static Alarm crowd[CROWD];
static int64_t crowd_ns[CROWD]; /* 0: does not fire */

/* Armed without a look in between; many deadlines are equal. */
static void armCrowd(TimerHeap *heap)
{
    memset(crowd, 0, sizeof crowd);
    for (int i = 0; i < CROWD; i++) {
        crowd[i].timer.fire = noteAlarm;
        crowd_ns[i] = 1000 * (1 + (int64_t)(testRandom() % (CROWD_NS / 1000)));
        CHECK_EQ(timerHeapArm(heap, &crowd[i].timer, 1, crowd_ns[i]), 0);
    }
    CHECK_EQ(timerHeapEarliest(heap) >= 1000, 1);
    CHECK(timerHeapSane(heap));
    CHECK_EQ(heap->entries.run_end - heap->entries.run_at, CROWD);
}

/* Everybody up to now_ns, by deadline, then in order of arming (by index, here). */
static void checkCrowd(int64_t now_ns)
{
    uint32_t due = 0;
    for (int i = 0; i < CROWD; i++)
        due += crowd_ns[i] != 0 && crowd_ns[i] <= now_ns;
    CHECK_EQ(fired_count, due);
    for (uint32_t i = 0; i < fired_count; i++) {
        int64_t at_ns = crowd_ns[fired_order[i] - crowd];
        CHECK_GT(at_ns, 0);
        if (i > 0) {
            int64_t before_ns = crowd_ns[fired_order[i - 1] - crowd];
            CHECK_LE(before_ns, at_ns);
            if (before_ns == at_ns)
                CHECK_LT((uint64_t)(uintptr_t)fired_order[i - 1],
                         (uint64_t)(uintptr_t)fired_order[i]);
        }
    }
}

TEST(TimerRun, thousandsBecomeARun)
{
    TimerHeap heap;
    openHeap(&heap);
    armCrowd(&heap);
    for (int64_t now_ns = 0; now_ns <= CROWD_NS; now_ns += 100000) {
        timerHeapExpire(&heap, now_ns, now_ns % 300000 != 0, NULL);
        CHECK(timerHeapSane(&heap));
        checkCrowd(now_ns);
    }
    CHECK_EQ(fired_count, CROWD);
    CHECK_EQ(timerHeapEarliest(&heap), DEADLINE_NEVER);
    timerHeapFree(&heap);
}

TEST(TimerRun, aRunBesideTheHeap)
{
    TimerHeap heap;
    openHeap(&heap);
    armCrowd(&heap);
    for (int i = 0; i < CROWD; i += 3) { /* cancelled, where they lie */
        timerHeapDisarm(i % 2 == 0 ? &heap : NULL, &crowd[i].timer);
        crowd_ns[i] = 0;
    }
    CHECK(timerHeapSane(&heap));
    for (int i = 1; i < CROWD; i += 3) { /* later: the entry stays; earlier: a new one */
        crowd_ns[i] += i % 2 == 0 ? 1000 * 1000 : -crowd_ns[i] / 2;
        CHECK_EQ(timerHeapArm(&heap, &crowd[i].timer, 2, crowd_ns[i]), 0);
    }
    CHECK(timerHeapSane(&heap));
    for (int64_t now_ns = 0; now_ns <= 2 * CROWD_NS; now_ns += 50000) {
        timerHeapExpire(&heap, now_ns, true, NULL);
        CHECK(timerHeapSane(&heap));
    }
    for (int i = 0; i < CROWD; i++) {
        CHECK_EQ(crowd[i].fired, i % 3 == 0 ? 0 : 1);
        CHECK_EQ(crowd[i].fired_number, i % 3 == 0 ? 0 : (i % 3 == 1 ? 2 : 1));
    }
    for (uint32_t i = 1; i < fired_count; i++)
        CHECK_LE(crowd_ns[fired_order[i - 1] - crowd], crowd_ns[fired_order[i] - crowd]);
    CHECK_EQ(timerHeapEarliest(&heap), DEADLINE_NEVER);
    timerHeapFree(&heap);
}

TEST(TimerRun, theDeadOfARunAreBounded)
{
    TimerHeap heap;
    openHeap(&heap);
    armCrowd(&heap);
    for (int i = 0; i < CROWD - 100; i++)
        timerHeapDisarm(&heap, &crowd[i].timer);
    CHECK(timerHeapSane(&heap));
    CHECK_LE(timerEntriesCount(&heap.entries), 2 * 100 + 64);
    CHECK_EQ(timerHeapExpire(&heap, CROWD_NS, true, NULL), 100);
    timerHeapFree(&heap);
}

/* A million cancelled time-outs, however they lie, leave the array as it was. */
TEST(TimerRun, aMillionCancelledLeaveNothing)
{
    enum { ALIVE = 100, AT_ONCE = 50 };
    static Alarm alive[ALIVE], some[AT_ONCE];
    TimerHeap heap;
    openHeap(&heap);
    for (int i = 0; i < ALIVE; i++)
        arm(&heap, &alive[i], 1, 1000000000 + i);
    for (uint64_t round = 1; round <= 1000000 / AT_ONCE; round++) {
        for (int i = 0; i < AT_ONCE; i++) {
            some[i].timer.fire = noteAlarm;
            int64_t at_ns = (int64_t)(testRandom() % 2000000000);
            CHECK_EQ(timerHeapArm(&heap, &some[i].timer, round, at_ns), 0);
        }
        for (int i = 0; i < AT_ONCE; i++) /* the oldest first */
            timerHeapDisarm(round % 2 == 0 ? &heap : NULL, &some[i].timer);
        if (round % 64 == 0)
            timerHeapEarliest(&heap);
        CHECK_LE(heap.entries.capacity, 1024);
    }
    CHECK(timerHeapSane(&heap));
    CHECK_EQ(timerHeapExpire(&heap, 3000000000, true, NULL), ALIVE);
    timerHeapFree(&heap);
}
