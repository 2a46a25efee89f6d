/* TimeoutModel.c -- every interleaving of registering, updating and cancelling timeouts, of
 * collecting and firing them by the owner and a rescuer, and of the owner's sleep.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/Timeout.c iomgr/TimerManager.c iomgr/TimeoutWord.c iomgr/TimeoutPool.c
 * model-sources: iomgr/TimerHeap.c iomgr/TimerEntries.c
 *
 * Nobody is home: that is TimeoutHomeModel.c.  The clock stands at NOW; expiring is told what time
 * it is.  Made up is the Wakeup: a count.  Each registration is fired once or stopped once, by the
 * deadline that it had last, whichever scene it is; who is told that an update holds does not see
 * the old deadline fire, nor who is told that it is over any; the owner does not sleep while
 * something earlier than its sleep's end is posted.
 */
#include "testsuite/model/TimeoutStage.h"

/* Words have been changed before. */
static void setUp(void *at)
{
    State *state = at;
    stageSetUp(state, RECORDS);
    state->manager.timeouts.sharing.words = TIMEOUT_WORDS_SHARED;
}

static void setUpQueued(void *at)
{
    setUp(at);
    add(at, 0, EARLY_US);
}

static void setUpSweeping(void *at)
{
    State *state = at;
    setUpQueued(at);
    state->manager.timeouts.sweep_at = 1;
}

static void setUpPlaced(void *at)
{
    State *state = at;
    setUpQueued(at);
    MODEL_CHECK(timerHeapEarliest(&state->manager.timers) < DUE_NS);
    MODEL_CHECK(state->manager.timeouts.inbox == NULL);
}

static void setUpPlacedLate(void *at)
{
    State *state = at;
    setUp(at);
    add(at, 0, LATE_US);
    MODEL_CHECK(timerHeapEarliest(&state->manager.timers) > DUE_NS);
}

/* A cancel in the inbox sweeps it at once. */
static void setUpThreeQueued(void *at)
{
    State *state = at;
    setUp(at);
    add(at, 0, EARLY_US);
    add(at, 1, EARLY_US);
    add(at, 2, EARLY_US);
    state->manager.timeouts.sweep_at = 1;
}

static void ownerExpires(void *at)
{
    expireAs(at, true, DUE_NS);
}

static void ownerExpiresTwice(void *at)
{
    expireAs(at, true, DUE_NS);
    expireAs(at, true, DUE_NS);
}

static void rescuerExpires(void *at)
{
    expireAs(at, false, DUE_NS);
}

static void stopFirst(void *at)
{
    stop(at, 0);
}

static void stopSecond(void *at)
{
    stop(at, 1);
}

/* The record may be the same. */
static void stopAndAdd(void *at)
{
    stop(at, 0);
    add(at, 1, EARLY_US);
}

static void addSecond(void *at)
{
    add(at, 1, EARLY_US);
}

static void addThird(void *at)
{
    add(at, 2, EARLY_US);
}

static void addTwo(void *at)
{
    add(at, 1, EARLY_US);
    add(at, 2, EARLY_US);
}

static void updateLater(void *at)
{
    update(at, 0, LATE_US);
}

static void updateEarlier(void *at)
{
    update(at, 0, EARLY_US);
}

/* ---- the owner's sleep --------------------------------------------------------------------- */

static bool isWoken(void *at)
{
    const State *state = at;
    return state->wakes != 0;
}

/* One sleep of the manager: until something posted says that it is time. */
static void ownerSleeps(void *at)
{
    State *state = at;
    for (;;) {
        int64_t until_ns = timerHeapEarliest(&state->manager.timers);
        if (until_ns <= DUE_NS)
            break;
        if (timerManagerRest(&state->manager, until_ns, 1) != 0) {
            modelBlock(isWoken, state);
            timerManagerRise(&state->manager);
            MODEL_CHECK(timerHeapEarliest(&state->manager.timers) <= DUE_NS);
            break;
        }
    }
}

static void updateMuchLater(void *at)
{
    State *state = at;
    update(state, 0, 2 * LATE_US);
    ADD_SEQ_CST(&state->updates, 1);
}

static void updateMuchEarlier(void *at)
{
    State *state = at;
    update(state, 0, EARLY_US);
    ADD_SEQ_CST(&state->updates, 1);
}

/* Because of another one, which was due. */
static void rescuerCollects(void *at)
{
    State *state = at;
    if (!ownerGateVisit(&state->manager.timers.gate))
        return;
    timerManagerCollect(&state->manager);
    ownerGateVisitEnd(&state->manager.timers.gate);
}

/* Woken; or there is no reason to be. */
static bool mayGetUp(void *at)
{
    const State *state = at;
    const Timeout *first = state->notes[0].key.record;
    return state->wakes != 0 || (state->updates == 2 && first->deadline_ns > DUE_NS);
}

/* One sleep, which somebody has to end who comes later with something early. */
static void ownerSleepsOn(void *at)
{
    State *state = at;
    int64_t until_ns = timerHeapEarliest(&state->manager.timers);
    if (until_ns <= DUE_NS || timerManagerRest(&state->manager, until_ns, 1) == 0)
        return;
    modelBlock(mayGetUp, state);
    timerManagerRise(&state->manager);
}

/* ---- what must hold ------------------------------------------------------------------------ */

static void checkSlept(void *at)
{
    State *state = at;
    MODEL_CHECK(state->wakes <= 1);
    checkNotes(at);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"cancelPlaced", SIZE, 2, setUpPlaced, {stopFirst, ownerExpires}, checkNotes, NULL, 0},
    {"cancelQueued", SIZE, 2, setUpQueued, {stopFirst, ownerExpires}, checkNotes, NULL, 0},
    {"cancelTwice",
     SIZE,
     3,
     setUpPlaced,
     {stopFirst, addSecond, ownerExpires},
     checkNotes,
     NULL,
     0},
    {"cancelAndAdd", SIZE, 2, setUpQueued, {stopAndAdd, ownerExpiresTwice}, checkNotes, NULL, 0},
    {"cancelPlacedAndAdd", SIZE, 2, setUpPlaced, {stopAndAdd, ownerExpires}, checkNotes, NULL, 0},
    {"rescueQueued", SIZE, 2, setUpQueued, {rescuerExpires, ownerExpires}, checkNotes, NULL, 0},
    {"updatePlaced", SIZE, 2, setUpPlaced, {updateLater, ownerExpiresTwice}, checkNotes, NULL, 0},
    {"updateQueued", SIZE, 2, setUpQueued, {updateLater, ownerExpiresTwice}, checkNotes, NULL, 0},
    {"updateAgainstRescuer",
     SIZE,
     3,
     setUpPlaced,
     {updateLater, ownerExpires, rescuerExpires},
     checkNotes,
     NULL,
     0},
    {"updateAgainstCancel",
     SIZE,
     3,
     setUpPlaced,
     {updateLater, stopFirst, ownerExpires},
     checkNotes,
     NULL,
     0},
    {"sweepAgainstCollect",
     SIZE,
     2,
     setUpThreeQueued,
     {stopSecond, ownerExpires},
     checkNotes,
     NULL,
     0},
    {"sweepAgainstAdd", SIZE, 2, setUpSweeping, {stopFirst, addTwo}, checkNotes, NULL, 0},
    {"addAgainstSleep", SIZE, 2, setUp, {addSecond, ownerSleeps}, checkSlept, NULL, 0},
    {"twoAgainstSleep", SIZE, 3, setUp, {addSecond, addThird, ownerSleeps}, checkSlept, NULL, 0},
    {"updateAgainstSleep",
     SIZE,
     2,
     setUpPlacedLate,
     {updateEarlier, ownerSleeps},
     checkSlept,
     NULL,
     0},
    {"twoUpdatesAgainstSleep",
     SIZE,
     3,
     setUpPlacedLate,
     {updateMuchLater, updateMuchEarlier, ownerSleepsOn},
     checkNotes,
     NULL,
     0},
    {"rescueAgainstSleep",
     SIZE,
     3,
     setUpPlacedLate,
     {addSecond, rescuerCollects, ownerSleepsOn},
     checkNotes,
     NULL,
     0},
};

int main(int argc, char **argv)
{
    return stageMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
