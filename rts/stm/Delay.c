/* Delay.c -- the event TVar of registerDelay: written once, by a timer.
 *
 * Owns    Delays: type-stable, because a heap may hold a dead entry for one.
 * Before  iomgr/TimerHeap.c: the deadline passes.   After  rts/stm/TVar.c: the write.
 * Tests   testsuite/unit/DelayTest.c
 *
 * Note [Delay claim]
 *   The timer's fire and delayCancel claim the same word (See Note [Claim states]).  Cancel wins:
 *   the fire
 *   loses and touches nothing.  Fire wins: it writes the TVar, then stores `done` (release);
 *   cancel, which has lost, waits for `done` (acquire) before the memory may be reused.
 */
#include "rts/stm/Delay.h"

#include "iomgr/Memory.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"

#include "internal/SpinLock.h"
#include <errno.h>
#include <string.h>

enum { CHUNK_DELAYS = 63 };

typedef struct Delay {
    TVar tvar;
    Timer timer;
    Claim claim;
    int64_t deadline_ns; /* registerDelay's caller, until armed */
    uint32_t done;       /* see Note [Delay claim] */
    int status;          /* arming's result, read after join */
    struct Delay *next;  /* under lock: free list */
} Delay;

typedef struct Chunk {
    struct Chunk *next;
    Delay delays[CHUNK_DELAYS];
} Chunk;

static struct {
    SpinLock lock;
    const Allocator *allocator;
    Delay *free;   /* under lock */
    Chunk *chunks; /* under lock */
} delays;

int delayStart(const Allocator *allocator)
{
    delays.lock = (SpinLock)SPIN_LOCK_INIT;
    delays.allocator = allocator;
    delays.free = NULL;
    delays.chunks = NULL;
    return 0;
}

void delayEnd(void)
{
    while (delays.chunks != NULL) {
        Chunk *next = delays.chunks->next;
        memoryRelease(delays.allocator, delays.chunks, sizeof *next, CACHE_LINE);
        delays.chunks = next;
    }
    delays.free = NULL;
}

static void delayFired(Timer *timer, uint64_t number, void *sink)
{
    Delay *delay = (Delay *)(void *)((char *)timer - offsetof(Delay, timer));
    if (claimTry(&delay->claim, number, 0) == ClaimLost)
        return;
    tvarPut(&delay->tvar, (void *)1, sink);
    RELEASE_STORE(&delay->done, 1);
}

static Delay *popFree(void)
{
    spinLock(&delays.lock);
    Delay *delay = delays.free;
    if (delay != NULL)
        delays.free = delay->next;
    spinUnlock(&delays.lock);
    return delay;
}

static void pushFree(Delay *delay)
{
    spinLock(&delays.lock);
    delay->next = delays.free;
    delays.free = delay;
    spinUnlock(&delays.lock);
}

static Delay *takeDelay(void)
{
    Delay *delay = popFree();
    if (delay != NULL)
        return delay;
    Chunk *chunk = memoryAllocate(delays.allocator, sizeof *chunk, CACHE_LINE);
    if (chunk == NULL)
        return NULL;
    memset(chunk, 0, sizeof *chunk);
    spinLock(&delays.lock);
    chunk->next = delays.chunks;
    delays.chunks = chunk;
    spinUnlock(&delays.lock);
    for (int i = 0; i < CHUNK_DELAYS; i++) {
        chunk->delays[i].timer.fire = delayFired;
        pushFree(&chunk->delays[i]);
    }
    return popFree();
}

void delayGive(TVar *tvar)
{
    pushFree((Delay *)(void *)((char *)tvar - offsetof(Delay, tvar)));
}

void delayCancel(TVar *tvar)
{
    Delay *delay = (Delay *)(void *)((char *)tvar - offsetof(Delay, tvar));
    Capability *here = scheduleHere();
    if (!claimEnd(&delay->claim)) {
        while (ACQUIRE_LOAD(&delay->done) == 0)
            SMP_PAUSE();
        return;
    }
    timerHeapDisarm(here == NULL ? NULL : &here->manager.timers, &delay->timer);
}

/* On a green thread: arm the delay on the heap of the capability it runs on. */
static void *armDelay(void *env)
{
    Delay *delay = env;
    uint64_t number = claimBegin(&delay->claim);
    delay->status =
        timerHeapArm(&scheduleHere()->manager.timers, &delay->timer, number, delay->deadline_ns);
    return NULL;
}

/* From a plain OS thread: a green thread arms it. */
static int armFromOutside(Delay *delay)
{
    Thread *thread;
    int result = threadFork(&thread, armDelay, delay);
    if (result == 0) {
        result = threadJoin(thread, NULL);
        threadRelease(thread);
    }
    return result == 0 ? delay->status : result;
}

int registerDelay(int64_t delay_us, TVar **tvar)
{
    Capability *here = scheduleHere();
    if (tvar == NULL)
        return -EINVAL;
    int result = here != NULL ? 0 : startupEnter();
    if (result != 0)
        return result;
    Delay *delay = takeDelay();
    if (delay == NULL) {
        result = -ENOMEM;
    } else {
        delay->tvar = (TVar){.value = NULL, .kind = TVarDelay};
        delay->deadline_ns =
            clockDeadline(here == NULL ? &clockMonotonic : here->manager.clock, delay_us);
        RELAXED_STORE(&delay->done, 0);
        if (delay_us <= 0) {
            claimTry(&delay->claim, claimBegin(&delay->claim), 0);
            tvarPut(&delay->tvar, (void *)1, here);
            RELEASE_STORE(&delay->done, 1);
        } else if (here != NULL) {
            armDelay(delay);
            result = delay->status;
        } else {
            result = armFromOutside(delay);
        }
        if (result != 0)
            pushFree(delay);
        else
            *tvar = &delay->tvar;
    }
    if (here == NULL)
        startupLeave();
    return result;
}
