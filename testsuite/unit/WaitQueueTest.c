/* WaitQueueTest.c -- the queue under MVars and locks: places, taking one out of the middle. */
#include "rts/WaitQueue.h"

#include "testsuite/support/Runtime.h"

enum { WAITERS = 4 };

typedef struct Guest {
    WaitQueue *queue;
    Thread *thread;
    uint32_t tag;
    int result;
} Guest;

static uint32_t left_calls; /* one capability */

static int alwaysWait(WaitQueue *queue, Waiter *waiter, Woken *woken)
{
    (void)queue;
    (void)woken;
    return waiter->kind % 2 == 0 ? WAIT : WAIT_FRONT;
}

static void countLeft(WaitQueue *queue, Woken *woken)
{
    (void)queue;
    (void)woken;
    left_calls++;
}

static void *beGuest(void *env)
{
    Guest *guest = env;
    Waiter waiter;
    waitQueueWaiter(&waiter, guest->queue, alwaysWait, countLeft, guest->tag, NULL);
    guest->result = waitQueueAwait(&waiter, ThreadBlockedOnMVar, DEADLINE_NEVER);
    return NULL;
}

static void invite(Guest *guests, WaitQueue *queue, uint32_t tag)
{
    guests[tag] = (Guest){.queue = queue, .tag = tag};
    guests[tag].thread = greenFork(beGuest, &guests[tag]);
    greenUntil(guests[tag].thread, ThreadBlockedOnMVar);
    CHECK(waitQueueSane(queue));
}

static void checkOrder(const WaitQueue *queue, const char *tags)
{
    const Waiter *at = queue->first;
    for (; *tags != 0; tags++, at = at->next) {
        CHECK(at != NULL);
        CHECK_EQ(at->kind, (uint32_t)(*tags - '0'));
    }
    CHECK_EQ(at, NULL);
    CHECK(waitQueueSane(queue));
}

static Claim claimOf(const Guest *guest)
{
    return RELAXED_LOAD(&guest->thread->claim);
}

static void *retractEach(void *env)
{
    Guest guests[WAITERS];
    WaitQueue *queue = waitQueueNew();
    (void)env;
    left_calls = 0;
    for (uint32_t i = 0; i < WAITERS; i++)
        invite(guests, queue, i);
    checkOrder(queue, "3102");
    static const uint32_t order[] = {1, 2, 3, 0};
    static const char *const rest[] = {"302", "30", "0", ""};
    for (uint32_t i = 0; i < WAITERS; i++) {
        Guest *guest = &guests[order[i]];
        Thread *thread = guest->thread;
        Claim claim = claimOf(guest), other = claimWord(claimNumber(claim) + 1, 0, ClaimListed);
        Woken woken = {NULL, NULL};
        CHECK(!waitQueueRetract(queue, thread, other, -EINTR, &woken)); /* another wait */
        CHECK(waitQueueRetract(queue, thread, claim, -EINTR, &woken));
        CHECK(!waitQueueRetract(queue, thread, claim, -EBADF, &woken)); /* it is over */
        waitQueueWake(&woken, scheduleHere());
        checkOrder(queue, rest[i]);
        CHECK_EQ(left_calls, i + 1);
        greenJoin(thread);
        CHECK_EQ(guest->result, -EINTR);
    }
    waitQueueFree(queue);
    return NULL;
}

TEST(WaitQueue, letsAnyoneBeTakenOut)
{
    greenRun(1, retractEach, NULL);
}

/* A canceller of an earlier wait that still knows the thread by an older queue. */
static void *retractLate(void *env)
{
    Woken woken = {NULL, NULL};
    Guest guests[1];
    WaitQueue *first = waitQueueNew(), *second = waitQueueNew();
    (void)env;
    invite(guests, first, 0);
    Thread *thread = guests[0].thread;
    Claim claim = claimOf(&guests[0]);
    CHECK(!waitQueueRetract(second, thread, claim + (1 << 20), -EINTR, &woken));
    CHECK_EQ(threadStatus(thread).state, ThreadBlockedOnMVar);
    waitQueueFree(first);
    greenJoin(thread);
    CHECK_EQ(guests[0].result, -EINVAL);
    invite(guests, second, 0);
    CHECK(!waitQueueRetract(first, thread, claim, -EINTR, &woken));
    checkOrder(second, "0");
    waitQueueFree(second);
    greenJoin(guests[0].thread);
    return NULL;
}

TEST(WaitQueue, knowsALaterWait)
{
    greenRun(1, retractLate, NULL);
}

/* Who began to wait before the object was freed does not wait in its next life. */
static void *lateComer(void *env)
{
    WaitQueue *queue = waitQueueNew();
    Waiter waiter = {.queue = queue, .attempt = alwaysWait};
    (void)env;
    waiter.thread = scheduleSelf();
    waiter.life = queue->life;
    waitQueueFree(queue);
    RELAXED_STORE(&waiter.thread->node.next, (WatchNode *)(void *)&waiter);
    claimList(&waiter.thread->claim, 0);
    CHECK(!waitQueuePublish(waiter.thread));
    CHECK_EQ(claimResult(RELAXED_LOAD(&waiter.thread->claim)), -EINVAL);
    return NULL;
}

TEST(WaitQueue, endsWithItsLife)
{
    greenRun(1, lateComer, NULL);
}
