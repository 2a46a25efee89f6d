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

enum {
    RESCUE_BATCH = 32, /* on the rescuer's stack */
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
    result = wakeupOpen(&manager->wakeup);
    if (result < 0)
        goto free_timers;
    result = manager->backend->open(&manager->state, manager->wakeup.fd, allocator);
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
    manager->backend->close(manager->state);
    manager->state = NULL;
    wakeupClose(&manager->wakeup);
    timerHeapFree(&manager->timers);
    fdTableFree(&manager->table);
}

void eventManagerWake(EventManager *manager)
{
    wakeupSend(&manager->wakeup);
}

int eventManagerPollable(EventManager *manager)
{
    return manager->backend->pollable(manager->state);
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

static void dispatchRecord(EventManager *manager, const EventRecord *record, Batch *batch,
                           void *sink)
{
    const uint32_t both = EventHangUp | EventError;
    const uint32_t reading = EventRead | EventPeerClosed | EventUrgent | both;
    int fd = (int)(uint32_t)record->cookie;
    uint16_t generation = (uint16_t)(record->cookie >> 32);
    FdSlot *slot = fdTableFind(&manager->table, fd);
    uint32_t bits = stickyBits(record->events);
    batch->events++;
    if (slot == NULL || fdControlGeneration(SEQ_CST_LOAD(&slot->control)) != generation ||
        (bits != 0 && !fdSlotMark(slot, generation, bits))) {
        batch->stale++;
        return;
    }
    if (record->events & reading)
        batch->fired += fdSlotFire(slot, FdRead, generation, sink);
    if (record->events & (EventWrite | both))
        batch->fired += fdSlotFire(slot, FdWrite, generation, sink);
    /* Edge mode, and nobody about to change that: everything stays armed. */
    uint32_t control = SEQ_CST_LOAD(&slot->control) & (SLOT_EDGE | SLOT_CONTROL);
    if (control == SLOT_EDGE)
        return;
    /* See Note [One-shot in flux]: whoever holds CONTROL may be about to publish. */
    if ((control & SLOT_CONTROL) || watchListHasWatchers(&slot->waiters[FdRead]) ||
        watchListHasWatchers(&slot->waiters[FdWrite]))
        batch->fired += fdAwaitRearm(manager, slot, fd, generation, sink);
}

/* Many slots and waiters will be looked at, each a cache miss: let the misses overlap. */
static void fetchBatch(EventManager *manager, const EventRecord *records, int count)
{
    for (int i = 0; i < count; i++)
        __builtin_prefetch(fdTableFind(&manager->table, (int)(uint32_t)records[i].cookie));
    for (int i = 0; i < count; i++) {
        FdSlot *slot = fdTableFind(&manager->table, (int)(uint32_t)records[i].cookie);
        if (slot != NULL)
            watchListFetch(&slot->waiters[FdRead]);
    }
}

/* All of them, whoever polled: what is dropped here is lost, the kernel tells it once. */
static Batch dispatchBatch(EventManager *manager, const EventRecord *records, int count, void *sink)
{
    Batch batch = {0};
    if (count > 1)
        fetchBatch(manager, records, count);
    for (int i = 0; i < count; i++) {
        if (records[i].cookie == BACKEND_WAKE_COOKIE)
            batch.wake = true;
        else
            dispatchRecord(manager, &records[i], &batch, sink);
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
    int count = pollBackend(manager, timeout_ns, manager->records, EVENT_BATCH);
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
    return now_ns;
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
        return -1;
    int64_t rest_ns = until_ns - readNow(manager);
    if (rest_ns <= 0)
        return 0;
    return rest_ns > LONG_SLEEP_NS ? rest_ns - rest_ns / LONG_SLEEP_SHARE : rest_ns;
}

/* Owner, after a poll: what is due.  Reads the clock only if it may matter. */
static uint32_t expireOwn(EventManager *manager, int64_t timeout_ns, void *sink)
{
    TimerHeap *timers = &manager->timers;
    if (timeout_ns == 0 && RELAXED_LOAD(&timers->earliest_ns) == DEADLINE_NEVER)
        return 0;
    int64_t now_ns = readNow(manager);
    if (now_ns - manager->rebias_ns >= REBIAS_NS) {
        manager->rebias_ns = now_ns;
        ownerGateRebias(&timers->gate, &timers->seen_visits);
    }
    if (RELAXED_LOAD(&timers->earliest_ns) > now_ns)
        return 0;
    return timerHeapExpire(timers, now_ns, true, sink);
}

static bool isOver(const EventManager *manager, int64_t deadline_ns)
{
    return deadline_ns <= 0 ||
           (deadline_ns != DEADLINE_NEVER && RELAXED_LOAD(&manager->now_ns) >= deadline_ns);
}

/* ---- stepping ------------------------------------------------------------------------------ */

uint32_t eventManagerStep(EventManager *manager, int64_t deadline_ns, void *sink)
{
    uint32_t fired = 0;
    bool over = false, before = manager->stepping;
    manager->stepping = true;
    /* Again after a signal, after a timer that was disarmed meanwhile, after the 99.8 % of
     * a sleep. */
    while (!over) {
        int64_t timeout_ns = sleepTime(manager, deadline_ns);
        bool news = pollOwn(manager, timeout_ns, &fired, sink);
        fired += expireOwn(manager, timeout_ns, sink);
        over = news || fired > 0 || isOver(manager, deadline_ns);
    }
    manager->stepping = before;
    return fired;
}

uint32_t eventManagerStepOver(EventManager *manager, int64_t deadline_ns, const int *pollables,
                              int count, uint64_t *ready, void *sink)
{
    struct pollfd fds[MOST_POLLABLES + 1];
    uint32_t fired = 0;
    fds[0] = (struct pollfd){.fd = eventManagerPollable(manager), .events = POLLIN};
    *ready = 0;
    ASSERT_CMP(count, <=, MOST_POLLABLES);
    if (fds[0].fd < 0 || count == 0)
        return eventManagerStep(manager, deadline_ns, sink);
    for (int i = 0; i < count; i++)
        fds[i + 1] = (struct pollfd){.fd = pollables[i], .events = POLLIN};
    for (;;) {
        int64_t timeout_ns = sleepTime(manager, deadline_ns);
        struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                   .tv_nsec = (long)(timeout_ns % 1000000000)};
        int found = ppoll(fds, (nfds_t)count + 1, timeout_ns < 0 ? NULL : &timeout, NULL);
        bool news = found > 0 && fds[0].revents != 0 && pollOwn(manager, 0, &fired, sink);
        for (int i = 0; found > 0 && i < count; i++) {
            if (fds[i + 1].revents != 0)
                *ready |= UINT64_C(1) << i;
        }
        fired += expireOwn(manager, timeout_ns, sink);
        if (news || fired > 0 || *ready != 0 || isOver(manager, deadline_ns))
            return fired;
    }
}

uint32_t eventManagerRescue(EventManager *manager, void *sink)
{
    EventRecord records[RESCUE_BATCH];
    uint32_t expired = 0;
    int count = pollBackend(manager, 0, records, RESCUE_BATCH);
    Batch batch = dispatchBatch(manager, records, count, sink);
    if (RELAXED_LOAD(&manager->timers.earliest_ns) != DEADLINE_NEVER) {
        int64_t now_ns = clockRead(manager->clock);
        expired = timerHeapExpire(&manager->timers, now_ns, false, sink);
    }
    if (batch.events + expired != 0)
        ADD_RELAXED(&manager->stats.rescues, batch.events + expired);
    return batch.fired + expired;
}
