/* Thread.c -- the green thread: fork, end; handle, label, status.
 *
 * Owns    Thread.handles, id, fn_or_result, env, label, ended.
 * Before  rts/Schedule.c: a thread runs and ends.   After  rts/ThreadPool.c: where descriptors come
 *         from.
 * Tests   testsuite/unit/ThreadTest.c
 *
 * See Note [Thread references].
 */
#include "rts/Thread.h"

#include "capability/CapabilityTable.h"
#include "iomgr/Memory.h"
#include "rts/Bound.h"
#include "rts/Drain.h"
#include "rts/Interrupt.h"
#include "rts/Park.h"
#include "rts/Startup.h"
#include "rts/ThreadForkFinally.h"
#include "rts/ThreadSlot.h"

#include "internal/SpinLock.h"
#include "internal/Turn.h"
#include <errno.h>
#include <string.h>

enum { LABEL_SIZE = 64, HANDLES_MOST = 1 << 30, MASKING_STATES = 3 };

#define ENDED (UINT64_C(1) << 48) /* a closed list: See Note [WatchList word] */

static SpinLock label_lock = SPIN_LOCK_INIT;

/* For plain OS threads: a cache of descriptors of their own, under its lock. */
static struct {
    SpinLock lock;
    ThreadCache cache;
} outside = {.lock = SPIN_LOCK_INIT};

void threadOutsideDrain(void)
{
    threadCacheDrain(&outside.cache);
    outside.cache.next_id = outside.cache.last_id = 0; /* See Note [Weak handles] */
}

static Thread *takeDescriptor(Capability *here, uint64_t *id)
{
    if (LIKELY(here != NULL)) {
        ThreadCache *cache = &schedulerOf(here)->threads;
        *id = threadCacheId(cache);
        return threadCacheTake(cache);
    }
    spinLock(&outside.lock);
    *id = threadCacheId(&outside.cache);
    Thread *thread = threadCacheTake(&outside.cache);
    spinUnlock(&outside.lock);
    return thread;
}

static __attribute__((noinline)) void freeThreadSlow(Thread *thread, Capability *here)
{
    spinLock(&label_lock); /* a stranger may look: See Note [Weak handles] */
    char *label = thread->label;
    thread->label = NULL;
    spinUnlock(&label_lock);
    memoryRelease(startupAllocator(), label, LABEL_SIZE, 1);
    if (here != NULL) {
        threadCacheGive(&schedulerOf(here)->threads, thread);
        return;
    }
    spinLock(&outside.lock);
    threadCacheGive(&outside.cache, thread);
    spinUnlock(&outside.lock);
}

/* Nobody knows the thread any more. */
static inline void freeThread(Thread *thread, Capability *here)
{
    RELAXED_STORE(&thread->id, 0);
    if (LIKELY(here != NULL && thread->label == NULL))
        threadCacheGive(&schedulerOf(here)->threads, thread);
    else
        freeThreadSlow(thread, here);
}

void threadSurvive(void)
{
    label_lock = (SpinLock)SPIN_LOCK_INIT;
    outside.lock = (SpinLock)SPIN_LOCK_INIT;
    outside.cache.free = NULL;
    outside.cache.count = 0;
}

/* Nobody waits for it here; what it waited for is over. */
static void forgetWaits(Thread *thread)
{
    claimReset(&thread->claim);
    timerForget(&thread->timer);
    RELAXED_STORE(&thread->node.linked, 0);
}

void threadSurvived(Thread *thread)
{
    uint64_t ended = RELAXED_LOAD(&thread->ended);
    forgetWaits(thread);
    interruptSurvived(thread, true);
    RELAXED_STORE(&thread->ended, ended & (WATCH_GENERATION | WATCH_MARK));
}

bool threadLost(Thread *thread)
{
    forgetWaits(thread);
    interruptSurvived(thread, false);
    if (!threadIsTask(thread) && thread->stack != NULL)
        threadSlotLost(thread->stack);
    thread->stack = NULL;
    if (thread->runnable.run == scheduleRunNewborn)
        threadForkFinallyDrop(thread);
    if (RELAXED_LOAD(&thread->handles) == 0) {
        RELAXED_STORE(&thread->id, 0);
        RELAXED_STORE(&thread->ended, ENDED);
        memoryRelease(startupAllocator(), thread->label, LABEL_SIZE, 1);
        thread->label = NULL;
        return true;
    }
    if (threadHasEnded(thread))
        return false; /* its result stays */
    thread->node.tag |= TAG_LOST;
    thread->fn_or_result = NULL;
    threadSetStatus(thread, ThreadFinished, -1);
    RELAXED_STORE(&thread->ended, ENDED);
    return false;
}

/* Check attributes and fold them into a tag; < 0: -EINVAL.  masking: the parent's. */
static int tagOf(const ThreadAttributes *attributes, int masking)
{
    int tag = masking;
    if (attributes->stack_size > STACK_MOST || attributes->masking > MASKING_STATES)
        return -EINVAL;
    if (attributes->masking != 0)
        tag = (int)(attributes->masking - 1) << TAG_MASKING_SHIFT;
    if (attributes->stack_size != 0) {
        int shift = 14; /* STACK_LEAST */
        while (((size_t)1 << shift) < attributes->stack_size)
            shift++;
        tag |= shift << TAG_STACK_SHIFT;
    }
    if (attributes->pinned != 0)
        tag |= (int)((attributes->pinned - 1) % capabilityCount()) + 1;
    return tag;
}

static inline void beginThread(Thread *thread, uint64_t id, uint32_t tag, ThreadFn *fn, void *env,
                               bool handle)
{
    thread->node.tag = tag;
    thread->runnable.run = scheduleRunNewborn;
    claimReset(&thread->claim);
    RELAXED_STORE(&thread->fn_or_result, (void *)fn);
    RELAXED_STORE(&thread->node.fire, (WatchFire *)(uintptr_t)env);
    RELAXED_STORE(&thread->handles, handle ? 1u : 0u);
    RELEASE_STORE(&thread->ended, handle ? 0 : WATCH_MARK); /* See Note [Weak handles] */
    threadSetStatus(thread, ThreadReady, -1);
    RELEASE_STORE(&thread->id, id);
}

/* What a child takes over from who forks it: the masking state; a callback has none. */
static inline uint32_t inherited(Capability *here)
{
    const Thread *parent = here == NULL || scheduleCalledBack(here) ? NULL : here->current;
    return parent == NULL ? 0 : parent->node.tag & TAG_MASKING;
}

static int makeThread(Capability *here, const ThreadAttributes *attributes, TaskBody *task,
                      ThreadFn *fn, void *env, bool handle, Thread **made)
{
    uint64_t id;
    int masking = (int)inherited(here);
    int tag = attributes == NULL ? masking : tagOf(attributes, masking);
    if (tag < 0)
        return tag;
    Thread *thread = takeDescriptor(here, &id);
    if (thread == NULL)
        return threadPoolIsClosed() ? -ESHUTDOWN : -ENOMEM;
    if (attributes != NULL && attributes->label != NULL &&
        threadLabel(thread, attributes->label) != 0) {
        freeThread(thread, here);
        return -ENOMEM;
    }
    uint32_t bits = (uint32_t)tag;
    bool bound = attributes != NULL && attributes->bound;
    int refused = bound ? boundMake(thread, &bits) : 0;
    if (refused != 0) {
        freeThread(thread, here);
        return refused;
    }
    if (task != NULL) {
        threadBeginTask(thread, task, &bits);
        interruptSetTask(thread, true);
    }
    beginThread(thread, id, bits, fn, env, handle);
    if (bound)
        thread->runnable.run = boundRun;
    *made = thread;
    return 0;
}

int threadForkAs(Thread **handle, const ThreadAttributes *attributes, RunnableRun *run,
                 TaskBody *task, ThreadFn *fn, void *env)
{
    Capability *here = scheduleEnter();
    Thread *thread;
    int result = here != NULL ? 0 : startupEnter();
    if (result != 0)
        return result;
    result = makeThread(here, attributes, task, fn, env, handle != NULL, &thread);
    if (result == 0) {
        if (run != NULL)
            thread->runnable.run = run;
        if (handle != NULL)
            *handle = thread;
        if (LIKELY(here != NULL)) {
            COUNT(&schedulerOf(here)->forks, 1);
            scheduleNewborn(thread, here);
        } else {
            drainForked();
            scheduleReady(thread, NULL);
        }
    }
    if (here == NULL)
        startupLeave();
    else
        scheduleSafepoint(here);
    return result;
}

int threadForkWith(Thread **handle, const ThreadAttributes *attributes, ThreadFn *fn, void *env)
{
    return fn == NULL ? -EINVAL : threadForkAs(handle, attributes, NULL, NULL, fn, env);
}

/* threadForkWith without attributes on a capability. */
int threadFork(Thread **handle, ThreadFn *fn, void *env)
{
    Capability *here = scheduleEnter();
    if (UNLIKELY(here == NULL || fn == NULL))
        return threadForkWith(handle, NULL, fn, env);
    ThreadCache *cache = &schedulerOf(here)->threads;
    Thread *thread = threadCacheTake(cache);
    if (UNLIKELY(thread == NULL))
        return threadPoolIsClosed() ? -ESHUTDOWN : -ENOMEM;
    beginThread(thread, threadCacheId(cache), inherited(here), fn, env, handle != NULL);
    if (handle != NULL)
        *handle = thread;
    COUNT(&schedulerOf(here)->forks, 1);
    scheduleNewborn(thread, here);
    scheduleSafepoint(here);
    return 0;
}

int threadForkOn(Thread **handle, uint32_t capability, ThreadFn *fn, void *env)
{
    uint32_t count = capabilityCount();
    ThreadAttributes attributes = {.pinned = count == 0 ? 0 : capability % count + 1};
    return threadForkWith(handle, &attributes, fn, env);
}

/* Wake them, but for one that is alone, parked and may run anywhere: that one is returned. */
static Thread *wakeJoiners(WatchNode *joiners, Capability *capability)
{
    if (LIKELY(joiners != NULL && RELAXED_LOAD(&joiners->next) == NULL &&
               RELAXED_LOAD(&joiners->fire) == parkListedFired &&
               (joiners->tag & TAG_PINNED) == 0)) {
        Thread *joiner = threadOfNode(joiners);
        RELAXED_STORE(&joiners->linked, 0);
        claimSettle(&joiner->claim, 0);
        return joiner;
    }
    watchListFire(joiners, 0, capability);
    return NULL;
}

/* Somebody joins it, or nobody has a handle. */
static __attribute__((noinline)) Thread *endSlow(Thread *thread, Capability *capability)
{
    Thread *joiner = NULL;
    WatchNode *joiners;
    uint64_t id = RELAXED_LOAD(&thread->id);
    if (!watchListCloseMarked(&thread->ended, 1, &joiners)) { /* publishes the result */
        interruptEnd(thread, id, capability);
        joiner = wakeJoiners(joiners, capability);
    } else { /* a joiner whose handle was given back under its feet is woken all the same */
        watchListFire(joiners, 0, capability);
        freeThread(thread, capability);
    }
    drainEnded();
    return joiner;
}

Thread *threadEnded(Thread *thread, void *result, Capability *capability)
{
    WatchList nobody = 0;
    uint64_t id = RELAXED_LOAD(&thread->id);
    RELAXED_STORE(&thread->fn_or_result, result);
    threadSetStatus(thread, ThreadFinished, -1);
    COUNT(&schedulerOf(capability)->ended, 1);
    if (UNLIKELY(RELAXED_LOAD(&thread->ended) != 0 || !CAS_SEQ_CST(&thread->ended, &nobody, ENDED)))
        return endSlow(thread, capability);
    interruptEnd(thread, id, capability); /* by then the descriptor may be another thread's */
    drainEnded();
    return NULL;
}

void threadRelease(Thread *thread)
{
    if (thread == NULL)
        return;
    bool ended = threadHasEnded(thread); /* before the count: it may have got itself a handle */
    bool alone = ended && ACQUIRE_LOAD(&thread->handles) == 1;
    if (!alone && ADD_ACQ_REL(&thread->handles, (uint32_t)-1) != 1)
        return;
    if (ended || !watchListMark(&thread->ended, 0))
        freeThread(thread, scheduleHere());
}

/* One more handle of a thread that cannot end meanwhile.  True: it is the only one. */
static inline bool addHandle(Thread *thread)
{
    uint32_t handles = ADD_ACQUIRE(&thread->handles, 1); /* the unmarking before a release to 0 */
    ASSERT_CMP(handles, <, HANDLES_MOST);
    return handles == 0;
}

/* It had none: See Note [Thread references]. */
static void takeBackMark(Thread *thread)
{
    int spins = 0;
    while ((RELAXED_LOAD(&thread->ended) & WATCH_MARK) == 0)
        turnWait(&spins);
    watchListUnmark(&thread->ended);
}

Thread *threadRetain(Thread *thread)
{
    if (UNLIKELY(addHandle(thread))) {
        ASSERT(thread == scheduleSelf());
        takeBackMark(thread);
    }
    return thread;
}

Thread *threadRetainLiving(Thread *thread, uint64_t id)
{
    if (id == 0 || !watchListHold(&thread->ended, 0))
        return NULL;
    bool same = RELAXED_LOAD(&thread->id) == id;
    if (same && addHandle(thread))
        takeBackMark(thread);
    watchListLetGo(&thread->ended, scheduleHere());
    return same ? thread : NULL;
}

int threadOutcome(const Thread *thread, void **result)
{
    uint32_t tag = thread->node.tag;
    if (UNLIKELY((tag & TAG_NOT_BEGUN) != 0))
        return threadIsTask(thread) ? -EPROTO : -EINTR;
    if (UNLIKELY((tag & TAG_UNRUN) != 0))
        return tag & TAG_LOST ? -ESRCH : -ENOMEM;
    if (result != NULL)
        *result = thread->fn_or_result;
    return 0;
}

int threadYield(void)
{
    return scheduleYield();
}

int threadSafepoint(void)
{
    Capability *here = scheduleEnter();
    if (UNLIKELY(here == NULL))
        return 0;
    Thread *self = here->current; /* whatever capability it runs on afterwards */
    scheduleSafepoint(here);
    if (LIKELY(self == NULL || RELAXED_LOAD(&self->interrupts) == 0))
        return 0;
    return scheduleSelfHere() == NULL ? 0 : interruptPointSlow(self);
}

Thread *threadSelf(void)
{
    return scheduleSelf();
}

uint64_t threadId(const Thread *thread)
{
    return RELAXED_LOAD(&thread->id);
}

int threadCompare(const Thread *left, const Thread *right)
{
    uint64_t a = threadId(left), b = threadId(right);
    return (a > b) - (a < b);
}

int threadCapability(void)
{
    Capability *here = scheduleEnter();
    return here == NULL ? -EPERM : (int)here->index;
}

int threadCapabilityLast(void)
{
    Capability *here = scheduleHere();
    Worker *away = here != NULL ? NULL : workerAway();
    if (away != NULL)
        here = away->capability;
    return here == NULL ? -EPERM : (int)here->index;
}

ThreadStatus threadStatus(const Thread *thread)
{
    uint32_t word = RELAXED_LOAD(&thread->status);
    ThreadStatus status = {.state = (ThreadState)(word & 0xff), .fd = -1};
    if (status.state == ThreadBlockedOnRead || status.state == ThreadBlockedOnWrite)
        status.fd = (int)(word >> 8);
    if (status.state == ThreadFinished && !threadHasEnded(thread))
        status.state = ThreadRunning; /* joins do not know of it yet */
    if (status.state == ThreadFinished && (RELAXED_LOAD(&thread->node.tag) & TAG_DIED) != 0)
        status.state = ThreadDied;
    if (status.state == ThreadRunning) {
        status.state = ThreadReady;
        for (uint32_t i = 0; i < capabilityTableCount(); i++) {
            if (RELAXED_LOAD(&capabilities.items[i]->current) == thread)
                status.state = ThreadRunning;
        }
    }
    return status;
}

int threadLabel(Thread *thread, const char *label)
{
    char *fresh = memoryAllocate(startupAllocator(), LABEL_SIZE, 1);
    if (fresh == NULL)
        return -ENOMEM;
    strncpy(fresh, label, LABEL_SIZE - 1);
    fresh[LABEL_SIZE - 1] = 0;
    spinLock(&label_lock);
    char *old = thread->label;
    thread->label = fresh;
    spinUnlock(&label_lock);
    if (old != NULL)
        memoryRelease(startupAllocator(), old, LABEL_SIZE, 1);
    return 0;
}

size_t threadLabelOf(const Thread *thread, char *buffer, size_t size)
{
    char label[LABEL_SIZE] = "";
    spinLock(&label_lock);
    if (thread->label != NULL)
        memcpy(label, thread->label, LABEL_SIZE);
    spinUnlock(&label_lock);
    size_t length = strlen(label);
    if (size > 0) {
        size_t kept = length < size ? length : size - 1;
        memcpy(buffer, label, kept);
        buffer[kept] = 0;
    }
    return length;
}
