/* Block.c -- a transaction that retries waits until something it has read is written.
 *
 * Owns    the nodes of a blocked transaction.
 * Before  rts/stm/STM.c: a retry reached the top.   After  rts/Park.c, rts/Outside.c: the wait.
 * Tests   testsuite/unit/BlockTest.c, testsuite/model/BlockModel.c (every interleaving),
 *         testsuite/model/TaskSTMModel.c (likewise)
 *
 * See Note [Blocked transactions].
 */
#include "rts/stm/Block.h"

#include "internal/Turn.h"
#include "iomgr/Memory.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Startup.h"
#include "rts/stm/Event.h"

#include <errno.h>

enum { WATCHES_HERE = 8 };

typedef struct Watch {
    WatchNode node;
    TVar *tvar;
    Thread *thread; /* NULL: a plain OS thread, with `claim` */
    Claim *claim;
    uint32_t held; /* See Note [Blocked transactions] */
} Watch;

/* All nodes of one wait. */
typedef struct Watches {
    Watch *items;
    uint32_t count, room;
} Watches;

static void watchFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    Watch *watch = (Watch *)(void *)node;
    Thread *thread = watch->thread;
    Claim *claim = watch->claim;
    /* Of a freed variable the waiter hears now: in its memory there may be another one soon. */
    ClaimOutcome outcome = claimTry(claim, number, result);
    RELEASE_STORE(&watch->held, 0); /* from here the watch may be gone */
    if (thread == NULL && outcome != ClaimLost)
        outsideWake(claim);
    else if (outcome == ClaimWonParked)
        scheduleReady(thread, sink);
}

bool blockIsOver(const Transaction *tx)
{
    for (uint32_t i = 0; i < tx->log.count; i++) {
        const LogEntry *entry = &tx->log.entries[i];
        if ((entry->flags & LOG_READ) != 0 && RELAXED_LOAD(&entry->tvar->version) != entry->version)
            return true;
    }
    return false;
}

/* Put a node into the list of everything that was read.  0: all are there, nothing was written; 1:
 * something was; -EINVAL: freed. */
static int watchAll(Watches *watches, const Transaction *tx, Thread *thread, Claim *claim)
{
    uint64_t number = claimNumber(RELAXED_LOAD(claim));
    for (uint32_t i = 0; i < tx->log.count; i++) {
        const LogEntry *entry = &tx->log.entries[i];
        if ((entry->flags & LOG_READ) == 0)
            continue;
        Watch *watch = &watches->items[watches->count];
        watch->tvar = entry->tvar;
        watch->thread = thread;
        watch->claim = claim;
        RELAXED_STORE(&watch->held, 1);
        RELAXED_STORE(&watch->node.fire, watchFired);
        RELAXED_STORE(&watch->node.number, number);
        if (!watchListAdd(&entry->tvar->watchers, 0, &watch->node))
            return -EINVAL;
        watches->count++;
        if (RELAXED_LOAD(&entry->tvar->version) != entry->version)
            return 1;
    }
    return 0;
}

static void unwatchAll(Watches *watches, Capability *here)
{
    for (uint32_t i = 0; i < watches->count; i++) {
        Watch *watch = &watches->items[i];
        int spins = 0;
        if (RELAXED_LOAD(&watch->node.linked) != 0 &&
            watchListRemove(&watch->tvar->watchers, 0, &watch->node, here))
            continue;
        while (ACQUIRE_LOAD(&watch->held) != 0)
            turnWait(&spins);
    }
    watches->count = 0;
}

/* See Note [What a transaction waits for]. */
static const void *linkAbout(const Transaction *tx)
{
    const Log *log = &tx->log;
    uintptr_t about = 0;
    for (uint32_t i = 0; i < log->count && (about & BLOCK_MORE) == 0; i++) {
        const LogEntry *entry = &log->entries[i];
        if ((entry->flags & LOG_READ) != 0 && RELAXED_LOAD(&entry->tvar->kind) != TVarEvent)
            about = about == 0 ? (uintptr_t)entry->tvar : about | BLOCK_MORE;
    }
    for (uint32_t i = tx->eventful ? log->count : 0; i > 0; i--) { /* the first read comes first */
        const LogEntry *entry = &log->entries[i - 1];
        if ((entry->flags & LOG_READ) == 0 || RELAXED_LOAD(&entry->tvar->kind) != TVarEvent)
            continue;
        RELEASE_STORE(&entry->tvar->link, (void *)about);
        about = (uintptr_t)entry->tvar;
    }
    return about == 0 ? NULL : (const void *)(about + offsetof(TVar, watchers));
}

static int blockThread(Watches *watches, const Transaction *tx, Thread *self, int64_t deadline_ns)
{
    parkBegin(self);
    threadSetAbout(self, linkAbout(tx));
    int result = watchAll(watches, tx, self, &self->claim);
    if (result != 0) {
        int claimed = parkAbandon(self);
        unwatchAll(watches, scheduleHere());
        return claimed != 0 ? claimed : result < 0 ? result : 0;
    }
    result = parkUntil(self, ThreadBlockedOnTVar, -1, deadline_ns);
    unwatchAll(watches, scheduleHere());
    return result;
}

static int blockOutside(Watches *watches, const Transaction *tx, int64_t deadline_ns)
{
    int result;
    Outsider *outsider = outsideBegin(&result);
    if (outsider == NULL)
        return result;
    Claim *claim = outsideClaim(outsider);
    result = watchAll(watches, tx, NULL, claim);
    if (result != 0)
        claimTry(claim, claimNumber(RELAXED_LOAD(claim)), result < 0 ? result : 0);
    result = outsidePark(outsider, deadline_ns);
    unwatchAll(watches, NULL);
    outsideDone(outsider);
    return result;
}

/* ---- without a stack: See Note [Detached transactions] ---- */

typedef struct Detached {
    BlockWatches head; /* first */
    Watches watches;   /* items follow, then head.made Effects */
} CACHE_ALIGNED Detached;

_Static_assert(sizeof(Detached) == 64 && sizeof(Watch) == 64, "capri/task.h says what it costs");

void blockForgetLost(BlockWatches *watches)
{
    memoryRelease(startupAllocator(), watches, watches->room, CACHE_LINE);
}

static Effect *madeBy(Detached *detached)
{
    return (Effect *)(void *)(detached->watches.items + detached->watches.room);
}

Event *blockForget(BlockWatches *watches, Capability *here)
{
    Detached *detached = (Detached *)(void *)watches;
    Event *events = watches->events;
    unwatchAll(&detached->watches, here);
    effectsForgetMoved(madeBy(detached), watches->made);
    blockForgetLost(watches);
    return events;
}

/* -EINPROGRESS: published, or claimed already; 0: written meanwhile; -E... */
static int blockTask(Transaction *tx, BlockArming *arming, int64_t until_ns)
{
    Thread *task = arming->task;
    size_t bytes =
        sizeof(Detached) + tx->log.count * sizeof(Watch) + tx->effects.count * sizeof(Effect);
    Detached *detached = memoryAllocate(startupAllocator(), bytes, CACHE_LINE);
    if (detached == NULL)
        return -ENOMEM;
    detached->head = (BlockWatches){arming->action,
                                    arming->status_action,
                                    arming->env,
                                    arming->deadline_ns,
                                    NULL,
                                    (uint32_t)bytes,
                                    0};
    detached->watches.items = (Watch *)(void *)(detached + 1);
    detached->watches.count = 0;
    detached->watches.room = tx->log.count;
    parkBegin(task);
    threadSetAbout(task, linkAbout(tx));
    int result = watchAll(&detached->watches, tx, task, &task->claim);
    if (result != 0) {
        parkAbandon(task);
        blockForget(&detached->head, scheduleHere());
        return result < 0 ? result : 0;
    }
    detached->head.events = eventDetach(tx);
    detached->head.made = tx->effects.count;
    effectsMove(&tx->effects, madeBy(detached));
    arming->watches = &detached->head;
    arming->until_ns = until_ns;
    task->node.next = (WatchNode *)(void *)detached;
    return -EINPROGRESS;
}

int blockUntilWritten(Transaction *tx, int64_t deadline_ns)
{
    Watches watches;
    Watch here[WATCHES_HERE];
    Thread *self = scheduleEnterSelf();
    const Log *log = &tx->log;
    if (self != NULL && UNLIKELY(threadIsTask(self)) && schedulerOf(scheduleHere())->arming != NULL)
        return blockTask(tx, schedulerOf(scheduleHere())->arming, deadline_ns);
    if (log->count == 1 && (log->entries->flags & LOG_READ) != 0) {
        linkAbout(tx);
        return tvarAwaitUntil(log->entries->tvar, log->entries->version, deadline_ns);
    }
    watches.items = here;
    watches.count = 0;
    watches.room = log->count;
    if (log->count > WATCHES_HERE) {
        watches.items =
            memoryAllocate(startupAllocator(), watches.room * sizeof(Watch), CACHE_LINE);
        if (watches.items == NULL)
            return -ENOMEM;
    }
    int result = self != NULL ? blockThread(&watches, tx, self, deadline_ns)
                              : blockOutside(&watches, tx, deadline_ns);
    if (watches.items != here)
        memoryRelease(startupAllocator(), watches.items, watches.room * sizeof(Watch), CACHE_LINE);
    return result;
}
