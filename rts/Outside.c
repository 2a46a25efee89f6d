/* Outside.c -- plain OS threads: the same waits, blocking the OS thread.
 *
 * Owns    Outsiders: claim words and nodes that OS threads borrow.
 * Before  rts/Park.c, rts/ThreadWait.c: found that no green thread is calling.
 * Tests   testsuite/unit/OutsideTest.c
 */
#include "rts/Outside.h"

#include "iomgr/Clock.h"
#include "iomgr/Memory.h"
#include "iomgr/Wakeup.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"
#include "rts/Step.h"
#include "rts/Wait.h"

#include "internal/SpinLock.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct Outsider {
    WatchNode node;
    Claim claim;
    Outsider *next;     /* under lock: free list */
    Outsider *next_all; /* constant once published */
};

static struct {
    SpinLock lock;
    const Allocator *allocator;
    Outsider *free;     /* under lock */
    Outsider *all;      /* pushed under lock (release), walked by anyone */
    uint32_t cancelled; /* shutdown stores, waiters read */
    uint32_t waiting;   /* workerStays of all OS threads: seq_cst adds */
    Wakeup bell;        /* readable once cancelled; opened by who first waits with it (CAS) */
} outsiders = {.bell = {-1}};

int outsideStart(const Allocator *allocator)
{
    outsiders.lock = (SpinLock)SPIN_LOCK_INIT;
    outsiders.allocator = allocator;
    outsiders.free = outsiders.all = NULL;
    SEQ_CST_STORE(&outsiders.cancelled, 0);
    return 0;
}

void outsideEnd(void)
{
    wakeupClose(&outsiders.bell);
    while (outsiders.all != NULL) {
        Outsider *next = outsiders.all->next_all;
        memoryRelease(outsiders.allocator, outsiders.all, sizeof *next, CACHE_LINE);
        outsiders.all = next;
    }
}

void outsideSurvive(void)
{
    outsiders.lock = (SpinLock)SPIN_LOCK_INIT;
    wakeupClose(&outsiders.bell); /* it is the parent's as well */
    outsiders.free = NULL;
    for (Outsider *at = outsiders.all; at != NULL; at = at->next_all) {
        claimReset(&at->claim);
        at->next = outsiders.free;
        outsiders.free = at;
    }
    SEQ_CST_STORE(&outsiders.cancelled, 0);
    SEQ_CST_STORE(&outsiders.waiting, workerStays()); /* the others are not there */
}

static Outsider *borrow(void)
{
    spinLock(&outsiders.lock);
    Outsider *outsider = outsiders.free;
    if (outsider != NULL)
        outsiders.free = outsider->next;
    spinUnlock(&outsiders.lock);
    if (outsider != NULL)
        return outsider;
    outsider = memoryAllocate(outsiders.allocator, sizeof *outsider, CACHE_LINE);
    if (outsider == NULL)
        return NULL;
    memset(outsider, 0, sizeof *outsider);
    spinLock(&outsiders.lock);
    outsider->next_all = outsiders.all;
    RELEASE_STORE(&outsiders.all, outsider);
    spinUnlock(&outsiders.lock);
    return outsider;
}

static void giveBack(Outsider *outsider)
{
    spinLock(&outsiders.lock);
    outsider->next = outsiders.free;
    outsiders.free = outsider;
    spinUnlock(&outsiders.lock);
}

/* The futex is the claim's low half: both machines are little-endian. */
void outsideWake(Claim *claim)
{
    syscall(SYS_futex, (uint32_t *)(void *)claim, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    if (stepIsOn())
        stepWake();
}

static void outsiderFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    Outsider *outsider = (Outsider *)(void *)((char *)node - offsetof(Outsider, node));
    (void)sink;
    if (claimTry(&outsider->claim, number, result) != ClaimLost)
        outsideWake(&outsider->claim);
}

/* Nanoseconds from now until deadline_ns as a timespec for the kernel; false: it has passed. */
static bool timeLeft(int64_t deadline_ns, struct timespec *left)
{
    int64_t now_ns = clockRead(&clockMonotonic);
    if (deadline_ns <= now_ns) /* it may be as far back as INT64_MIN */
        return false;
    int64_t left_ns = deadline_ns - now_ns;
    left->tv_sec = left_ns / 1000000000;
    left->tv_nsec = left_ns % 1000000000;
    return true;
}

static bool isClaimed(void *env)
{
    return claimState(ACQUIRE_LOAD((Claim *)env)) != ClaimArmed;
}

/* See Note [Waiting in steps]. */
static void stepOnClaim(Claim *claim, Claim word, int64_t deadline_ns)
{
    int result = stepWait(isClaimed, claim, deadline_ns);
    if (result < 0)
        claimTry(claim, claimNumber(word), result);
}

/* Sleep until the claim is no longer Armed; at the deadline claim it ourselves. */
static int sleepOnClaim(Claim *claim, int64_t deadline_ns)
{
    Claim word = ACQUIRE_LOAD(claim);
    while (claimState(word) == ClaimArmed) {
        struct timespec left, *timeout = NULL;
        if (deadline_ns != DEADLINE_NEVER) {
            timeout = &left;
            if (!timeLeft(deadline_ns, timeout)) {
                claimTry(claim, claimNumber(word), -ETIMEDOUT);
                word = ACQUIRE_LOAD(claim);
                continue;
            }
        }
        if (stepIsMine())
            stepOnClaim(claim, word, deadline_ns);
        else
            syscall(SYS_futex, (uint32_t *)(void *)claim, FUTEX_WAIT_PRIVATE, (uint32_t)word,
                    timeout, NULL, 0);
        word = ACQUIRE_LOAD(claim);
    }
    return claimResult(word);
}

/* A callback, or a transaction's action. */
static int refuse(void)
{
    bool must_not_wait = !scheduleMayWait();
    ASSERT(!must_not_wait);
    return UNLIKELY(must_not_wait) ? -EPERM : 0;
}

Outsider *outsideBegin(int *result)
{
    *result = refuse();
    if (*result == 0)
        *result = startupTouch();
    if (*result != 0)
        return NULL;
    outsideStay();
    Outsider *outsider = borrow();
    if (outsider == NULL) {
        outsideStayOver();
        *result = -ENOMEM;
        return NULL;
    }
    claimBegin(&outsider->claim);
    return outsider;
}

Claim *outsideClaim(Outsider *outsider)
{
    return &outsider->claim;
}

int outsidePark(Outsider *outsider, int64_t deadline_ns)
{
    Claim *claim = &outsider->claim;
    if (SEQ_CST_LOAD(&outsiders.cancelled) != 0)
        claimTry(claim, claimNumber(RELAXED_LOAD(claim)), -ECANCELED);
    return sleepOnClaim(claim, deadline_ns);
}

void outsideDone(Outsider *outsider)
{
    claimEnd(&outsider->claim);
    giveBack(outsider);
    outsideStayOver();
}

void outsideStay(void)
{
    workerSetStays(workerStays() + 1);
    ADD_SEQ_CST(&outsiders.waiting, 1);
}

bool outsideStayHere(void)
{
    bool outside = scheduleHere() == NULL;
    if (outside)
        outsideStay();
    return outside;
}

void outsideStayOver(void)
{
    workerSetStays(workerStays() - 1);
    ADD_SEQ_CST(&outsiders.waiting, (uint32_t)-1);
}

int outsideWaitList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
                    int64_t deadline_ns)
{
    int result;
    Outsider *outsider = outsideBegin(&result);
    if (outsider == NULL)
        return result;
    result = -EALREADY;
    uint64_t number = claimNumber(RELAXED_LOAD(&outsider->claim));
    RELAXED_STORE(&outsider->node.fire, outsiderFired);
    RELAXED_STORE(&outsider->node.number, number);
    if (watchListAdd(list, generation, &outsider->node)) {
        if (changed != NULL && changed(env))
            claimTry(&outsider->claim, number, 0);
        result = outsidePark(outsider, deadline_ns);
        watchListRemove(list, generation, &outsider->node, NULL);
    }
    outsideDone(outsider);
    return result;
}

bool outsideAwaitNobody(int64_t deadline_ns)
{
    for (;;) {
        outsideCancelAll(); /* again: one may have begun to wait since */
        if (SEQ_CST_LOAD(&outsiders.waiting) == 0)
            return true;
        if (clockRead(&clockMonotonic) >= deadline_ns)
            return false;
        sched_yield();
    }
}

void outsideCancelAll(void)
{
    SEQ_CST_STORE(&outsiders.cancelled, 1);
    Wakeup bell = {SEQ_CST_LOAD(&outsiders.bell.fd)};
    if (bell.fd >= 0)
        wakeupSend(&bell);
    for (Outsider *at = ACQUIRE_LOAD(&outsiders.all); at != NULL; at = at->next_all) {
        Claim word = SEQ_CST_LOAD(&at->claim);
        if (claimTry(&at->claim, claimNumber(word), -ECANCELED) != ClaimLost)
            outsideWake(&at->claim);
    }
}

/* The fd that a shutdown makes readable; -1: none to be had, then it waits for who stays. */
static int bellFd(void)
{
    Wakeup fresh;
    int fd = SEQ_CST_LOAD(&outsiders.bell.fd);
    if (fd >= 0 || wakeupOpen(&fresh) != 0)
        return fd;
    if (CAS_SEQ_CST(&outsiders.bell.fd, &fd, fresh.fd))
        return fresh.fd;
    wakeupClose(&fresh);
    return fd;
}

/* bell: -1 or bellFd. */
static int pollFd(int fd, FdDirection direction, int bell, int64_t deadline_ns)
{
    struct pollfd wanted[2] = {{.fd = fd, .events = direction == FdRead ? POLLIN : POLLOUT},
                               {.fd = bell, .events = POLLIN}};
    for (;;) {
        struct timespec left = {0, 0}, *timeout = NULL;
        if (deadline_ns != DEADLINE_NEVER) {
            timeLeft(deadline_ns, &left);
            timeout = &left;
        }
        int ready = ppoll(wanted, 2, timeout, NULL);
        if (ready > 0 && wanted[0].revents == 0)
            return -ECANCELED;
        if (ready > 0)
            return wanted[0].revents & POLLNVAL ? -EBADF : 0;
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready == 0 && deadline_ns <= clockRead(&clockMonotonic))
            return -ETIMEDOUT;
    }
}

static int waitFd(int fd, FdDirection direction, bool stays, int64_t deadline_ns)
{
    if (fd < 0)
        return -EBADF;
    if (UNLIKELY(!scheduleMayWait())) { /* is there nothing to wait for? */
        int now = pollFd(fd, direction, -1, 0);
        return now == -ETIMEDOUT ? -EAGAIN : now;
    }
    if (startupIsBroken())
        return -ENOTRECOVERABLE;
    if (stepIsMine())
        return stepWaitFd(fd, direction, deadline_ns);
    int bell = stays ? bellFd() : -1;
    if (stays && SEQ_CST_LOAD(&outsiders.cancelled) != 0)
        return -ECANCELED;
    return pollFd(fd, direction, bell, deadline_ns);
}

int outsideWaitFd(int fd, FdDirection direction, int64_t deadline_ns)
{
    return waitFd(fd, direction, false, deadline_ns);
}

int outsideWaitFdStaying(int fd, FdDirection direction, int64_t deadline_ns)
{
    return waitFd(fd, direction, true, deadline_ns);
}

int outsideSleep(int64_t deadline_ns)
{
    struct timespec until = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    int refused = refuse();
    if (refused != 0)
        return refused;
    if (startupIsBroken())
        return -ENOTRECOVERABLE;
    if (stepIsMine())
        return stepSleep(deadline_ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
    return 0;
}
