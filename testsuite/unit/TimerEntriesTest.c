/* TimerEntriesTest.c -- sorting by digits, and what is in front of heap, run and young. */
#include "iomgr/TimerEntries.h"

#include "iomgr/TimerHeap.h"
#include "testsuite/support/Test.h"

#include <stdlib.h>

enum { MANY = 10000 };

static TimerEntry from[MANY], to[MANY];
static Timer timers[MANY];

/* Sorted, equal keys in their order (that of `timers`), and nothing lost. */
static void sortAndCheck(uint32_t count)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        from[i].timer = &timers[i];
        sum ^= from[i].key_ns;
    }
    timerEntriesSort(from, to, count);
    for (uint32_t i = 0; i < count; i++) {
        sum ^= to[i].key_ns;
        if (i > 0) {
            CHECK_LE(to[i - 1].key_ns, to[i].key_ns);
            if (to[i - 1].key_ns == to[i].key_ns)
                CHECK(to[i - 1].timer < to[i].timer);
        }
    }
    CHECK_EQ(sum, 0);
}

TEST(TimerEntries, sortsEveryRangeOfKeys)
{
    for (uint32_t bits = 0; bits <= 63; bits += 3) { /* none, one, ... six digits */
        int64_t least_ns = bits % 2 == 0 ? INT64_MIN : 1000000;
        for (int i = 0; i < MANY; i++) {
            uint64_t key = (uint64_t)least_ns + (testRandom() & ((UINT64_C(1) << bits) - 1));
            from[i].key_ns = (int64_t)key;
        }
        sortAndCheck(MANY);
    }
    from[0].key_ns = INT64_MAX;
    from[1].key_ns = INT64_MIN;
    sortAndCheck(2);
    sortAndCheck(1);
    sortAndCheck(0);
}

TEST(TimerEntries, theFrontIsTheEarliestOfHeapAndRun)
{
    TimerEntries entries;
    TimerEntry front;
    CHECK_EQ(timerEntriesInit(&entries, NULL), 0);
    CHECK_EQ(timerEntriesFront(&entries, &front), TimerFrontNone);
    for (int i = 0; i < MANY; i++) { /* even keys become the run */
        if (entries.size == entries.limit)
            CHECK_EQ(timerEntriesGrow(&entries), 0);
        timerEntriesAppend(&entries, (TimerEntry){2 * (int64_t)(testRandom() % 50000), &timers[i]});
    }
    int64_t youngest_ns = timerEntriesYoungest(&entries);
    timerEntriesSettle(&entries, true);
    CHECK(timerEntriesSane(&entries));
    CHECK_EQ(entries.size, 0);
    CHECK_EQ(timerEntriesFront(&entries, &front), TimerFrontRun);
    CHECK_EQ(front.key_ns, youngest_ns);
    for (int i = 0; i < MANY; i++) { /* odd ones a heap: there is a run already */
        if (entries.size == entries.limit)
            CHECK_EQ(timerEntriesGrow(&entries), 0);
        timerEntriesAppend(&entries,
                           (TimerEntry){1 + 2 * (int64_t)(testRandom() % 50000), &timers[i]});
    }
    CHECK_EQ(timerEntriesEarliest(&entries) <= youngest_ns, 1);
    timerEntriesSettle(&entries, true);
    CHECK_EQ(entries.sorted, MANY);
    int64_t last_ns = 0;
    for (int i = 0; i < 2 * MANY; i++) {
        TimerFront which = timerEntriesFront(&entries, &front);
        CHECK_EQ(which, front.key_ns % 2 == 0 ? TimerFrontRun : TimerFrontRoot);
        CHECK_LE(last_ns, front.key_ns);
        last_ns = front.key_ns;
        timerEntriesDrop(&entries, which);
        if (i % 500 == 0)
            CHECK(timerEntriesSane(&entries));
    }
    CHECK_EQ(timerEntriesFront(&entries, &front), TimerFrontNone);
    CHECK_EQ(timerEntriesCount(&entries), 0);
    timerEntriesFree(&entries);
}

TEST(TimerEntries, whatIsPutOffFindsItsPlaceAnew)
{
    TimerEntries entries;
    TimerEntry front;
    CHECK_EQ(timerEntriesInit(&entries, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        if (entries.size == entries.limit)
            CHECK_EQ(timerEntriesGrow(&entries), 0);
        timerEntriesAppend(&entries, (TimerEntry){10 * i, &timers[i]});
    }
    timerEntriesSettle(&entries, true);
    for (int i = 0; i < MANY / 2; i++) { /* from the run into the heap, beside some young */
        CHECK_EQ(timerEntriesFront(&entries, &front), TimerFrontRun);
        CHECK_EQ(front.key_ns, 10 * i);
        front.key_ns = 10 * (MANY - i) + 5;
        timerEntriesMove(&entries, TimerFrontRun, front);
        if (i < 10) {
            timerEntriesAppend(&entries, (TimerEntry){DEADLINE_NEVER - 1 - i, &timers[i]});
            CHECK_EQ(timerEntriesYoung(&entries), (uint32_t)i + 1);
        }
    }
    CHECK(timerEntriesSane(&entries));
    CHECK_EQ(timerEntriesCount(&entries), MANY + 10);
    timerEntriesSettle(&entries, true);
    for (int64_t last_ns = 0, i = 0; i < MANY + 10; i++) {
        TimerFront which = timerEntriesFront(&entries, &front);
        CHECK_LE(last_ns, front.key_ns);
        last_ns = front.key_ns;
        timerEntriesDrop(&entries, which);
    }
    CHECK_EQ(timerEntriesCount(&entries), 0);
    timerEntriesFree(&entries);
}

/* While some are young the settled ones are dropped: the young stay in order, at their place. */
TEST(TimerEntries, theYoungKeepTheirOrder)
{
    TimerEntries entries;
    CHECK_EQ(timerEntriesInit(&entries, NULL), 0);
    for (int i = 0; i < 20; i++)
        timerEntriesAppend(&entries, (TimerEntry){100 - i, &timers[i]});
    timerEntriesSettle(&entries, false);
    for (int i = 20; i < 40; i++)
        timerEntriesAppend(&entries, (TimerEntry){1000 - i, &timers[i]});
    for (int i = 19; i >= 0; i--) {
        TimerEntry front;
        CHECK_EQ(timerEntriesFront(&entries, &front), TimerFrontRoot);
        CHECK(front.timer == &timers[i]);
        timerEntriesDrop(&entries, TimerFrontRoot);
        CHECK_EQ(timerEntriesYoung(&entries), 20);
        for (uint32_t k = 0; k < 20; k++)
            CHECK(entries.items[TIMER_ROOT + entries.sorted + k].timer == &timers[20 + k]);
    }
    CHECK_EQ(timerEntriesEarliest(&entries), 1000 - 39);
    timerEntriesFree(&entries);
}
