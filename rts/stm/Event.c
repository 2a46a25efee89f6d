/* Event.c -- what a transaction waits for beside variables.
 *
 * Owns    Events: type-stable, because a firer may hold a node of one.
 * Before  iomgr/FdSlot.c, rts/Thread.c: it happens.   After  rts/stm/TVar.c: the write.
 * Tests   testsuite/unit/EventTest.c, testsuite/model/EventModel.c (every interleaving),
 *         testsuite/unit/TaskSTMTest.c, testsuite/stress/SelectStorm.c
 *
 * See Note [Events in transactions].
 */
#include "rts/stm/Event.h"

#include "capability/FdHome.h"
#include "internal/Turn.h"
#include "rts/Pool.h"
#include "rts/Schedule.h"

static Pool events;
static uint32_t awaited; /* relaxed: see eventIsAwaited */

void eventStart(const Allocator *allocator)
{
    RELAXED_STORE(&awaited, 0);
    poolOpen(&events, allocator, sizeof(Event), offsetof(Event, tvar.link));
}

void eventEnd(void)
{
    poolClose(&events);
}

void eventLockAll(void)
{
    poolLock(&events);
}

void eventUnlockAll(void)
{
    poolUnlock(&events);
}

/* Whoever had one is lost. */
static void surviveItem(void *item)
{
    Event *event = item;
    tvarSurviveOne(&event->tvar);
    RELAXED_STORE(&event->node.linked, 0);
    RELAXED_STORE(&event->kind, (uint16_t)EventNone);
    poolGive(&events, event);
}

void eventSurvive(void)
{
    poolSurvive(&events);
    events.free = NULL;
    poolEach(&events, surviveItem);
    RELAXED_STORE(&awaited, 0);
}

bool eventIsAwaited(void)
{
    return RELAXED_LOAD(&awaited) != 0;
}

static uint32_t living; /* eventLiving's */

static void countItem(void *item)
{
    living += ((Event *)item)->kind != EventNone;
}

uint32_t eventLiving(void)
{
    living = 0;
    poolEach(&events, countItem);
    return living;
}

/* ---- a transaction's ---- */

static uint32_t bucketOf(int fd, const void *subject)
{
    uint64_t hash = ((uintptr_t)subject ^ (uint32_t)fd) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(hash >> 32) % EVENT_BUCKETS;
}

Event *eventFind(const Transaction *tx, EventKind kind, int fd, const void *subject)
{
    if (!tx->eventful)
        return NULL;
    Event *event = tx->events[bucketOf(fd, subject)];
    while (event != NULL && (event->kind != kind || event->fd != fd ||
                             (kind == EventOfEnd && event->subject != subject)))
        event = event->next;
    return event;
}

Event *eventNew(Transaction *tx, EventKind kind, int fd, void *subject)
{
    Event *event = poolTake(&events);
    if (event == NULL)
        return NULL;
    if (!tx->eventful) {
        for (int i = 0; i < EVENT_BUCKETS; i++)
            tx->events[i] = NULL;
        tx->eventful = true;
    }
    tvarReset(&event->tvar, NULL, TVarEvent);
    RELEASE_STORE(&event->kind, (uint16_t)kind); /* See Note [What a transaction waits for] */
    RELEASE_STORE(&event->fd, fd);               /* likewise */
    RELEASE_STORE(&event->subject, subject);     /* likewise */
    event->home = 0;
    event->published = false;
    event->awaited = kind != EventOfEnd && tx->here != NULL;
    if (event->awaited)
        ADD_RELAXED(&awaited, 1);
    Event **bucket = &tx->events[bucketOf(fd, subject)];
    event->next = *bucket;
    *bucket = event;
    return event;
}

static void eventFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    Event *event = (Event *)(void *)((char *)node - offsetof(Event, node));
    (void)number;
    /* Told to look again, it does so as if it had happened: readiness is a hint. */
    tvarPut(&event->tvar, result < 0 ? (void *)(intptr_t)result : EVENT_HAPPENED, sink);
    RELEASE_STORE(&event->held, 0); /* from here it may be another's */
}

void eventArm(Event *event)
{
    event->published = true;
    RELAXED_STORE(&event->held, 1);
    RELAXED_STORE(&event->node.fire, eventFired);
    RELAXED_STORE(&event->node.number, 0);
}

void eventDisarm(Event *event)
{
    event->published = false;
    RELAXED_STORE(&event->held, 0);
}

void eventSet(Event *event, int result)
{
    ASSERT(!event->published);
    RELAXED_STORE(&event->tvar.value, result < 0 ? (void *)(intptr_t)result : EVENT_HAPPENED);
}

/* Out of its list; nobody touches it any more. */
static void unpublish(Event *event, Capability *here)
{
    int spins = 0;
    bool found = false;
    if (!event->published)
        return;
    event->published = false;
    if (RELAXED_LOAD(&event->node.linked) != 0 && event->kind == EventOfEnd)
        found = watchListRemove(&((Thread *)event->subject)->ended, 0, &event->node, here);
    else if (RELAXED_LOAD(&event->node.linked) != 0)
        found =
            eventManagerForget(fdHomeManager(event->home), event->fd,
                               event->kind == EventOfRead ? FdRead : FdWrite, &event->node, here);
    while (!found && ACQUIRE_LOAD(&event->held) != 0)
        turnWait(&spins);
}

void eventTakeBack(Event *event)
{
    unpublish(event, scheduleHere());
    RELAXED_STORE(&event->tvar.value, NULL); /* nobody has read it yet, whatever its version is */
}

static void giveEvent(Event *event, Capability *here)
{
    unpublish(event, here);
    if (event->awaited)
        ADD_RELAXED(&awaited, (uint32_t)-1);
    RELEASE_STORE(&event->kind, (uint16_t)EventNone); /* See Note [What a transaction waits for] */
    /* Who still thinks that somebody waits there (See Note [Listed waits]) is out of it by then. */
    WatchNode *watchers = watchListClose(&event->tvar.watchers, 1);
    ASSERT(watchers == NULL);
    (void)watchers;
    poolGive(&events, event);
}

Event *eventDetach(Transaction *tx)
{
    Event *list = NULL;
    for (int i = 0; tx->eventful && i < EVENT_BUCKETS; i++) {
        for (Event *event = tx->events[i], *next; event != NULL; event = next) {
            next = event->next;
            event->next = list;
            list = event;
        }
    }
    tx->eventful = false;
    return list;
}

void eventAttach(Transaction *tx, Event *list)
{
    for (int i = 0; i < EVENT_BUCKETS; i++)
        tx->events[i] = NULL;
    tx->eventful = list != NULL;
    for (Event *event = list, *next; event != NULL; event = next) {
        const void *subject = event->kind == EventOfEnd ? event->subject : NULL;
        Event **bucket = &tx->events[bucketOf(event->fd, subject)];
        next = event->next;
        event->next = *bucket;
        *bucket = event;
    }
}

void eventForget(Event *list, Capability *here)
{
    for (Event *event = list, *next; event != NULL; event = next) {
        next = event->next;
        giveEvent(event, here);
    }
}

void eventRelease(Transaction *tx)
{
    Capability *here = scheduleHere();
    for (int i = 0; i < EVENT_BUCKETS; i++) {
        for (Event *event = tx->events[i], *next; event != NULL; event = next) {
            next = event->next;
            giveEvent(event, here);
        }
    }
    tx->eventful = false;
}
