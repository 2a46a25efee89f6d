/* TimerManager.c -- the timeouts of one manager: what was posted is collected, what is due fired.
 *
 * Owns    TimerManager's fields, what a Timeout holds.
 * Before  iomgr/Timeout.c: any OS thread.
 * After   iomgr/TimerHeap.c, whose gate holders collect what was posted.
 * Tests   testsuite/unit/TimerManagerTest.c, testsuite/unit/TimeoutHomeTest.c,
 *         testsuite/unit/TimeoutThreadsTest.c, testsuite/unit/TimeoutRacesTest.c,
 *         testsuite/conformance/TimeoutConformance.c,
 *         testsuite/model/TimeoutModel.c, testsuite/model/TimeoutHomeModel.c
 *
 * See Note [Timeout word], Note [Timeout home], Note [Timeout words at home], Note [Timeout inbox]
 * and Note [Timeout sleep].
 */
#include "iomgr/TimerManager.h"

#include "internal/Turn.h"
#include "iomgr/EventManager.h"
#include "iomgr/Memory.h"

#define ARMED TIMEOUT_ARMED
#define QUEUED TIMEOUT_QUEUED
#define BUSY TIMEOUT_BUSY
#define NUMBER_SHIFT TIMEOUT_NUMBER_SHIFT
#define AWAKE INT64_MIN
#define STUCK_NS INT64_C(1000000) /* look again for memory */

enum { SWEEP_LEAST = 64 }; /* cancelled ones in the inbox before somebody takes them out */

/* ---- posting ------------------------------------------------------------------------------- */

static void pushRecord(TimerManager *timeouts, Timeout *record)
{
    Timeout *first = RELAXED_LOAD(&timeouts->inbox);
    do
        RELAXED_STORE(&record->next, first);
    while (!CAS_SEQ_CST(&timeouts->inbox, &first, record)); /* T1, T2 */
}

static void lowerPosted(TimerHeap *heap, int64_t deadline_ns)
{
    int64_t posted_ns = RELAXED_LOAD(&heap->posted_ns);
    while (deadline_ns < posted_ns && !CAS_RELAXED(&heap->posted_ns, &posted_ns, deadline_ns))
        continue;
}

static void wakeFor(EventManager *manager, int64_t deadline_ns)
{
    TimerManager *timeouts = &manager->timeouts;
    int64_t until_ns = SEQ_CST_LOAD(&timeouts->sleep_until_ns); /* T7 */
    while (deadline_ns < until_ns) {
        if (CAS_RELAXED(&timeouts->sleep_until_ns, &until_ns, AWAKE)) {
            eventManagerWake(manager);
            break;
        }
    }
}

/* Something of that deadline is in the inbox. */
void timerManagerTell(EventManager *manager, int64_t deadline_ns)
{
    lowerPosted(&manager->timers, deadline_ns);
    wakeFor(manager, deadline_ns);
}

/* Another updater may have found it QUEUED before it was pushed, and told of a deadline that was
 * nowhere yet.  If the record is another's by now that is a hint too many. */
void timerManagerPost(EventManager *manager, Timeout *record, int64_t deadline_ns)
{
    pushRecord(&manager->timeouts, record);
    int64_t latest_ns = SEQ_CST_LOAD(&record->deadline_ns); /* T13 */
    timerManagerTell(manager, latest_ns < deadline_ns ? latest_ns : deadline_ns);
}

void timerManagerSweep(EventManager *manager)
{
    TimerManager *timeouts = &manager->timeouts;
    Timeout *gone = NULL;
    uint32_t live = 0, dead = 0;
    spinLock(&timeouts->taking);
    Timeout *before = ACQUIRE_LOAD(&timeouts->inbox);
    Timeout *record = before == NULL ? NULL : RELAXED_LOAD(&before->next);
    while (record != NULL) {
        Timeout *next = RELAXED_LOAD(&record->next);
        if (ACQUIRE_LOAD(&record->word) & ARMED) { /* T2's deadline came before */
            before = record;
            live++;
        } else {
            RELAXED_STORE(&before->next, next);
            RELAXED_STORE(&record->next, gone);
            gone = record;
            dead++;
        }
        record = next;
    }
    RELAXED_STORE(&timeouts->sweep_at, live > SWEEP_LEAST ? live : SWEEP_LEAST);
    spinUnlock(&timeouts->taking);
    ADD_RELAXED(&timeouts->dead, 0 - dead);
    while (gone != NULL) {
        record = gone;
        gone = RELAXED_LOAD(&record->next);
        RELAXED_STORE(&record->word, RELAXED_LOAD(&record->word) & ~QUEUED);
        timeoutPoolGive(&timeouts->pool, record);
    }
}

/* ---- inside the gate ----------------------------------------------------------------------- */

/* Unless it has been changed meanwhile: then it is posted, or over. */
void timerManagerPostMoved(EventManager *manager, Timeout *record, uint64_t word,
                           int64_t deadline_ns)
{
    RELAXED_STORE(&manager->timeouts.stuck, true);
    if (!CAS_ACQUIRE(&record->word, &word, word | BUSY))
        return;
    RELAXED_STORE(&record->deadline_ns, deadline_ns);
    RELEASE_STORE(&record->word, word | QUEUED);
    pushRecord(&manager->timeouts, record);
    lowerPosted(&manager->timers, deadline_ns);
}

/* Unless it has been cancelled. */
void timerManagerPostAgain(EventManager *manager, Timeout *record, uint64_t word,
                           int64_t deadline_ns)
{
    RELAXED_STORE(&manager->timeouts.stuck, true);
    while (word & ARMED) { /* whoever sets QUEUED before us posts it */
        if ((word & QUEUED) != 0)
            return;
        if (CAS_RELAXED(&record->word, &word, word | QUEUED)) {
            pushRecord(&manager->timeouts, record);
            lowerPosted(&manager->timers, deadline_ns);
            return;
        }
    }
}

static void collectOne(EventManager *manager, Timeout *record)
{
    uint64_t word = AND_ACQ_REL(&record->word, ~QUEUED); /* T3 */
    if ((word & ARMED) == 0) {
        ADD_RELAXED(&manager->timeouts.dead, UINT32_MAX);
        timeoutPoolGive(&manager->timeouts.pool, record);
        return;
    }
    int64_t deadline_ns = RELAXED_LOAD(&record->deadline_ns);
    if (timerHeapPlace(&manager->timers, &record->timer, word >> NUMBER_SHIFT, deadline_ns) != 0)
        timerManagerPostAgain(manager, record, word & ~QUEUED, deadline_ns);
}

void timerManagerCollect(EventManager *manager)
{
    TimerManager *timeouts = &manager->timeouts;
    TimerHeap *heap = &manager->timers;
    bool home = eventManagerIsHome(manager);
    if (!home)
        timeoutWordShare(&timeouts->sharing);
    RELAXED_STORE(&timeouts->stuck, false);
    RELAXED_STORE(&heap->posted_ns, DEADLINE_NEVER);
    spinLock(&timeouts->taking);
    Timeout *record = XCHG_ACQ_REL(&timeouts->inbox, NULL); /* T4 */
    spinUnlock(&timeouts->taking);
    Timeout *oldest = NULL;
    while (record != NULL) {
        Timeout *next = RELAXED_LOAD(&record->next);
        RELAXED_STORE(&record->next, oldest);
        oldest = record;
        record = next;
    }
    while (oldest != NULL) {
        record = oldest;
        oldest = RELAXED_LOAD(&record->next); /* before it is given to anybody */
        collectOne(manager, record);
    }
    if (!home) { /* the owner may be lying down, by what it knew before */
        int64_t earliest_ns = RELAXED_LOAD(&heap->earliest_ns);
        SEQ_CST_STORE(&heap->earliest_ns, earliest_ns); /* T14 */
        wakeFor(manager, earliest_ns);
    }
}

/* The heap's `collect`. */
static void collectPosted(TimerHeap *heap)
{
    timerManagerCollect((EventManager *)(void *)((char *)heap - offsetof(EventManager, timers)));
}

/* TimerFire, outside the gate. */
static void fireTimeout(Timer *timer, uint64_t number, void *sink)
{
    Timeout *record = (Timeout *)(void *)((char *)timer - offsetof(Timeout, timer));
    EventManager *manager = record->manager;
    TimerManager *timeouts = &manager->timeouts;
    bool home = eventManagerIsHome(manager), done = false;
    uint64_t word = RELAXED_LOAD(&record->word); /* the gate has acquired the registration */
    int spins = 0;
    (void)sink;
    if (!home)
        timeoutWordShare(&timeouts->sharing);
    while (!done) {
        if (word >> NUMBER_SHIFT != number || (word & (ARMED | QUEUED)) != ARMED)
            return;
        if (word & BUSY) {
            turnWait(&spins);
            word = RELAXED_LOAD(&record->word);
        } else {
            done = home ? timeoutWordAtHome(&timeouts->sharing, &record->word, &word, word & ~ARMED)
                        : CAS_RELAXED(&record->word, &word, word & ~ARMED);
        }
    }
    TimeoutCallback *callback = record->callback;
    void *env = record->env;
    TimeoutKey key = timerManagerKey(timeouts, record, word);
    if (home)
        timeoutPoolGiveHome(&timeouts->pool, record);
    else
        timeoutPoolGive(&timeouts->pool, record);
    if (callback(manager, key, env) < 0)
        ADD_RELAXED(&timeouts->failed, 1);
}

/* ---- sleeping ------------------------------------------------------------------------------ */

int64_t timerManagerRest(EventManager *manager, int64_t until_ns, int64_t timeout_ns)
{
    TimerManager *timeouts = &manager->timeouts;
    SEQ_CST_STORE(&timeouts->sleep_until_ns, until_ns);                     /* T5 */
    if (LIKELY(SEQ_CST_LOAD(&timeouts->inbox) == NULL)) {                   /* T6 */
        if (LIKELY(SEQ_CST_LOAD(&manager->timers.earliest_ns) >= until_ns)) /* T15 */
            return timeout_ns;
        timerManagerRise(manager);
        return 0;
    }
    timerManagerRise(manager);
    RELAXED_STORE(&manager->timers.posted_ns, 0); /* its poster may not have come to it yet */
    return RELAXED_LOAD(&timeouts->stuck) ? STUCK_NS : 0;
}

void timerManagerRise(EventManager *manager)
{
    RELAXED_STORE(&manager->timeouts.sleep_until_ns, AWAKE);
}

/* ---- life cycle ------------------------------------------------------------------------------ */

void timerManagerGive(EventManager *manager, Timeout *records, uint32_t count)
{
    timeoutPoolAdd(&manager->timeouts.pool, records, count, manager, fireTimeout);
}

int timerManagerGrow(EventManager *manager)
{
    return timeoutPoolGrow(&manager->timeouts.pool, manager, manager->allocator, fireTimeout);
}

/* See Note [Timeout home]. */
void timerManagerSettle(EventManager *manager)
{
    TimerManager *timeouts = &manager->timeouts;
    uintptr_t self = osThreadSelf(), home = RELAXED_LOAD(&timeouts->home);
    int spins = 0;
    if (LIKELY(home == self))
        return;
    if (home == 0) {
        RELAXED_STORE(&timeouts->home, self);
        return;
    }
    while (!ownerGateVisit(&manager->timers.gate))
        turnWait(&spins);
    timeouts->moved = true;
    RELAXED_STORE(&timeouts->home, self);
    ownerGateVisitEnd(&manager->timers.gate);
}

void timerManagerOpen(EventManager *manager)
{
    TimerManager *timeouts = &manager->timeouts;
    memset(timeouts, 0, sizeof *timeouts);
    timeouts->taking = (SpinLock)SPIN_LOCK_INIT;
    timeouts->sleep_until_ns = AWAKE;
    timeouts->sweep_at = SWEEP_LEAST;
    timeouts->sharing.words = ownerGateAsymmetric() ? TIMEOUT_WORDS_HOME : TIMEOUT_WORDS_SHARED;
    timeouts->epoch = (uint64_t)RELAXED_LOAD(&event_manager_process) << TIMEOUT_EPOCH_SHIFT;
    timeoutPoolOpen(&timeouts->pool);
    manager->timers.collect = collectPosted;
}

void timerManagerClose(EventManager *manager)
{
    timeoutPoolClose(&manager->timeouts.pool, manager->allocator);
}
