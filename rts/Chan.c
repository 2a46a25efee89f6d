/* Chan.c -- an unbounded channel whose ends each see all that is written.
 *
 * Owns    Chan.last, peer; Stream.ends.
 * After   rts/WaitQueue.c: waiting and waking.
 * Tests   testsuite/unit/ChanTest.c, testsuite/unit/ForkChanTest.c, testsuite/stress/ChanStorm.c
 *
 * Note [Chan ends]
 *   Each end keeps an item of its own for each value it has not read, under its own lock; who waits
 *   there does so because there is none.  A writer holds the stream's lock while it goes from end
 *   to end (each locked in turn), so all of them have one order.  Items are allocated before, and
 *   given back after, without any lock: by the reader, who is handed the item itself.
 *   In a fork's child the ends are whole, and each of them has what was written, or none has.
 *   See Note [Held forks].
 */
#include "iomgr/Memory.h"
#include "rts/Fork.h"
#include "rts/Startup.h"
#include "rts/WaitQueue.h"

#include <capri/chan.h>
#include <errno.h>

typedef struct Item Item;
typedef struct Stream Stream;

struct Item {
    Item *next; /* in an end: circular; else a list of its owner */
    void *value;
};

struct Chan {
    WaitQueue queue;
    Item *last;     /* under the end's lock; last->next: the oldest; NULL: none */
    Chan *peer;     /* under the stream's lock: the next end */
    Stream *stream; /* constant */
};

struct Stream {
    WaitQueue queue; /* nobody waits here; state: how many ends */
    Chan *ends;      /* under its lock */
};

_Static_assert(sizeof(Chan) <= WAIT_QUEUE_BYTES, "the pool's items");

static Item *newItem(void)
{
    return memoryAllocate(startupAllocator(), sizeof(Item), sizeof(void *));
}

static void freeItem(Item *item)
{
    memoryRelease(startupAllocator(), item, sizeof *item, sizeof(void *));
}

static void freeItems(Item *first)
{
    while (first != NULL) {
        Item *next = first->next;
        freeItem(first);
        first = next;
    }
}

static void lockStream(Stream *stream, const Capability *here)
{
    forkHold(here);
    waitQueueLock(&stream->queue);
}

static void unlockStream(Stream *stream, const Capability *here)
{
    waitQueueUnlock(&stream->queue);
    forkLetGo(here);
}

/* One more end. */
static void join(Stream *stream, Chan *chan)
{
    WaitQueue *queue = &stream->queue;
    Capability *here = scheduleHere();
    chan->stream = stream;
    lockStream(stream, here);
    chan->peer = stream->ends;
    stream->ends = chan;
    RELAXED_STORE(&queue->state, RELAXED_LOAD(&queue->state) + 1);
    unlockStream(stream, here);
}

Chan *chanNew(void)
{
    Stream *stream = waitQueueNew();
    Chan *chan = stream == NULL ? NULL : waitQueueNew();
    if (chan != NULL)
        join(stream, chan);
    else
        waitQueueFree(stream == NULL ? NULL : &stream->queue);
    return chan;
}

Chan *chanDup(Chan *chan)
{
    Chan *twin = waitQueueNew();
    if (twin != NULL)
        join(chan->stream, twin);
    return twin;
}

/* Who was about to wait when the end is freed finds nothing there, or has its item already. */
static Item *takeAll(Chan *chan)
{
    waitQueueLock(&chan->queue);
    Item *last = chan->last, *first = last == NULL ? NULL : last->next;
    chan->last = NULL;
    RELAXED_STORE(&chan->queue.state, 0);
    waitQueueUnlock(&chan->queue);
    if (last != NULL)
        last->next = NULL;
    return first;
}

void chanFree(Chan *chan)
{
    if (chan == NULL)
        return;
    Stream *stream = chan->stream;
    Capability *here = scheduleHere();
    lockStream(stream, here);
    Chan **at = &stream->ends;
    while (*at != chan)
        at = &(*at)->peer;
    *at = chan->peer;
    uint32_t left = RELAXED_LOAD(&stream->queue.state) - 1;
    RELAXED_STORE(&stream->queue.state, left);
    unlockStream(stream, here);
    freeItems(takeAll(chan));
    waitQueueFree(&chan->queue);
    if (left == 0)
        waitQueueFree(&stream->queue);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Under the end's lock: to the first who waits, else to be read.  See Note [Chan ends]. */
static void deliver(Chan *chan, Item *item, Woken *woken)
{
    Waiter *waiter;
    while ((waiter = chan->queue.first) != NULL) {
        if (waitQueueServe(&chan->queue, waiter, 0, woken)) {
            waiter->value = item;
            return;
        }
    }
    if (chan->last == NULL) {
        item->next = item;
    } else {
        item->next = chan->last->next;
        chan->last->next = item;
    }
    chan->last = item;
    RELAXED_STORE(&chan->queue.state, 1); /* something is there */
}

/* As many items as there are ends, and the stream's lock.  NULL: out of memory, no lock. */
static Item *lockWithItems(Stream *stream, void *value, const Capability *here)
{
    Item *items = NULL;
    uint32_t count = 0;
    for (;;) {
        for (; count < RELAXED_LOAD(&stream->queue.state); count++) {
            Item *item = newItem();
            if (item == NULL) {
                freeItems(items);
                return NULL;
            }
            *item = (Item){.next = items, .value = value};
            items = item;
        }
        lockStream(stream, here);
        if (LIKELY(count >= RELAXED_LOAD(&stream->queue.state)))
            return items;
        unlockStream(stream, here);
    }
}

int chanWrite(Chan *chan, void *value)
{
    Woken woken = {NULL, NULL};
    Capability *here = scheduleHere();
    Stream *stream = chan->stream;
    Item *items = lockWithItems(stream, value, here);
    if (items == NULL)
        return -ENOMEM;
    for (Chan *end = stream->ends; end != NULL; end = end->peer) {
        Item *item = items;
        items = item->next;
        waitQueueLock(&end->queue);
        deliver(end, item, &woken);
        waitQueueUnlock(&end->queue);
    }
    unlockStream(stream, here);
    waitQueueWake(&woken, here);
    freeItems(items); /* an end was freed meanwhile */
    waitQueueSafepoint(here);
    return 0;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* value: receives the item. */
static int attemptRead(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    Chan *chan = (Chan *)(void *)queue;
    (void)woken;
    if (chan->last == NULL)
        return WAIT;
    Item *first = chan->last->next;
    if (first == chan->last) {
        chan->last = NULL;
        RELAXED_STORE(&queue->state, 0);
    } else {
        chan->last->next = first->next;
    }
    waiter->value = first;
    return 0;
}

static int takeItem(const Waiter *waiter, int result, void **value)
{
    if (result != 0)
        return result;
    Item *item = waiter->value;
    if (value != NULL)
        *value = item->value;
    freeItem(item);
    return 0;
}

int chanReadUntil(Chan *chan, void **value, int64_t deadline_ns)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &chan->queue, attemptRead, NULL, 0, NULL);
    if (RELAXED_LOAD(&chan->queue.state) == 0)
        return takeItem(&waiter, waitQueueAwait(&waiter, ThreadBlockedOnMVar, deadline_ns), value);
    int result = waitQueueDo(&waiter, ThreadBlockedOnMVar, deadline_ns);
    waitQueueSafepoint(scheduleHere());
    return takeItem(&waiter, result, value);
}

int chanRead(Chan *chan, void **value)
{
    return chanReadUntil(chan, value, DEADLINE_NEVER);
}

int chanTryRead(Chan *chan, void **value)
{
    Waiter waiter;
    waitQueueWaiter(&waiter, &chan->queue, attemptRead, NULL, 0, NULL);
    int result = RELAXED_LOAD(&chan->queue.state) == 0 ? WAIT : waitQueueTry(&waiter);
    waitQueueSafepoint(scheduleHere());
    return result == WAIT ? -EAGAIN : takeItem(&waiter, result, value);
}
