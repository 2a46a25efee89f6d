/* TimeoutModel.c -- every interleaving of registering, updating and cancelling timeouts, of
 * collecting and firing them by the owner and a rescuer, and of the owner's sleep.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/TimerManager.c iomgr/TimerHeap.c iomgr/TimerEntries.c
 *
 * The clock stands at NOW; expiring is told what time it is.  Made up is the Wakeup: a count.  Each
 * registration is fired once or stopped once; who is told that an update holds does not see the old
 * deadline fire; the owner does not sleep while something earlier than its sleep's end is posted.
 */
#include "iomgr/Clock.c"
#include "iomgr/EventManager.h"
#include "iomgr/HeapId.c"
#include "iomgr/OwnerGate.c"
#include "testsuite/model/Explorer.h"

#include <stddef.h>

enum { RECORDS = 3, TIMEOUTS = 3, SLOTS = 64, EARLY_US = 10, LATE_US = 100 };

#define NOW_NS INT64_C(1024000)
#define DUE_NS (NOW_NS + 20 * 1000)
#define END_NS (NOW_NS + 1000 * 1000)

typedef struct Note {
    TimeoutKey key;
    uint32_t fired;   /* relaxed add: while the threads run */
    uint32_t at_end;  /* afterwards */
    uint32_t stopped; /* relaxed: an unregisterTimeout said so */
    uint32_t updated; /* relaxed: an updateTimeout said so */
} Note;

typedef struct State {
    EventManager manager;
    TimerEntry items[SLOTS] CACHE_ALIGNED;
    Timeout records[RECORDS];
    Note notes[TIMEOUTS];
    uint32_t wakes; /* eventManagerWake adds, relaxed */
} State;

static TimerHeap empty; /* constant: its id lasts as long as the program */
static State *current;

static int64_t readNow(void *context)
{
    (void)context;
    return NOW_NS;
}

static const Clock standing = {readNow, NULL};

uint32_t event_manager_process;

void eventManagerWake(EventManager *manager)
{
    MODEL_CHECK(manager == &current->manager);
    ADD_RELAXED(&current->wakes, 1);
}

static int noteFired(EventManager *manager, TimeoutKey key, void *env)
{
    Note *note = env;
    (void)manager, (void)key;
    MODEL_CHECK(ADD_RELAXED(modelThread() >= 0 ? &note->fired : &note->at_end, 1) == 0);
    return 0;
}

static void setUp(void *at)
{
    State *state = at;
    current = state;
    state->manager.clock = &standing;
    state->manager.timers = empty;
    state->manager.timers.entries.items = state->items;
    *empty.dead_remote = 0;
    timerManagerOpen(&state->manager);
    timerManagerGive(&state->manager, state->records, RECORDS);
}

static void add(State *state, int which, int64_t delay_us)
{
    Note *note = &state->notes[which];
    MODEL_CHECK(registerTimeout(&state->manager, delay_us, noteFired, note, &note->key) == 0);
}

static void stop(State *state, int which)
{
    Note *note = &state->notes[which];
    int result = unregisterTimeout(&state->manager, note->key);
    MODEL_CHECK(result == 0 || result == 1);
    RELAXED_STORE(&note->stopped, (uint32_t)result);
}

static void update(State *state, int which, int64_t delay_us)
{
    Note *note = &state->notes[which];
    int result = updateTimeout(&state->manager, note->key, delay_us);
    MODEL_CHECK(result == 0 || result == 1);
    RELAXED_STORE(&note->updated, (uint32_t)result);
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

static void expireAs(State *state, bool owner, int64_t now_ns)
{
    timerHeapExpire(&state->manager.timers, now_ns, owner, NULL);
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

/* ---- what must hold ------------------------------------------------------------------------ */

static void finish(State *state)
{
    TimerHeap *heap = &state->manager.timers;
    expireAs(state, true, END_NS);
    MODEL_CHECK(timerHeapEarliest(heap) == DEADLINE_NEVER && timerHeapSane(heap));
    MODEL_CHECK(state->manager.timeouts.inbox == NULL);
    uint32_t pooled = 0;
    for (Timeout *record = state->manager.timeouts.free; record != NULL; record = record->next)
        pooled++;
    MODEL_CHECK(pooled == RECORDS && state->manager.timeouts.dead == 0);
}

static bool isOnce(const Note *note)
{
    return note->fired + note->at_end + note->stopped == 1;
}

static void checkFirst(void *at)
{
    State *state = at;
    finish(state);
    MODEL_CHECK(isOnce(&state->notes[0]));
}

static void checkTwo(void *at)
{
    State *state = at;
    checkFirst(state);
    MODEL_CHECK(isOnce(&state->notes[1]));
}

static void checkThree(void *at)
{
    State *state = at;
    checkTwo(state);
    MODEL_CHECK(isOnce(&state->notes[2]));
}

static void checkUpdated(void *at)
{
    State *state = at;
    Note *note = &state->notes[0];
    finish(state);
    MODEL_CHECK(isOnce(note));
    MODEL_CHECK(note->updated == 0 || note->fired == 0);
    MODEL_CHECK(note->updated == 1 || note->at_end == 0);
}

static void checkSlept(void *at)
{
    State *state = at;
    MODEL_CHECK(state->wakes <= 1);
    finish(state);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"cancelPlaced", SIZE, 2, setUpPlaced, {stopFirst, ownerExpires}, checkFirst, NULL, 0},
    {"cancelQueued", SIZE, 2, setUpQueued, {stopFirst, ownerExpires}, checkFirst, NULL, 0},
    {"cancelTwice", SIZE, 3, setUpPlaced, {stopFirst, addSecond, ownerExpires}, checkTwo, NULL, 0},
    {"cancelAndAdd", SIZE, 2, setUpQueued, {stopAndAdd, ownerExpiresTwice}, checkTwo, NULL, 0},
    {"cancelPlacedAndAdd", SIZE, 2, setUpPlaced, {stopAndAdd, ownerExpires}, checkTwo, NULL, 0},
    {"rescueQueued", SIZE, 2, setUpQueued, {rescuerExpires, ownerExpires}, checkFirst, NULL, 0},
    {"updatePlaced", SIZE, 2, setUpPlaced, {updateLater, ownerExpiresTwice}, checkUpdated, NULL, 0},
    {"updateQueued", SIZE, 2, setUpQueued, {updateLater, ownerExpiresTwice}, checkUpdated, NULL, 0},
    {"updateAgainstRescuer",
     SIZE,
     3,
     setUpPlaced,
     {updateLater, ownerExpires, rescuerExpires},
     checkUpdated,
     NULL,
     0},
    {"updateAgainstCancel",
     SIZE,
     3,
     setUpPlaced,
     {updateLater, stopFirst, ownerExpires},
     checkFirst,
     NULL,
     0},
    {"sweepAgainstCollect",
     SIZE,
     2,
     setUpThreeQueued,
     {stopSecond, ownerExpires},
     checkThree,
     NULL,
     0},
    {"sweepAgainstAdd", SIZE, 2, setUpSweeping, {stopFirst, addTwo}, checkThree, NULL, 0},
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
};

int main(int argc, char **argv)
{
    ownerGateStart();
    if (timerHeapInit(&empty, NULL) != 0)
        return 2;
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
