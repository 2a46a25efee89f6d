/* TimeoutStage.h -- what the two models of timeouts share: a manager, its notes, what must hold. */
#ifndef MODEL_TIMEOUT_STAGE_H
#define MODEL_TIMEOUT_STAGE_H

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
    uint32_t stopped; /* relaxed add: an unregisterTimeout said so */
    uint32_t updated; /* relaxed: an updateTimeout said so */
} Note;

typedef struct State {
    EventManager manager;
    TimerEntry items[SLOTS] CACHE_ALIGNED;
    Timeout records[RECORDS];
    Note notes[TIMEOUTS];
    uint32_t wakes;   /* eventManagerWake adds, relaxed */
    uint32_t updates; /* anyone adds: which are over */
} State;

static TimerHeap empty; /* constant: its id lasts as long as the program */
static State *current;

static inline int64_t readNow(void *context)
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

static inline int noteFired(EventManager *manager, TimeoutKey key, void *env)
{
    Note *note = env;
    (void)manager, (void)key;
    MODEL_CHECK(ADD_RELAXED(modelThread() >= 0 ? &note->fired : &note->at_end, 1) == 0);
    return 0;
}

static inline void stageSetUp(State *state, uint32_t records)
{
    current = state;
    state->manager.clock = &standing;
    state->manager.timers = empty;
    state->manager.timers.entries.items = state->items;
    *empty.dead_remote = 0;
    timerManagerOpen(&state->manager);
    timerManagerGive(&state->manager, state->records, records);
}

static inline void add(State *state, int which, int64_t delay_us)
{
    Note *note = &state->notes[which];
    MODEL_CHECK(registerTimeout(&state->manager, delay_us, noteFired, note, &note->key) == 0);
}

static inline void stop(State *state, int which)
{
    Note *note = &state->notes[which];
    int result = unregisterTimeout(&state->manager, note->key);
    MODEL_CHECK(result == 0 || result == 1);
    ADD_RELAXED(&note->stopped, (uint32_t)result);
}

static inline void update(State *state, int which, int64_t delay_us)
{
    Note *note = &state->notes[which];
    int result = updateTimeout(&state->manager, note->key, delay_us);
    MODEL_CHECK(result == 0 || result == 1);
    RELAXED_STORE(&note->updated, (uint32_t)result);
}

static inline void expireAs(State *state, bool owner, int64_t now_ns)
{
    timerHeapExpire(&state->manager.timers, now_ns, owner, NULL);
}

/* ---- what must hold ------------------------------------------------------------------------ */

static inline void finish(State *state)
{
    TimerHeap *heap = &state->manager.timers;
    expireAs(state, true, END_NS);
    MODEL_CHECK(timerHeapEarliest(heap) == DEADLINE_NEVER && timerHeapSane(heap));
    MODEL_CHECK(state->manager.timeouts.inbox == NULL);
    MODEL_CHECK(timeoutPoolFree(&state->manager.timeouts.pool) == RECORDS);
    MODEL_CHECK(state->manager.timeouts.dead == 0);
}

static inline bool isOnce(const Note *note)
{
    return note->fired + note->at_end + note->stopped == 1;
}

static inline void checkFirst(void *at)
{
    State *state = at;
    finish(state);
    MODEL_CHECK(isOnce(&state->notes[0]));
}

static inline void checkTwo(void *at)
{
    State *state = at;
    checkFirst(state);
    MODEL_CHECK(isOnce(&state->notes[1]));
}

static inline void checkUpdated(void *at)
{
    State *state = at;
    Note *note = &state->notes[0];
    finish(state);
    MODEL_CHECK(isOnce(note));
    MODEL_CHECK(note->updated == 0 || note->fired == 0);
    MODEL_CHECK(note->updated == 1 || note->at_end == 0);
}

static inline int stageMain(int argc, char **argv, const Model *models, int count)
{
    ownerGateStart();
    if (timerHeapInit(&empty, NULL) != 0)
        return 2;
    return modelMain(argc, argv, models, count);
}

#endif
