/* Interrupt.c -- throwing to a thread: what is pending, whose wait it ends, who is told.
 *
 * Owns    Thread.interrupts, Interrupt.place, next, prev; Stack.caught.
 * Before  rts/Park.h: a wait is published.   After  rts/Schedule.c: who was interrupted is ready.
 * Tests   testsuite/unit/InterruptTest.c, testsuite/model/InterruptModel.c,
 *         testsuite/stress/KillStorm.c
 *
 * See Note [Interrupt words] and Note [Interrupted lists].
 */
#include "rts/Interrupt.h"

#include "rts/ForeignInterrupt.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Startup.h"
#include "rts/Task.h"

#include "internal/Turn.h"
#include <errno.h>

#define LOCK ((Interrupts)1)
#define UNCAUGHT ((Interrupts)2)
#define FLAGS (LOCK | UNCAUGHT | INTERRUPTS_TASK)

enum { THROW_WAITS = 1 };

/* Who is told once the locks are free. */
typedef struct Told {
    Thread *target;  /* interrupted, it had parked */
    Thread *sender;  /* waited until it was raised, and had parked */
    Claim *outsider; /* likewise */
    Woken woken;     /* the target, where it waited in a WaitQueue */
} Told;

static void lockThread(Thread *thread)
{
    int spins = 0;
    Interrupts old = RELAXED_LOAD(&thread->interrupts);
    for (;;) {
        if (UNLIKELY((old & LOCK) != 0)) {
            turnWait(&spins);
            old = RELAXED_LOAD(&thread->interrupts);
        } else if (CAS_SEQ_CST(&thread->interrupts, &old, old | LOCK)) { /* T1 */
            return;
        }
    }
}

static void unlockThread(Thread *thread)
{
    RELEASE_STORE(&thread->interrupts, RELAXED_LOAD(&thread->interrupts) & ~LOCK);
}

static void lockBoth(Thread *one, Thread *other)
{
    bool ordered = (uintptr_t)one < (uintptr_t)other;
    lockThread(ordered ? one : other);
    lockThread(ordered ? other : one);
}

/* ---- Under the lock -------------------------------------------------------------------------- */

static Interrupt *oldestOf(Thread *thread)
{
    return (Interrupt *)(RELAXED_LOAD(&thread->interrupts) & ~FLAGS);
}

static void setOldest(Thread *thread, Interrupt *oldest)
{
    Interrupts flags = RELAXED_LOAD(&thread->interrupts) & FLAGS;
    RELAXED_STORE(&thread->interrupts, (Interrupts)oldest | flags);
}

static bool isUncaught(Thread *thread)
{
    return (RELAXED_LOAD(&thread->interrupts) & UNCAUGHT) != 0;
}

static void setUncaught(Thread *thread, bool uncaught)
{
    Interrupts rest = RELAXED_LOAD(&thread->interrupts) & ~UNCAUGHT;
    RELAXED_STORE(&thread->interrupts, uncaught ? rest | UNCAUGHT : rest);
}

static void append(Thread *thread, Interrupt *interrupt)
{
    Interrupt *oldest = oldestOf(thread);
    interrupt->id = RELAXED_LOAD(&thread->id);
    RELAXED_STORE(&interrupt->place, InterruptPending);
    if (oldest == NULL) {
        interrupt->next = interrupt->prev = interrupt;
        setOldest(thread, interrupt);
        return;
    }
    interrupt->next = oldest;
    interrupt->prev = oldest->prev;
    oldest->prev->next = interrupt;
    oldest->prev = interrupt;
}

static void removeFrom(Thread *thread, Interrupt *interrupt)
{
    ASSERT_CMP(RELAXED_LOAD(&interrupt->place), ==, InterruptPending);
    interrupt->prev->next = interrupt->next;
    interrupt->next->prev = interrupt->prev;
    if (oldestOf(thread) == interrupt)
        setOldest(thread, interrupt->next == interrupt ? NULL : interrupt->next);
}

/* Off the ring; whoever waits for that goes on.  The interrupt is its sender's afterwards. */
static void letGo(Thread *thread, Interrupt *interrupt, Told *told)
{
    Thread *sender = interrupt->sender;
    Claim *claim = interrupt->claim;
    uint64_t number = interrupt->number;
    removeFrom(thread, interrupt);
    RELAXED_STORE(&interrupt->place, InterruptRaised);
    if (claim == NULL)
        return;
    ClaimOutcome outcome = claimTry(claim, number, 0);
    if (outcome == ClaimWonParked)
        told->sender = sender;
    else if (outcome != ClaimLost && sender == NULL)
        told->outsider = claim;
}

static void setCaught(Thread *thread, const Interrupt *interrupt)
{
    Caught *caught = taskCaughtOf(thread);
    if (isUncaught(thread) && !interruptIsBound(caught->code) && interruptIsBound(interrupt->code))
        return;
    caught->code = interrupt->code;
    caught->payload = interrupt->payload;
    caught->count++;
    setUncaught(thread, true);
}

static void raiseOldest(Thread *thread, Told *told)
{
    Interrupt *oldest = oldestOf(thread);
    setCaught(thread, oldest);
    letGo(thread, oldest, told);
}

/* See Note [Interrupted lists]. */
static bool claimListed(Thread *thread, Claim claim, Capability *here, Told *told)
{
    uint64_t number = ACQUIRE_LOAD(&thread->node.number);
    if (RELAXED_LOAD(&thread->claim) != claim)
        return false;
    if ((number & WAIT_QUEUE) != 0) {
        WaitQueue *queue = (WaitQueue *)(uintptr_t)(number & ~WAIT_QUEUE);
        return waitQueueRetract(queue, thread, claim, -ECANCELED, &told->woken);
    }
    WatchList *list = (WatchList *)(uintptr_t)(number & ~WATCH_GENERATION);
    if (!watchListTakeOut(list, watchListGeneration(number), &thread->node,
                          &(WatchProof){&thread->claim, claim}, here))
        return false;
    Claim found = RELAXED_LOAD(&thread->claim);
    if (UNLIKELY(claimState(found) != ClaimListed || (found & CLAIM_DEAF) != 0)) {
        watchNodeFire(&thread->node, 0, here);
        return false;
    }
    RELAXED_STORE(&thread->node.linked, 0); /* the queue publishes it */
    claimSettle(&thread->claim, -ECANCELED);
    told->target = thread;
    return true;
}

/* Of a deaf wait.  See Note [Interrupted calls]: the thread is told that something is pending. */
static void endCall(Thread *thread, Claim claim, Told *told)
{
    bool in_call = (RELAXED_LOAD(&thread->node.tag) & TAG_MASKING) == TAG_MASKING;
    if (in_call && claimState(claim) == ClaimParked &&
        claimTry(&thread->claim, claimNumber(claim), -EINTR) == ClaimWonParked)
        told->target = thread;
}

/* Is the thread in a wait that may be ended?  Then that is done. */
static bool claimWait(Thread *thread, Capability *here, Told *told)
{
    Claim claim = SEQ_CST_LOAD(&thread->claim);
    if (UNLIKELY((claim & CLAIM_DEAF) != 0)) {
        endCall(thread, claim, told);
        return false;
    }
    if (claimState(claim) == ClaimListed)
        return claimListed(thread, claim, here, told);
    if (claimState(claim) != ClaimParked ||
        claimTry(&thread->claim, claimNumber(claim), -ECANCELED) == ClaimLost)
        return false;
    told->target = thread;
    return true;
}

void interruptSetTask(Thread *thread, bool task)
{
    lockThread(thread);
    Interrupts rest = RELAXED_LOAD(&thread->interrupts) & ~(INTERRUPTS_TASK | UNCAUGHT);
    RELAXED_STORE(&thread->interrupts, task ? rest | INTERRUPTS_TASK : rest);
    unlockThread(thread);
}

static bool hasEnded(Thread *thread)
{
    return watchListGeneration(SEQ_CST_LOAD(&thread->ended)) == 1;
}

/* ---- Without it ------------------------------------------------------------------------------ */

static void tell(const Told *told, Capability *here)
{
    if (told->target != NULL)
        scheduleReady(told->target, here);
    waitQueueWake(&told->woken, here);
    if (told->sender != NULL)
        scheduleReady(told->sender, here);
    if (told->outsider != NULL)
        outsideWake(told->outsider);
}

bool interruptIsPending(Thread *thread)
{
    Interrupts word = SEQ_CST_LOAD(&thread->interrupts);
    return (word & ~FLAGS) != 0 && !threadIsDeaf(thread);
}

void interruptPost(Thread *target, Interrupt *interrupt, Capability *here)
{
    Told told = {0};
    bool waits = false;
    lockThread(target);
    if (hasEnded(target)) {
        RELAXED_STORE(&interrupt->place, InterruptRaised);
    } else {
        append(target, interrupt);
        if (claimWait(target, here, &told))
            raiseOldest(target, &told);
        waits = RELAXED_LOAD(&interrupt->place) == InterruptPending;
    }
    unlockThread(target);
    tell(&told, here);
    if (waits)
        foreignInterrupt(target); /* it may be in a call */
}

bool interruptWithdraw(Thread *target, Interrupt *interrupt)
{
    lockThread(target);
    uint32_t place = RELAXED_LOAD(&interrupt->place);
    if (place == InterruptPending)
        removeFrom(target, interrupt);
    RELAXED_STORE(&interrupt->place, InterruptOwn);
    unlockThread(target);
    return place == InterruptRaised;
}

void interruptMeetSlow(Thread *thread)
{
    Capability *here = scheduleHere();
    Told told = {0};
    lockThread(thread);
    if (oldestOf(thread) != NULL && claimWait(thread, here, &told))
        raiseOldest(thread, &told);
    unlockThread(thread);
    tell(&told, here);
}

void interruptRefuse(Thread *self, uint64_t number, Capability *here)
{
    Told told = {0};
    if (threadIsDeaf(self))
        return;
    lockThread(self);
    if (oldestOf(self) != NULL && claimTry(&self->claim, number, -ECANCELED) != ClaimLost)
        raiseOldest(self, &told);
    unlockThread(self);
    tell(&told, here);
}

bool interruptRaise(Thread *self)
{
    Told told = {0};
    lockThread(self);
    bool raised = oldestOf(self) != NULL;
    if (raised)
        raiseOldest(self, &told);
    unlockThread(self);
    tell(&told, scheduleHere());
    return raised;
}

int interruptPointSlow(Thread *self)
{
    bool masked = (self->node.tag & TAG_MASKING) != 0;
    return !masked && interruptRaise(self) ? -ECANCELED : 0;
}

static Interrupt *oldestTo(Thread *thread, uint64_t id)
{
    Interrupt *oldest = oldestOf(thread), *at = oldest;
    if (oldest == NULL)
        return NULL;
    do {
        if (at->id == id)
            return at;
        at = at->next;
    } while (at != oldest);
    return NULL;
}

void interruptEndSlow(Thread *thread, uint64_t id, Capability *here)
{
    Interrupt *found;
    do {
        Told told = {0};
        lockThread(thread);
        found = oldestTo(thread, id);
        if (found != NULL)
            letGo(thread, found, &told);
        unlockThread(thread);
        tell(&told, here);
    } while (found != NULL);
}

/* Only what waits for no answer stays: whoever waited is gone with its stack. */
void interruptSurvived(Thread *thread, bool lives)
{
    Interrupts kept = RELAXED_LOAD(&thread->interrupts) & (UNCAUGHT | INTERRUPTS_TASK);
    Interrupt *oldest = oldestOf(thread), *at = oldest, *next;
    RELAXED_STORE(&thread->interrupts, (lives ? kept : 0) | LOCK);
    for (bool more = oldest != NULL; more; at = next) {
        next = at->next;
        more = next != oldest;
        RELAXED_STORE(&at->place, InterruptOwn);
        if (lives && at->claim == NULL)
            append(thread, at);
    }
    unlockThread(thread);
}

/* ---- Throwing, and waiting until it is raised ------------------------------------------------ */

/* Both locks are held.  0, -ECANCELED, or THROW_WAITS: it is pending. */
static int throwLocked(Thread *self, Thread *target, Interrupt *interrupt, Capability *here,
                       Told *told)
{
    if (UNLIKELY(oldestOf(self) != NULL && !threadIsDeaf(self))) {
        raiseOldest(self, told);
        return -ECANCELED;
    }
    if (hasEnded(target))
        return 0;
    if (LIKELY(oldestOf(target) == NULL) && claimWait(target, here, told)) {
        setCaught(target, interrupt);
        return 0;
    }
    interrupt->sender = self;
    interrupt->claim = &self->claim;
    interrupt->number = parkBegin(self);
    append(target, interrupt);
    return THROW_WAITS;
}

static int throwInside(Thread *self, Thread *target, Interrupt *interrupt, int64_t deadline_ns)
{
    Capability *here = scheduleHere();
    Told told = {0};
    ASSERT(!scheduleCalledBack(here));
    lockBoth(self, target);
    int result = throwLocked(self, target, interrupt, here, &told);
    unlockThread(target);
    unlockThread(self);
    tell(&told, here);
    if (LIKELY(result != THROW_WAITS))
        return result;
    foreignInterrupt(target); /* it may be in a call */
    threadSetAbout(self, &target->ended);
    result = parkUntil(self, ThreadBlockedOnThrowTo, -1, deadline_ns);
    if (result != 0)
        interruptWithdraw(target, interrupt);
    return result;
}

static int throwOutside(Thread *target, Interrupt *interrupt, int64_t deadline_ns)
{
    int result;
    Told told = {0};
    Outsider *outsider = outsideBegin(&result);
    if (outsider == NULL)
        return result;
    interrupt->claim = outsideClaim(outsider);
    interrupt->number = claimNumber(RELAXED_LOAD(interrupt->claim));
    lockThread(target);
    bool waits = !hasEnded(target);
    if (waits && oldestOf(target) == NULL && claimWait(target, NULL, &told)) {
        setCaught(target, interrupt);
        waits = false;
    } else if (waits) {
        append(target, interrupt);
    }
    unlockThread(target);
    tell(&told, NULL);
    if (waits) {
        foreignInterrupt(target); /* it may be in a call */
        result = outsidePark(outsider, deadline_ns);
    }
    if (result != 0)
        interruptWithdraw(target, interrupt);
    outsideDone(outsider);
    return result;
}

static int throwToSelf(Thread *self, const Interrupt *interrupt)
{
    lockThread(self);
    setCaught(self, interrupt);
    unlockThread(self);
    return -ECANCELED;
}

static int throwTo(Thread *target, int code, void *payload, int64_t deadline_ns)
{
    Thread *self = scheduleEnterSelf();
    Interrupt interrupt = {.code = code, .payload = payload};
    if (self == NULL)
        return throwOutside(target, &interrupt, deadline_ns);
    return self == target ? throwToSelf(self, &interrupt)
                          : throwInside(self, target, &interrupt, deadline_ns);
}

int threadThrowToUntil(Thread *target, int code, void *payload, int64_t deadline_ns)
{
    if (target == NULL || code < 0)
        return -EINVAL;
    return throwTo(target, code, payload, deadline_ns);
}

int threadThrowTo(Thread *target, int code, void *payload)
{
    return threadThrowToUntil(target, code, payload, DEADLINE_NEVER);
}

int threadKill(Thread *target)
{
    return target == NULL ? -EINVAL : throwTo(target, InterruptKill, NULL, DEADLINE_NEVER);
}

/* ---- What was raised last -------------------------------------------------------------------- */

int threadCaught(int *code, void **payload)
{
    Thread *self = scheduleSelfHere();
    if (self == NULL)
        return 0;
    lockThread(self);
    Caught *caught = taskCaughtOf(self);
    bool uncaught = isUncaught(self);
    if (uncaught && code != NULL)
        *code = caught->code;
    if (uncaught && payload != NULL)
        *payload = caught->payload;
    if (!interruptIsBound(caught->code))
        setUncaught(self, false);
    unlockThread(self);
    return uncaught;
}

/* Without the lock: others raise only while the thread waits. */
uint32_t interruptCount(const Thread *self)
{
    return taskCaughtOf(self)->count;
}

bool interruptIsUncaught(Thread *self, uint32_t since)
{
    return UNLIKELY(isUncaught(self)) && taskCaughtOf(self)->count != since;
}

void interruptForget(Thread *self, const void *payload)
{
    lockThread(self);
    if (payload == NULL || taskCaughtOf(self)->payload == payload)
        setUncaught(self, false);
    unlockThread(self);
}

void interruptLast(Thread *self)
{
    lockThread(self);
    Caught caught = *taskCaughtOf(self);
    bool died = isUncaught(self);
    setUncaught(self, false);
    unlockThread(self);
    if (!died)
        return;
    RELAXED_STORE(&self->node.tag, self->node.tag | TAG_DIED);
    if (caught.code != InterruptKill)
        startupUncaught(self, caught.code, caught.payload);
}
