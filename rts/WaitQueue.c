/* WaitQueue.c -- who waits for an MVar, a lock, a semaphore: a fair queue under a lock of its own.
 *
 * Owns    WaitQueue.first, last, life; Waiter.place, next, prev; of a task's what stands for them.
 * Before  rts/MVar.c and its like: what is waited for.
 * After   rts/Park.c: waiting.   rts/Schedule.c: who was served is ready.
 * Tests   testsuite/unit/WaitQueueTest.c, testsuite/unit/TaskQueueTest.c,
 *         testsuite/model/MVarModel.c, testsuite/model/TaskModel.c
 *
 * See Note [Waiters], Note [Waiters of tasks] and Note [Interruptible waits].
 */
#include "rts/WaitQueue.h"

#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Pool.h"
#include "rts/Startup.h"

#include <errno.h>
#include <string.h>

static Pool objects;

void waitQueueStart(const Allocator *allocator)
{
    poolOpen(&objects, allocator, WAIT_QUEUE_BYTES, offsetof(WaitQueue, link));
}

void waitQueueEnd(void)
{
    poolClose(&objects);
}

void waitQueueLockAll(void)
{
    poolLock(&objects);
}

void waitQueueUnlockAll(void)
{
    poolUnlock(&objects);
}

static void surviveItem(void *item)
{
    WaitQueue *queue = item;
    RELAXED_STORE(&queue->lock, 0);
    queue->first = queue->last = NULL;
}

void waitQueueSurvive(void)
{
    poolSurvive(&objects);
    poolEach(&objects, surviveItem);
}

/* Late sources may hold the lock of an earlier life: it is left as it is. */
void *waitQueueNew(void)
{
    bool outside = scheduleHere() == NULL;
    if (outside && startupEnter() != 0)
        return NULL;
    WaitQueue *queue = poolTake(&objects);
    if (queue != NULL) {
        RELAXED_STORE(&queue->state, 0);
        RELAXED_STORE(&queue->spare, 0);
        queue->first = queue->last = NULL;
        memset(queue + 1, 0, WAIT_QUEUE_BYTES - sizeof *queue);
    }
    if (outside)
        startupLeave();
    return queue;
}

void waitQueueFree(WaitQueue *queue)
{
    Woken woken = {NULL, NULL};
    if (queue == NULL)
        return;
    waitQueueLock(queue);
    RELAXED_STORE(&queue->life, RELAXED_LOAD(&queue->life) + 1);
    while (queue->first != NULL)
        waitQueueServe(queue, queue->first, -EINVAL, &woken);
    waitQueueFinish(queue, &woken, scheduleHere());
    poolGive(&objects, queue);
}

void waitQueueLockSlow(WaitQueue *queue)
{
    int spins = 0;
    do {
        while (RELAXED_LOAD(&queue->lock) != 0)
            turnWait(&spins);
    } while (XCHG_ACQUIRE(&queue->lock, 1) != 0);
}

static WaitQueue *queueOf(const Waiter *waiter)
{
    return waiterIsTask(waiter) ? (WaitQueue *)(uintptr_t)(waiter->number & ~WAIT_QUEUE)
                                : waiter->queue;
}

/* Under the lock, or by the server while it is Taken. */
static inline WaiterPlace placeOf(const Waiter *waiter)
{
    return (WaiterPlace)(waiterIsTask(waiter)
                             ? RELAXED_LOAD(&waiterTask(waiter)->wait.home) & WAITER_PLACE
                             : RELAXED_LOAD(&waiter->place));
}

static inline void setPlace(Waiter *waiter, WaiterPlace place)
{
    if (waiterIsTask(waiter)) {
        uint32_t *home = &waiterTask(waiter)->wait.home;
        RELAXED_STORE(home, (RELAXED_LOAD(home) & ~(uint32_t)WAITER_PLACE) | (uint32_t)place);
    } else {
        RELAXED_STORE(&waiter->place, (uint32_t)place);
    }
}

/* Q1. */
static inline void addWaiter(WaitQueue *queue, Waiter *waiter)
{
    waiter->next = NULL;
    waiter->prev = queue->last;
    if (queue->last == NULL)
        queue->first = waiter;
    else
        queue->last->next = waiter;
    queue->last = waiter;
}

static void addInFront(WaitQueue *queue, Waiter *waiter)
{
    waiter->prev = NULL;
    waiter->next = queue->first;
    if (queue->first == NULL)
        queue->last = waiter;
    else
        queue->first->prev = waiter;
    queue->first = waiter;
}

static void unlinkWaiter(WaitQueue *queue, Waiter *waiter)
{
    ASSERT_CMP(placeOf(waiter), ==, WaiterQueued);
    if (waiter->prev == NULL)
        queue->first = waiter->next;
    else
        waiter->prev->next = waiter->next;
    if (waiter->next == NULL)
        queue->last = waiter->prev;
    else
        waiter->next->prev = waiter->prev;
}

/* See Note [Waiters of tasks]. */
static bool winTask(Thread *task, int result)
{
    uint32_t *home = &task->wait.home;
    Claim claim = RELAXED_LOAD(&task->claim);
    ClaimOutcome outcome = ClaimWonParked;
    if (LIKELY(claimState(claim) == ClaimListed))
        claimSettle(&task->claim, result);
    else
        outcome = claimTry(&task->claim, claimNumber(claim), result);
    if (outcome == ClaimWonParked)
        RELAXED_STORE(home, RELAXED_LOAD(home) | WAITER_PARKED);
    return outcome != ClaimLost;
}

/* One that is not listed, or a task's. */
static bool winWaiter(Waiter *waiter, int result)
{
    if (waiterIsTask(waiter))
        return winTask(waiterTask(waiter), result);
    ClaimOutcome outcome = claimTry(waiter->claim, waiter->number >> 1, result);
    waiter->parked = outcome == ClaimWonParked;
    return outcome != ClaimLost;
}

bool waitQueueServe(WaitQueue *queue, Waiter *waiter, int result, Woken *woken)
{
    unlinkWaiter(queue, waiter);
    if (LIKELY(waiter->number == 0)) {
        claimSettle(&waiter->thread->claim, result);
    } else if (!winWaiter(waiter, result)) {
        setPlace(waiter, WaiterOwn); /* Q3 */
        return false;
    }
    setPlace(waiter, WaiterTaken); /* Q2 */
    waiter->next = NULL;
    if (woken->first == NULL)
        woken->first = waiter;
    else
        woken->last->next = waiter;
    woken->last = waiter;
    return true;
}

static void wakeTask(Thread *task, Capability *here)
{
    uint32_t home = RELAXED_LOAD(&task->wait.home);
    RELEASE_STORE(&task->wait.home, home & ~(uint32_t)WAITER_PLACE); /* Q5 */
    if ((home & WAITER_PARKED) != 0)
        scheduleReady(task, here);
}

static inline void wakeThread(Waiter *waiter, Capability *here)
{
    Thread *thread = waiter->thread;
    Claim *claim = waiter->claim;
    bool parked = waiter->parked;
    RELEASE_STORE(&waiter->place, WaiterOwn); /* Q5 */
    if (thread == NULL)
        outsideWake(claim);
    else if (parked)
        scheduleReady(thread, here);
}

void waitQueueWakeAll(Waiter *first, Capability *here)
{
    for (Waiter *at = first; at != NULL;) {
        Waiter *next = at->next;
        if (waiterIsTask(at))
            wakeTask(waiterTask(at), here);
        else
            wakeThread(at, here);
        at = next;
    }
}

/* With the lock: attempt, or join the queue. */
static ALWAYS_INLINE int attemptOrJoin(Waiter *waiter, Woken *woken)
{
    WaitQueue *queue = waiter->queue;
    if (UNLIKELY(RELAXED_LOAD(&queue->life) != waiter->life))
        return -EINVAL;
    int result = waiter->attempt(queue, waiter, woken);
    if (LIKELY(result == WAIT)) {
        addWaiter(queue, waiter);
        RELAXED_STORE(&waiter->place, WaiterQueued);
    } else if (result == WAIT_FRONT) {
        addInFront(queue, waiter);
        RELAXED_STORE(&waiter->place, WaiterQueued);
        return WAIT;
    }
    return result;
}

int waitQueueTry(Waiter *waiter)
{
    Woken woken = {NULL, NULL};
    waitQueueLock(waiter->queue);
    int result = waiter->attempt(waiter->queue, waiter, &woken);
    waitQueueFinish(waiter->queue, &woken, scheduleHere());
    return result;
}

static int beginWait(Waiter *waiter, Capability *here)
{
    Woken woken = {NULL, NULL};
    waitQueueLock(waiter->queue);
    int result = attemptOrJoin(waiter, &woken);
    waitQueueFinish(waiter->queue, &woken, here);
    return result;
}

bool waitQueuePublish(Thread *left)
{
    Woken woken = {NULL, NULL};
    Waiter *waiter = (Waiter *)(void *)RELAXED_LOAD(&left->node.next);
    WaitQueue *queue = waiter->queue;
    waitQueueLock(queue);
    int result = attemptOrJoin(waiter, &woken);
    if (result != WAIT)
        claimSettle(&left->claim, result);
    waitQueueUnlock(queue); /* from here, if it waits, the thread may run elsewhere */
    waitQueueWake(&woken, scheduleHere());
    if (result == WAIT)
        interruptMeet(left);
    return result == WAIT;
}

/* The claim is won, by whoever: take the waiter off if it is still there. */
static void leaveQueue(Waiter *waiter, WaitLeft *left, Capability *here)
{
    WaitQueue *queue = queueOf(waiter);
    Woken woken = {NULL, NULL};
    waitQueueLock(queue);
    if (placeOf(waiter) == WaiterQueued) {
        unlinkWaiter(queue, waiter);
        setPlace(waiter, WaiterOwn); /* Q4 */
        if (left != NULL)
            left(queue, &woken);
    }
    waitQueueFinish(queue, &woken, here);
}

static int endWait(Waiter *waiter, int result, Capability *here)
{
    int spins = 0;
    if (result != 0)
        leaveQueue(waiter, waiter->left, here);
    while (ACQUIRE_LOAD(&waiter->place) != WaiterOwn) /* Q5 */
        turnWait(&spins);
    return result;
}

static int awaitOutside(Waiter *waiter, int64_t deadline_ns)
{
    int result;
    Outsider *outsider = outsideBegin(&result);
    if (outsider == NULL)
        return result;
    waiter->claim = outsideClaim(outsider);
    waiter->number = claimNumber(RELAXED_LOAD(waiter->claim)) << 1;
    result = beginWait(waiter, NULL);
    if (result == WAIT)
        result = endWait(waiter, outsidePark(outsider, deadline_ns), NULL);
    outsideDone(outsider);
    return result;
}

static int beginTimed(Waiter *waiter, Thread *self, Capability *here)
{
    waiter->claim = &self->claim;
    waiter->number = parkBegin(self) << 1;
    threadSetAbout(self, waiter->queue);
    return beginWait(waiter, here);
}

static int awaitTimed(Thread *self, Waiter *waiter, ThreadState why, int64_t deadline_ns)
{
    int result = beginTimed(waiter, self, scheduleHere());
    if (result != WAIT) {
        parkAbandon(self);
        return result;
    }
    result = parkUntil(self, why, -1, deadline_ns);
    return endWait(waiter, result, scheduleHere());
}

static inline void beginListed(Waiter *waiter, Thread *self, ThreadState why)
{
    waiter->thread = self;
    waiter->number = 0;
    waiter->parked = true;
    RELAXED_STORE(&waiter->place, WaiterOwn);
    RELAXED_STORE(&self->node.next, (WatchNode *)(void *)waiter);
    RELAXED_STORE(&self->node.number, (uint64_t)(uintptr_t)waiter->queue | WAIT_QUEUE);
    claimList(&self->claim, threadIsDeaf(self));
    threadSetStatus(self, why, -1);
}

static ALWAYS_INLINE int awaitListed(Waiter *waiter, Thread *self, Capability *here,
                                     ThreadState why)
{
    ASSERT(!scheduleCalledBack(here));
    int refused = parkRefusal(self);
    if (UNLIKELY(refused != 0))
        return refused;
    beginListed(waiter, self, why);
    *scheduleWait(here) = (ListedWait){.list = (WatchList *)(uintptr_t)WAIT_QUEUE};
    return scheduleParkListed(here);
}

int waitQueueAwaitListed(Waiter *waiter, Thread *self, Capability *here, ThreadState why)
{
    waiter->life = RELAXED_LOAD(&waiter->queue->life);
    return awaitListed(waiter, self, here, why);
}

/* Q1. */
static ALWAYS_INLINE void joinQueue(WaitQueue *queue, Thread *task, const Waiter *asked, int told)
{
    if (LIKELY(told == WAIT))
        addWaiter(queue, waiterOfTask(task));
    else
        addInFront(queue, waiterOfTask(task));
    RELAXED_STORE(&task->wait.home, asked->kind << WAITER_KIND_SHIFT | WaiterQueued);
}

/* Its claim has begun: what is there for others, and the queue's name last. */
static ALWAYS_INLINE void becomeWaiter(Thread *task, const Waiter *asked, ThreadState why)
{
    RELAXED_STORE(&task->fn_or_result, RELAXED_LOAD(&asked->value));
    RELAXED_STORE(&task->wait.home, asked->kind << WAITER_KIND_SHIFT); /* Own */
    RELEASE_STORE(&task->node.number, (uint64_t)(uintptr_t)asked->queue | WAIT_QUEUE);
    threadSetStatus(task, why, -1);
}

static bool mustWait(int told)
{
    return LIKELY(told == WAIT) || told == WAIT_FRONT;
}

int waitQueueTaskBeginTimed(Waiter *asked, Thread *task, Capability *here, ThreadState why)
{
    WaitQueue *queue = asked->queue;
    Woken woken = {NULL, NULL};
    waitQueueLock(queue);
    int result = asked->attempt(queue, asked, &woken);
    if (mustWait(result)) {
        parkBegin(task);
        becomeWaiter(task, asked, why);
        joinQueue(queue, task, asked, result);
        result = WAIT;
    }
    waitQueueFinish(queue, &woken, here);
    return result;
}

/* Whoever must wait has woken nobody. */
int waitQueueTaskBegin(Waiter *asked, Thread *task, Capability *here, ThreadState why)
{
    WaitQueue *queue = asked->queue;
    Woken woken = {NULL, NULL};
    becomeWaiter(task, asked, why);
    claimList(&task->claim, threadIsDeaf(task));
    waitQueueLock(queue);
    int result = asked->attempt(queue, asked, &woken);
    if (UNLIKELY(!mustWait(result))) {
        claimSettle(&task->claim, 0);
        waitQueueFinish(queue, &woken, here);
        return result;
    }
    joinQueue(queue, task, asked, result);
    waitQueueUnlock(queue); /* from here it may run elsewhere */
    interruptMeet(task);
    return WAIT;
}

void waitQueueTaskEnd(Thread *task, int result, Capability *here)
{
    int spins = 0;
    if (result != 0)
        leaveQueue(waiterOfTask(task), NULL, here);
    while ((ACQUIRE_LOAD(&task->wait.home) & WAITER_PLACE) != WaiterOwn) /* Q5 */
        turnWait(&spins);
}

int waitQueueAwaitInLife(Waiter *waiter, ThreadState why, int64_t deadline_ns)
{
    Thread *self = scheduleEnterSelf();
    if (self != NULL && deadline_ns == DEADLINE_NEVER)
        return awaitListed(waiter, self, scheduleHere(), why);
    waiter->thread = self;
    RELAXED_STORE(&waiter->place, WaiterOwn);
    return self == NULL ? awaitOutside(waiter, deadline_ns)
                        : awaitTimed(self, waiter, why, deadline_ns);
}

int waitQueueDoInLife(Waiter *waiter, uint32_t life, ThreadState why, int64_t deadline_ns)
{
    WaitQueue *queue = waiter->queue;
    Woken woken = {NULL, NULL};
    int result = -EINVAL;
    waiter->life = life;
    waitQueueLock(queue);
    if (LIKELY(RELAXED_LOAD(&queue->life) == life))
        result = waiter->attempt(queue, waiter, &woken);
    waitQueueFinish(queue, &woken, scheduleHere());
    return result == WAIT ? waitQueueAwaitInLife(waiter, why, deadline_ns) : result;
}

bool waitQueueRetract(WaitQueue *queue, Thread *thread, Claim claim, int result, Woken *woken)
{
    Waiter *waiter = NULL;
    waitQueueLock(queue);
    if (RELAXED_LOAD(&thread->claim) == claim)
        waiter = threadIsTask(thread) ? waiterOfTask(thread)
                                      : (Waiter *)(void *)RELAXED_LOAD(&thread->node.next);
    bool found = waiter != NULL && placeOf(waiter) == WaiterQueued;
    if (found) {
        WaitLeft *left = waiterIsTask(waiter) ? NULL : waiter->left;
        waitQueueServe(queue, waiter, result, woken);
        if (left != NULL)
            left(queue, woken);
    }
    waitQueueUnlock(queue);
    return found;
}

bool waitQueueSane(const WaitQueue *queue)
{
    uint32_t bound = 1u << 24;
    const Waiter *before = NULL;
    for (const Waiter *at = queue->first; at != NULL; at = at->next) {
        if (at->prev != before || queueOf(at) != queue || placeOf(at) != WaiterQueued ||
            --bound == 0)
            return false;
        before = at;
    }
    return queue->last == before && queue->lock == 0;
}
