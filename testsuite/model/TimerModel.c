/* TimerModel.c -- every interleaving of arming, disarming and expiring, by the owner and by
 * rescuers.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/HeapId.c iomgr/OwnerGate.c
 *
 * A timer is used for one wait after the other, as a green thread does.  Nothing fires before its
 * deadline, no wait with another one's deadline, and no armed timer is forgotten: expiring at the
 * end fires what is still armed, once.  Some heaps throw out what is dead as soon as it is more
 * than half, some keep two or more young ones in a run.
 */
#include <stdint.h>

#define COMPACT_FROM compact_from
#define RUN_LEAST run_least
static uint32_t compact_from, run_least;
#include "iomgr/TimerEntries.c" /* the real code */
#include "iomgr/TimerHeap.c"

#include "testsuite/model/Explorer.h"

#include <stddef.h>

enum { TIMERS = 3, HEAPS = 2, WAITS = 3, SLOTS = 64 };
enum { EARLY_NS = 10 * 1024, NOW_NS = 20 * 1024, LATE_NS = 100 * 1024, END_NS = 200 * 1024 };

typedef struct Sleeper {
    Timer timer;
    uint32_t fired[WAITS];       /* by number of the wait; relaxed */
    int64_t deadlines_ns[WAITS]; /* plain: written before the wait is armed */
    bool claims;                 /* constant: who fires first wins, as with all real waits */
} Sleeper;

typedef struct State {
    TimerHeap heaps[HEAPS];
    TimerEntry entries[HEAPS][SLOTS] CACHE_ALIGNED;
    TimerEntry run[TIMERS] CACHE_ALIGNED; /* of heap 0 */
    bool has_run;                         /* of heap 0; under its gate */
    Sleeper sleepers[TIMERS];
    int64_t end_ns; /* the end: who expires then may fire what is due later than NOW_NS */
} State;

static TimerHeap empty[HEAPS]; /* constant: their ids last as long as the program */

static void noteFired(Timer *timer, uint64_t number, void *sink)
{
    Sleeper *sleeper = (Sleeper *)(void *)((char *)timer - offsetof(Sleeper, timer));
    int64_t now_ns = *(int64_t *)sink;
    MODEL_CHECK(number >= 1 && number < WAITS);
    MODEL_CHECK(MODEL_READ(sleeper->deadlines_ns[number]) <= now_ns);
    bool again = XCHG_RELAXED(&sleeper->fired[number], 1) != 0;
    MODEL_CHECK(!again || sleeper->claims);
}

static State *current;

static void *allocateRun(void *context, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    MODEL_CHECK(!current->has_run);
    current->has_run = true;
    return current->run;
}

static void releaseTheRun(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    if (memory != NULL)
        current->has_run = false;
}

static void setUp(void *at)
{
    static const Allocator allocator = {allocateRun, releaseTheRun, NULL};
    State *state = at;
    current = state;
    compact_from = run_least = SLOTS;
    for (int i = 0; i < HEAPS; i++) {
        TimerHeap *heap = &state->heaps[i];
        *heap = empty[i];
        heap->entries.items = state->entries[i];
        heap->entries.allocator = &allocator;
        *heap->dead_remote = 0;
    }
    for (int i = 0; i < TIMERS; i++)
        state->sleepers[i].timer.fire = noteFired;
}

static void arm(State *state, int heap, int timer, uint64_t number, int64_t deadline_ns)
{
    Sleeper *sleeper = &state->sleepers[timer];
    MODEL_WRITE(sleeper->deadlines_ns[number], deadline_ns);
    MODEL_CHECK(timerHeapArm(&state->heaps[heap], &sleeper->timer, number, deadline_ns) == 0);
}

static void disarm(State *state, int heap, int timer)
{
    timerHeapDisarm(&state->heaps[heap], &state->sleepers[timer].timer);
}

static void expire(State *state, int heap, bool owner)
{
    int64_t now_ns = NOW_NS;
    timerHeapExpire(&state->heaps[heap], now_ns, owner, &now_ns);
}

static void setUpYoung(void *at)
{
    setUp(at);
    arm(at, 0, 0, 1, EARLY_NS);
}

/* It is in the heap proper. */
static void setUpArmed(void *at)
{
    State *state = at;
    setUpYoung(at);
    MODEL_CHECK(timerHeapEarliest(&state->heaps[0]) == EARLY_NS);
}

/* An entry that is there while a wait is armed for earlier: it may fire the new wait before arming
 * puts in another one, which fires it again. */
static void setUpClaimed(void *at)
{
    State *state = at;
    setUpArmed(at);
    state->sleepers[0].claims = true;
}

static void setUpTwoArmed(void *at)
{
    setUpArmed(at);
    arm(at, 0, 1, 1, NOW_NS);
}

/* Its first wait was ended by something else: the entry is still in the heap when it waits anew. */
static void waitAnewLate(void *at)
{
    disarm(at, 0, 0);
    arm(at, 0, 0, 2, LATE_NS);
}

static void waitAnewEarly(void *at)
{
    disarm(at, 0, 0);
    arm(at, 0, 0, 2, EARLY_NS / 2);
}

/* Armed again without having been disarmed: the wait was over before it parked. */
static void armAgain(void *at)
{
    arm(at, 0, 0, 2, LATE_NS);
}

/* The thread has moved to heap 1's owner meanwhile. */
static void moveAndWait(void *at)
{
    disarm(at, 1, 0);
    arm(at, 1, 0, 2, LATE_NS);
}

static void moveAndArm(void *at)
{
    arm(at, 1, 0, 2, LATE_NS);
}
static void moveAndGiveUp(void *at)
{
    disarm(at, 1, 0);
}
static void giveUp(void *at)
{
    disarm(at, 0, 0);
}

/* Another timer of the same owner. */
static void armOther(void *at)
{
    arm(at, 0, 1, 1, LATE_NS);
}

static void ownerExpires(void *at)
{
    expire(at, 0, true);
}
static void rescuerExpires(void *at)
{
    expire(at, 0, false);
}
static void rescuerExpiresOther(void *at)
{
    expire(at, 1, false);
}

static void ownerGoesToSleep(void *at)
{
    State *state = at;
    int64_t earliest_ns = timerHeapEarliest(&state->heaps[0]);
    MODEL_CHECK(earliest_ns == DEADLINE_NEVER || earliest_ns <= NOW_NS);
}

/* The same when the first wait may be over: then there may be a later deadline here, or none. */
static void ownerSettles(void *at)
{
    State *state = at;
    MODEL_CHECK(timerHeapEarliest(&state->heaps[0]) >= EARLY_NS);
}

static bool isSettled(State *state)
{
    int64_t now_ns = END_NS;
    for (int i = 0; i < HEAPS; i++) {
        if (!timerHeapSane(&state->heaps[i]))
            return false;
        timerHeapExpire(&state->heaps[i], now_ns, true, &now_ns);
        if (state->heaps[i].entries.size != 0 || !timerHeapSane(&state->heaps[i]))
            return false;
    }
    return true;
}

/* The first wait may have fired before it was given up; the second one must. */
static void checkSecond(void *at)
{
    State *state = at;
    MODEL_CHECK(isSettled(state));
    MODEL_CHECK(state->sleepers[0].fired[1] <= 1 && state->sleepers[0].fired[2] == 1);
}

static void checkFirst(void *at)
{
    State *state = at;
    MODEL_CHECK(isSettled(state));
    MODEL_CHECK(state->sleepers[0].fired[1] == 1 && state->sleepers[0].fired[2] == 0);
}

static void checkGivenUp(void *at)
{
    State *state = at;
    MODEL_CHECK(isSettled(state) && state->sleepers[0].fired[1] <= 1);
}

static void checkBoth(void *at)
{
    State *state = at;
    MODEL_CHECK(isSettled(state));
    MODEL_CHECK(state->sleepers[0].fired[1] == 1 && state->sleepers[1].fired[1] == 1);
}

static void checkOther(void *at)
{
    State *state = at;
    MODEL_CHECK(isSettled(state) && state->sleepers[1].fired[1] == 1);
}

/* ---- what is dead is thrown out ------------------------------------------------------------- */

/* Of three one may go: with another one more than half are dead. */
static void armThree(State *state)
{
    compact_from = 0;
    arm(state, 0, 0, 1, EARLY_NS);
    arm(state, 0, 1, 1, EARLY_NS);
    arm(state, 0, 2, 1, NOW_NS);
    MODEL_CHECK(timerHeapEarliest(&state->heaps[0]) == EARLY_NS);
    disarm(state, 0, 1);
    MODEL_CHECK(timerEntriesCount(&state->heaps[0].entries) == 3);
}

static void setUpThree(void *at)
{
    setUp(at);
    armThree(at);
}

static void setUpRun(void *at)
{
    State *state = at;
    setUp(at);
    run_least = 2;
    armThree(at);
    MODEL_CHECK(state->heaps[0].entries.run_end == 3);
}

static void giveUpThird(void *at)
{
    disarm(at, 0, 2);
}

/* The third is live: it fires once.  What was given up is not there any more. */
static void checkThrownOut(void *at)
{
    State *state = at;
    MODEL_CHECK(timerEntriesCount(&state->heaps[0].entries) <= 1);
    MODEL_CHECK(isSettled(state) && state->sleepers[0].fired[1] <= 1);
    MODEL_CHECK(state->sleepers[1].fired[1] == 0 && state->sleepers[2].fired[1] == 1);
}

/* And the first waits once more, be it here or in the other heap. */
static void checkThirdAndSecond(void *at)
{
    State *state = at;
    checkSecond(at);
    MODEL_CHECK(state->sleepers[1].fired[1] == 0 && state->sleepers[2].fired[1] == 1);
}

/* The first has moved, the others were given up: they were thrown out, and it was not forgotten. */
static void checkMoved(void *at)
{
    State *state = at;
    TimerHeap *heap = &state->heaps[0];
    MODEL_CHECK(heap->compactions == 1 && timerEntriesCount(&heap->entries) <= 1);
    MODEL_CHECK(isSettled(state));
    MODEL_CHECK(state->sleepers[0].fired[1] == 0 && state->sleepers[0].fired[2] == 1);
    MODEL_CHECK(state->sleepers[1].fired[1] == 0 && state->sleepers[2].fired[1] == 0);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"expireTwice", SIZE, 2, setUpArmed, {ownerExpires, rescuerExpires}, checkFirst, NULL, 0},
    {"twoRescuers",
     SIZE,
     3,
     setUpTwoArmed,
     {ownerGoesToSleep, rescuerExpires, rescuerExpires},
     checkBoth,
     NULL,
     0},
    {"giveUp", SIZE, 2, setUpArmed, {giveUp, rescuerExpires}, checkGivenUp, NULL, 0},
    {"giveUpBesideOther", SIZE, 2, setUpTwoArmed, {giveUp, rescuerExpires}, checkOther, NULL, 0},
    {"armOther", SIZE, 2, setUpArmed, {armOther, rescuerExpires}, checkBoth, NULL, 0},
    {"waitAnewLate", SIZE, 2, setUpArmed, {waitAnewLate, rescuerExpires}, checkSecond, NULL, 0},
    {"waitAnewEarly", SIZE, 2, setUpClaimed, {waitAnewEarly, rescuerExpires}, checkSecond, NULL, 0},
    {"waitAnewEarlyYoung",
     SIZE,
     2,
     setUpYoung,
     {waitAnewEarly, rescuerExpires},
     checkSecond,
     NULL,
     0},
    {"waitAnewBesideOther",
     SIZE,
     2,
     setUpTwoArmed,
     {waitAnewLate, rescuerExpires},
     checkSecond,
     NULL,
     0},
    {"giveUpYoung", SIZE, 2, setUpYoung, {giveUp, rescuerExpires}, checkGivenUp, NULL, 0},
    {"waitAnewYoung", SIZE, 2, setUpYoung, {waitAnewLate, rescuerExpires}, checkSecond, NULL, 0},
    {"moveYoung", SIZE, 2, setUpYoung, {moveAndWait, ownerExpires}, checkSecond, NULL, 0},
    {"armAgain", SIZE, 2, setUpArmed, {armAgain, rescuerExpires}, checkSecond, NULL, 0},
    {"armAgainTwoRescuers",
     SIZE,
     3,
     setUpArmed,
     {armAgain, rescuerExpires, rescuerExpires},
     checkSecond,
     NULL,
     0},
    {"moveAndGiveUp", SIZE, 2, setUpArmed, {moveAndGiveUp, ownerExpires}, checkGivenUp, NULL, 0},
    {"moveAndWait", SIZE, 2, setUpArmed, {moveAndWait, ownerExpires}, checkSecond, NULL, 0},
    {"moveAndArm",
     SIZE,
     3,
     setUpArmed,
     {moveAndArm, ownerExpires, rescuerExpiresOther},
     checkSecond,
     NULL,
     0},
    {"moveAgainstRescuer",
     SIZE,
     3,
     setUpArmed,
     {moveAndWait, ownerSettles, rescuerExpires},
     checkSecond,
     NULL,
     0},
    {"throwOut", SIZE, 2, setUpThree, {giveUp, rescuerExpires}, checkThrownOut, NULL, 0},
    {"throwOutOfRun", SIZE, 2, setUpRun, {giveUp, rescuerExpires}, checkThrownOut, NULL, 0},
    {"throwOutMoved", SIZE, 2, setUpThree, {giveUpThird, moveAndWait}, checkMoved, NULL, 0},
    {"throwOutMovedRun", SIZE, 2, setUpRun, {giveUpThird, moveAndWait}, checkMoved, NULL, 0},
    {"rescuerThrowsOut",
     SIZE,
     2,
     setUpThree,
     {rescuerExpires, moveAndWait},
     checkThirdAndSecond,
     NULL,
     0},
    {"rescuerThrowsOutOfRun",
     SIZE,
     2,
     setUpRun,
     {rescuerExpires, moveAndWait},
     checkThirdAndSecond,
     NULL,
     0},
    {"ownerAnewOfRun",
     SIZE,
     2,
     setUpRun,
     {waitAnewLate, rescuerExpires},
     checkThirdAndSecond,
     NULL,
     0},
};

int main(int argc, char **argv)
{
    ownerGateStart();
    for (int i = 0; i < HEAPS; i++) {
        if (timerHeapInit(&empty[i], NULL) != 0)
            return 2;
    }
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
