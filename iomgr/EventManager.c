/* EventManager.c -- one core's descriptors and deadlines: life cycle, poll, dispatch, expire.
 *
 * Owns    EventManager but for what its parts own.
 * Before  capability/: the scheduler's step, a rescuer, the guard.
 * After   iomgr/FdSlot.c, iomgr/TimerHeap.c.
 * Tests   testsuite/unit/EventManagerTest.c, testsuite/conformance/EventManagerConformance.c
 */
#include "iomgr/EventManager.h"

#include "iomgr/FdAwait.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

enum {
    RESCUE_BATCH = 32, /* on the rescuer's stack */
    FETCH_BATCH = 16,  /* slots looked up before the first of them is fired */
    MOST_POLLABLES = 64
};

#define REBIAS_NS INT64_C(1000000)
#define LONG_SLEEP_NS INT64_C(20000000)
#define LONG_SLEEP_SHARE 500 /* the kernel adds 0.1 % to a long sleep: sleep 0.2 % less, twice */

/* ---- life cycle ---------------------------------------------------------------------------- */

int eventManagerOpen(EventManager *manager, const Backend *backend, const Clock *clock,
                     const Allocator *allocator)
{
    memset(manager, 0, sizeof *manager);
    manager->backend = backend != NULL ? backend : backendByName(NULL);
    manager->clock = clock != NULL ? clock : &clockMonotonic;
    manager->allocator = allocator;
    manager->timer_fd = -1;
    manager->uniques = (uint64_t)RELAXED_LOAD(&event_manager_process) << TIMEOUT_EPOCH_SHIFT;
    if (manager->backend == NULL)
        return -ENOSYS; /* the environment names one that does not exist */
#ifdef CAPRI_ASSERTIONS
    const char *verify = getenv("CAPRI_VERIFY");
    if (verify != NULL && verify[0] == '1')
        RELAXED_STORE(&event_manager_verify, true);
#endif
    int result = fdTableInit(&manager->table, allocator);
    if (result < 0)
        return result;
    result = timerHeapInit(&manager->timers, allocator);
    if (result < 0)
        goto free_table;
    timerManagerOpen(manager);
    result = wakeupOpen(&manager->wakeup);
    if (result < 0)
        goto free_timers;
    result = backendOpen(&manager->backend, &manager->state, manager->wakeup.fd, allocator);
    if (result == 0)
        return 0;
    wakeupClose(&manager->wakeup);
free_timers:
    timerHeapFree(&manager->timers);
free_table:
    fdTableFree(&manager->table);
    return result;
}

void eventManagerClose(EventManager *manager)
{
    if (manager->timer_fd >= 0)
        close(manager->timer_fd);
    manager->backend->close(manager->state);
    manager->state = NULL;
    wakeupClose(&manager->wakeup);
    timerManagerClose(manager);
    timerHeapFree(&manager->timers);
    fdRegisterFree(manager);
    fdTableFree(&manager->table);
}

void eventManagerStats(EventManager *manager, EventManagerStats *stats)
{
    EventManagerStats *at = &manager->stats;
    *stats = (EventManagerStats){
        .polls = RELAXED_LOAD(&at->polls),
        .sleeps = RELAXED_LOAD(&at->sleeps),
        .events = RELAXED_LOAD(&at->events),
        .fired = RELAXED_LOAD(&at->fired),
        .rescues = RELAXED_LOAD(&at->rescues),
        .changes = RELAXED_LOAD(&at->changes),
        .wakeups = RELAXED_LOAD(&at->wakeups),
        .stale = RELAXED_LOAD(&at->stale),
        .visits = RELAXED_LOAD(&at->visits),
        .submitted = RELAXED_LOAD(&at->submitted),
        .failures = RELAXED_LOAD(&at->failures) + RELAXED_LOAD(&manager->timeouts.failed),
    };
}

int eventManagerSubmit(EventManager *manager, Submission *submission)
{
    if (manager->backend->submit == NULL)
        return -EOPNOTSUPP;
    ADD_RELAXED(&manager->fds, 1); /* busy owners poll, and others look after them */
    int result = manager->backend->submit(manager->state, submission);
    if (result == 0)
        ADD_RELAXED(&manager->stats.submitted, 1);
    else
        ADD_RELAXED(&manager->fds, UINT32_MAX); /* - 1 */
    return result;
}

void eventManagerFlush(EventManager *manager, int fd)
{
    if (manager->backend->flush != NULL)
        manager->backend->flush(manager->state, fd);
}

int eventManagerCancel(EventManager *manager, Submission *submission)
{
    return manager->backend->cancel(manager->state, submission);
}

void eventManagerWake(EventManager *manager)
{
    if (!eventManagerIsInherited(manager)) /* its eventfd is the parent's as well */
        wakeupSend(&manager->wakeup);
}

int eventManagerPollable(EventManager *manager)
{
    return manager->backend->pollable(manager->state);
}

uint64_t eventManagerCalls(EventManager *manager)
{
    const EventManagerStats *stats = &manager->stats;
    if (manager->backend->calls != NULL)
        return manager->backend->calls(manager->state);
    return RELAXED_LOAD(&stats->polls) + RELAXED_LOAD(&stats->visits) +
           RELAXED_LOAD(&stats->changes);
}

/* ---- dispatching --------------------------------------------------------------------------- */

/* What one batch came to. */
typedef struct Batch {
    uint32_t events, fired, stale;
    bool wake;
} Batch;

static uint32_t stickyBits(uint32_t events)
{
    return (events & EventPeerClosed ? SLOT_PEER_CLOSED : 0u) |
           (events & EventUrgent ? SLOT_URGENT : 0u) |
           (events & (EventHangUp | EventError) ? SLOT_SUSPECT : 0u);
}

static inline void dispatchRecord(EventManager *manager, FdSlot *slot, const EventRecord *record,
                                  Batch *batch, void *sink)
{
    const uint32_t both = EventHangUp | EventError, writing = EventWrite | both;
    const uint32_t reading = EventRead | EventPeerClosed | EventUrgent | both;
    int fd = (int)(uint32_t)record->cookie;
    uint16_t generation = (uint16_t)(record->cookie >> 32);
    uint32_t bits = stickyBits(record->events);
    uint32_t control = slot == NULL ? 0 : SEQ_CST_LOAD(&slot->control);
    batch->events++;
    if (slot != NULL && fdControlGeneration(control) == generation && (control & SLOT_LEVEL)) {
        /* Nobody waits here but callbacks; who begins to makes the kernel look again. */
        uint32_t called = fdRegisterDispatchLevel(manager, slot, control, record->events);
        if (UNLIKELY(called == FD_REGISTER_SLOW))
            called = fdRegisterDispatch(manager, slot, fd, generation, record->events, sink);
        batch->fired += called;
        return;
    }
    if (slot == NULL || fdControlGeneration(control) != generation ||
        (bits != 0 && !fdSlotMark(slot, generation, bits))) {
        batch->stale++;
        return;
    }
    if (UNLIKELY((record->events & EventGone) != 0)) {
        batch->fired += fdAwaitGone(manager, slot, generation, sink);
        return;
    }
    bool reads = (record->events & reading) != 0, writes = (record->events & writing) != 0;
    if (reads && writes)
        batch->fired += fdSlotFireBoth(slot, generation, sink);
    else if (reads || writes)
        batch->fired += fdSlotFire(slot, reads ? FdRead : FdWrite, generation, sink);
    /* Edge mode, and nobody about to change that: everything stays armed. */
    control = SEQ_CST_LOAD(&slot->control) & (SLOT_EDGE | SLOT_CONTROL | SLOT_REGISTERED);
    if (control == SLOT_EDGE)
        return;
    /* See Note [One-shot in flux]: whoever holds CONTROL may be about to publish. */
    if ((control & (SLOT_CONTROL | SLOT_REGISTERED)) ||
        watchListHasWatchers(&slot->waiters[FdRead]) ||
        watchListHasWatchers(&slot->waiters[FdWrite]))
        batch->fired += fdRegisterDispatch(manager, slot, fd, generation, record->events, sink);
}

/* The wakeup, the timerfd (timers are expired anyway), or a call the kernel has made. */
static void dispatchOther(EventManager *manager, const EventRecord *record, Batch *batch,
                          void *sink)
{
    if (record->cookie >= BACKEND_TIMER_COOKIE) {
        batch->wake |= record->cookie == BACKEND_WAKE_COOKIE;
        return;
    }
    Submission *submission = (Submission *)(uintptr_t)(record->cookie & ~BACKEND_SUBMISSION);
    batch->events++;
    batch->fired++;
    ADD_RELAXED(&manager->fds, UINT32_MAX); /* - 1 */
    submission->done(submission, sink);
}

/* Many slots and waiters will be looked at, each a cache miss: let the misses overlap. */
static void dispatchSome(EventManager *manager, const EventRecord *records, int count, Batch *batch,
                         void *sink)
{
    FdSlot *slots[FETCH_BATCH];
    for (int i = 0; i < count; i++) {
        slots[i] = fdTableFind(&manager->table, (int)(uint32_t)records[i].cookie);
        __builtin_prefetch(slots[i]);
    }
    /* Callbacks touch what is not reached over the slot. */
    for (int i = 0; count > 1 && !manager->exclusive && i < count; i++) {
        if (LIKELY(slots[i] != NULL))
            watchListFetch(&slots[i]->waiters[FdRead]);
    }
    for (int i = 0; i < count; i++) {
        if (UNLIKELY(records[i].cookie >= BACKEND_SUBMISSION))
            dispatchOther(manager, &records[i], batch, sink);
        else
            dispatchRecord(manager, slots[i], &records[i], batch, sink);
    }
}

/* All of them, whoever polled: what is dropped here is lost, the kernel tells it once. */
static Batch dispatchBatch(EventManager *manager, const EventRecord *records, int count, void *sink)
{
    Batch batch = {0};
    for (int done = 0; done < count; done += FETCH_BATCH) {
        int some = count - done < FETCH_BATCH ? count - done : FETCH_BATCH;
        dispatchSome(manager, records + done, some, &batch, sink);
    }
    if (batch.events != 0)
        ADD_RELAXED(&manager->stats.events, batch.events);
    if (batch.fired != 0)
        ADD_RELAXED(&manager->stats.fired, batch.fired);
    if (batch.stale != 0)
        ADD_RELAXED(&manager->stats.stale, batch.stale);
    return batch;
}

static int pollBackend(EventManager *manager, int64_t timeout_ns, EventRecord *records, int most)
{
    int count = manager->backend->poll(manager->state, timeout_ns, records, most);
    if (count >= 0)
        return count;
    if (count != -ENOMEM) /* of the moment: the next step tries again */
        barf("%s: cannot poll: error %d", manager->backend->name, -count);
    return 0;
}

/* Owner: one poll.  Returns whether anything came, be it a wakeup. */
static bool pollOwn(EventManager *manager, int64_t timeout_ns, uint32_t *fired, void *sink)
{
    EventManagerStats *stats = &manager->stats;
    if (timeout_ns != 0)
        restBegin(&manager->rest);
    int count = pollBackend(manager, timeout_ns, manager->records, EVENT_BATCH);
    manager->now_fresh = false;
    if (timeout_ns != 0)
        restEnd(&manager->rest);
    RELAXED_STORE(&manager->poll_count, RELAXED_LOAD(&manager->poll_count) + 1);
    RELAXED_STORE(&stats->polls, RELAXED_LOAD(&stats->polls) + 1);
    if (timeout_ns != 0)
        RELAXED_STORE(&stats->sleeps, RELAXED_LOAD(&stats->sleeps) + 1);
    if (count == 0)
        return false;
    Batch batch = dispatchBatch(manager, manager->records, count, sink);
    if (batch.wake) {
        wakeupDrain(&manager->wakeup);
        RELAXED_STORE(&stats->wakeups, RELAXED_LOAD(&stats->wakeups) + 1);
    }
    *fired += batch.fired;
    return true;
}

/* ---- time ---------------------------------------------------------------------------------- */

static int64_t readNow(EventManager *manager)
{
    int64_t now_ns = clockRead(manager->clock);
    RELAXED_STORE(&manager->now_ns, now_ns);
    manager->now_fresh = true;
    return now_ns;
}

int64_t eventManagerNow(EventManager *manager)
{
    if (!eventManagerIsHome(manager))
        return clockRead(manager->clock);
    return manager->now_fresh ? RELAXED_LOAD(&manager->now_ns) : readNow(manager);
}

/* How long to sleep: 0 not at all, -1 for ever. */
static int64_t sleepTime(EventManager *manager, int64_t deadline_ns)
{
    if (deadline_ns <= 0)
        return 0;
    int64_t until_ns = timerHeapEarliest(&manager->timers);
    if (deadline_ns < until_ns)
        until_ns = deadline_ns;
    if (until_ns == DEADLINE_NEVER)
        return timerManagerRest(manager, until_ns, -1);
    int64_t rest_ns = until_ns - readNow(manager);
    if (rest_ns <= 0)
        return 0;
    if (rest_ns > LONG_SLEEP_NS)
        rest_ns -= rest_ns / LONG_SLEEP_SHARE;
    return timerManagerRest(manager, until_ns, rest_ns);
}

/* Owner, after a poll: what is due.  Reads the clock only if it may matter. */
static uint32_t expireOwn(EventManager *manager, int64_t timeout_ns, void *sink)
{
    TimerHeap *timers = &manager->timers;
    if (timeout_ns != 0)
        timerManagerRise(manager);
    else if (timerHeapDue(timers) == DEADLINE_NEVER)
        return 0;
    int64_t now_ns = readNow(manager);
    if (now_ns - manager->rebias_ns >= REBIAS_NS && !manager->timeouts.moved) {
        manager->rebias_ns = now_ns;
        ownerGateRebias(&timers->gate, &timers->seen_visits);
    }
    if (timerHeapDue(timers) > now_ns)
        return 0;
    return timerHeapExpire(timers, now_ns, true, sink);
}

static bool isOver(const EventManager *manager, int64_t deadline_ns)
{
    return deadline_ns <= 0 ||
           (deadline_ns != DEADLINE_NEVER && RELAXED_LOAD(&manager->now_ns) >= deadline_ns);
}

/* ---- stepping ------------------------------------------------------------------------------ */

uint32_t eventManagerPoll(EventManager *manager, int64_t deadline_ns, void *sink)
{
    uint32_t fired = 0;
    bool over = false, before = manager->polling;
    manager->polling = true;
    /* Again after a signal, after a timer that was disarmed meanwhile, after the 99.8 % of
     * a sleep. */
    while (!over) {
        int64_t timeout_ns = sleepTime(manager, deadline_ns);
        bool news = pollOwn(manager, timeout_ns, &fired, sink);
        fired += expireOwn(manager, timeout_ns, sink);
        over = news || fired > 0 || isOver(manager, deadline_ns);
    }
    manager->polling = before;
    return fired;
}

void eventManagerDoze(EventManager *manager, bool asleep)
{
    if (manager->backend->doze != NULL)
        manager->backend->doze(manager->state, asleep);
}

uint32_t eventManagerPollOver(EventManager *manager, int64_t deadline_ns, const int *pollables,
                              int count, uint64_t *ready, void *sink)
{
    struct pollfd fds[MOST_POLLABLES + 1];
    uint32_t fired = 0;
    bool before = manager->polling;
    fds[0] = (struct pollfd){.fd = eventManagerPollable(manager), .events = POLLIN};
    *ready = 0;
    ASSERT_CMP(count, <=, MOST_POLLABLES);
    if (fds[0].fd < 0 || count == 0)
        return eventManagerPoll(manager, deadline_ns, sink);
    for (int i = 0; i < count; i++)
        fds[i + 1] = (struct pollfd){.fd = pollables[i], .events = POLLIN};
    for (;;) {
        int64_t timeout_ns = sleepTime(manager, deadline_ns);
        struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                   .tv_nsec = (long)(timeout_ns % 1000000000)};
        eventManagerDoze(manager, true);
        restBegin(&manager->rest);
        int found = ppoll(fds, (nfds_t)count + 1, timeout_ns < 0 ? NULL : &timeout, NULL);
        restEnd(&manager->rest);
        manager->now_fresh = false;
        eventManagerDoze(manager, false);
        manager->polling = true;
        bool news = found > 0 && fds[0].revents != 0 && pollOwn(manager, 0, &fired, sink);
        for (int i = 0; found > 0 && i < count; i++) {
            if (fds[i + 1].revents != 0)
                *ready |= UINT64_C(1) << i;
        }
        fired += expireOwn(manager, timeout_ns, sink);
        manager->polling = before;
        if (news || fired > 0 || *ready != 0 || isOver(manager, deadline_ns))
            return fired;
    }
}

uint32_t eventManagerRescue(EventManager *manager, void *sink)
{
    EventRecord records[RESCUE_BATCH];
    uint32_t expired = 0;
    int count = pollBackend(manager, 0, records, RESCUE_BATCH);
    ADD_RELAXED(&manager->stats.visits, 1);
    Batch batch = dispatchBatch(manager, records, count, sink);
    if (timerHeapDue(&manager->timers) != DEADLINE_NEVER) {
        int64_t now_ns = clockRead(manager->clock);
        expired = timerHeapExpire(&manager->timers, now_ns, false, sink);
    }
    if (batch.events + expired != 0)
        ADD_RELAXED(&manager->stats.rescues, batch.events + expired);
    return batch.fired + expired;
}
