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
    int64_t delay_us; /* that it was registered with */
    uint32_t fired;   /* relaxed add, as those below: while the threads run, at DUE */
    uint32_t stopped; /* an unregisterTimeout said so */
    uint32_t over;    /* likewise, or an updateTimeout: it is over */
    uint32_t earlier; /* updates to before DUE that hold */
    uint32_t later;   /* updates to after DUE that hold */
    uint32_t at_due;  /* fired when all threads have ended, at DUE ... */
    uint32_t at_end;  /* ... or at END */
} Note;

typedef struct State {
    EventManager manager;
    int64_t now_ns; /* of who expires in the end */
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
    uint32_t *at_last = current->now_ns == DUE_NS ? &note->at_due : &note->at_end;
    MODEL_CHECK(ADD_RELAXED(modelThread() >= 0 ? &note->fired : at_last, 1) == 0);
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
    note->delay_us = delay_us;
    MODEL_CHECK(registerTimeout(&state->manager, delay_us, noteFired, note, &note->key) == 0);
}

static inline void stop(State *state, int which)
{
    Note *note = &state->notes[which];
    int result = unregisterTimeout(&state->manager, note->key);
    MODEL_CHECK(result == 0 || result == 1);
    ADD_RELAXED(result == 1 ? &note->stopped : &note->over, 1);
}

static inline void update(State *state, int which, int64_t delay_us)
{
    Note *note = &state->notes[which];
    int result = updateTimeout(&state->manager, note->key, delay_us);
    MODEL_CHECK(result == 0 || result == 1);
    uint32_t *holds = delay_us == EARLY_US ? &note->earlier : &note->later;
    ADD_RELAXED(result == 1 ? holds : &note->over, 1);
}

static inline void expireAs(State *state, bool owner, int64_t now_ns)
{
    timerHeapExpire(&state->manager.timers, now_ns, owner, NULL);
}

/* ---- what must hold ------------------------------------------------------------------------ */

static inline void finish(State *state)
{
    TimerHeap *heap = &state->manager.timers;
    state->now_ns = DUE_NS;
    expireAs(state, true, DUE_NS);
    state->now_ns = END_NS;
    expireAs(state, true, END_NS);
    MODEL_CHECK(timerHeapEarliest(heap) == DEADLINE_NEVER && timerHeapSane(heap));
    MODEL_CHECK(state->manager.timeouts.inbox == NULL);
    MODEL_CHECK(timeoutPoolFree(&state->manager.timeouts.pool) == RECORDS);
    MODEL_CHECK(state->manager.timeouts.dead == 0);
}

/* Fired once or stopped once; not fired after somebody was told that it is over; and fired by a
 * deadline that it had last: of updates that hold any may have been the last one. */
static inline void judge(const Note *note)
{
    bool was_early = note->delay_us == EARLY_US;
    bool early = note->earlier != 0 || (note->later == 0 && was_early);
    bool late = note->later != 0 || (note->earlier == 0 && !was_early);
    MODEL_CHECK(note->fired + note->at_due + note->at_end + note->stopped == 1);
    MODEL_CHECK(note->over == 0 || note->at_due + note->at_end == 0);
    MODEL_CHECK(note->fired + note->at_due == 0 || early);
    MODEL_CHECK(note->at_end == 0 || late);
}

static inline void checkNotes(void *at)
{
    State *state = at;
    finish(state);
    for (int i = 0; i < TIMEOUTS; i++) {
        if (state->notes[i].key.record != NULL)
            judge(&state->notes[i]);
    }
}

static inline int stageMain(int argc, char **argv, const Model *models, int count)
{
    ownerGateStart();
    if (timerHeapInit(&empty, NULL) != 0)
        return 2;
    return modelMain(argc, argv, models, count);
}

#endif
