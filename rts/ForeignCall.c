/* ForeignCall.c -- code that may block, on the OS thread it is on, its capability free to be taken.
 *
 * Owns    Worker.call, with capability/Call.c.
 * Before  the host.   After  capability/Monitor.c, if it lasts; rts/Schedule.c: the thread goes on.
 * Tests   testsuite/unit/ForeignCallTest.c, testsuite/unit/ForeignForkTest.c,
 *         testsuite/stress/ForeignCalls.c, testsuite/model/CallModel.c (the words)
 *
 * See Note [Call states] and Note [Loop stacks].
 *
 * Note [Foreign calls]
 *   enter  worker_capability = NULL: from here on this is a plain OS thread to all of the library;
 *          the thread stays Capability.current, and nothing is queued or saved
 *          L1: the capability may be taken
 *   leave  L2, and it was not: worker_capability again, and on: nothing else ran here meanwhile
 *          it was: the thread's stack is saved and the loop resumed with NULL; the loop queues it,
 *          and whoever resumes it has left somebody else for it
 *   In between a region runs on the thread's stack, a call on the OS thread's own, below the loop.
 *   A callback of a manager does not give its capability away: its frames use the manager.
 */
#include <capri/foreign.h>

#include "capability/Monitor.h"
#include "capability/Spare.h"
#include "rts/Foreign.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"
#include "rts/Step.h"

#include <errno.h>

enum { LOOP_MARGIN = 256 }; /* below what lies saved on the loop's stack: its red zone */

/* BlockingRegion, seen from here. */
typedef struct Region {
    Thread *thread; /* NULL: there is nothing to leave */
    Capability *capability;
    LoopStack *loop;
    void *frame_pointer, *registers[CONTEXT_KEPT]; /* its callers': See Note [Paused stacks] */
} Region;

_Static_assert(sizeof(Region) <= sizeof(BlockingRegion), "a region is what callers keep");

static inline Call *callOf(LoopStack *loop)
{
    return &workerOfLoop(loop)->call;
}

static inline int enter(Region *region)
{
    Capability *here = scheduleEnter();
    region->thread = NULL;
    if (UNLIKELY(here == NULL || scheduleCalledBack(here) || scheduleInStep(here)))
        return 0;
    if (UNLIKELY(spareIsExhausted()))
        return -EAGAIN;
    Thread *self = here->current;
    LoopStack *loop = schedulerOf(here)->loop;
    region->thread = self;
    region->capability = here;
    region->loop = loop;
    self->sp = __builtin_frame_address(0); /* for who stops the world: See Note [Paused stacks] */
    threadSetStatus(self, ThreadBlockedOnCall, -1);
    workerCarry(NULL);
    monitorCalled();
    callEnter(callOf(loop));
    return 0;
}

static inline void leave(Region *region)
{
    Thread *self = region->thread;
    Capability *here = region->capability;
    if (startupIsBroken()) /* forked in here: nothing is left to return to.  See Note [Forking] */
        startupBrokenEnd();
    if (LIKELY(callReturn(callOf(region->loop))))
        workerCarry(here);
    else
        here = loopStackLeave(region->loop, self);
    threadSetStatus(self, ThreadRunning, -1);
    scheduleSafepoint(here);
}

static __attribute__((noinline)) int enterRegion(Region *region)
{
    return enter(region);
}

/* As small as it is, it needs none of the registers that it keeps; the frame pointer it has saved
 * where that points to. */
NO_INSTRUMENT int threadBlockingEnter(BlockingRegion *blocking)
{
    Region *region = (Region *)(void *)blocking;
    contextKeep(region->registers);
    region->frame_pointer = *(void **)__builtin_frame_address(0);
    return enterRegion(region);
}

void threadBlockingLeave(BlockingRegion *blocking)
{
    Region *region = (Region *)(void *)blocking;
    if (region->thread != NULL)
        leave(region);
}

/* ---- Calls. ---- */

#ifdef SANITIZE_ADDRESS
typedef struct Crossing {
    ForeignFn *fn;
    void *arg;
    LoopStack *loop;
    Stack *home;
} Crossing;

/* On the OS thread's stack.  See Note [Sanitizer switch]. */
static void *cross(void *at)
{
    Crossing *crossing = at;
    LoopStack *loop = crossing->loop;
    __sanitizer_finish_switch_fiber(loop->tools.fake_stack, NULL, NULL);
    void *result = crossing->fn(crossing->arg);
    __sanitizer_start_switch_fiber(&loop->tools.fake_stack, stackBottom(crossing->home),
                                   stackUsable(crossing->home));
    return result;
}
#endif

NO_INSTRUMENT static inline void *callThere(LoopStack *loop, Stack *home, ForeignFn *fn, void *arg)
{
    void *top = (void *)(((uintptr_t)loop->sp - LOOP_MARGIN) & ~(uintptr_t)15), *result;
    (void)home;
    if (UNLIKELY(loop->watched))
        loopStackTell(top);
#ifdef SANITIZE_ADDRESS
    Crossing crossing = {fn, arg, loop, home};
    __sanitizer_start_switch_fiber(&home->tools.fake_stack, loop->bottom, loop->size);
    result = contextCall(top, cross, &crossing);
    __sanitizer_finish_switch_fiber(home->tools.fake_stack, NULL, NULL);
#else
#ifdef SANITIZE_THREAD
    __tsan_switch_to_fiber(loop->tools.fibre, 0);
#endif
    result = contextCall(top, fn, arg);
#ifdef SANITIZE_THREAD
    __tsan_switch_to_fiber(home->tools.fibre, 0);
#endif
#endif
    return result;
}

/* Where no OS thread can be kept: See Note [Steps and the Monitor]. */
typedef struct CallElsewhere {
    ForeignFn *fn;
    void *arg, *returned;
} CallElsewhere;

static void runElsewhere(void *env)
{
    CallElsewhere *call = env;
    call->returned = call->fn(call->arg);
    if (startupIsBroken()) /* as in leave */
        startupBrokenEnd();
}

static __attribute__((noinline)) int callElsewhere(ForeignFn *fn, void *arg, void **result)
{
    CallElsewhere call = {.fn = fn, .arg = arg};
    int refused = foreignRun(runElsewhere, &call);
    if (refused == -EPERM) { /* in a transaction */
        call.returned = fn(arg);
        refused = 0;
    }
    if (refused == 0 && result != NULL)
        *result = call.returned;
    return refused;
}

int foreignCall(ForeignFn *fn, void *arg, void **result)
{
    Region region;
    void *returned;
    if (UNLIKELY(fn == NULL))
        return -EINVAL;
    __builtin_unwind_init(); /* all registers are in this frame: See Note [Paused stacks] */
    int refused = enter(&region);
    if (UNLIKELY(refused != 0))
        return stepIsOn() ? callElsewhere(fn, arg, result) : refused;
    if (LIKELY(region.thread != NULL)) {
        returned = callThere(region.loop, region.thread->stack, fn, arg);
        leave(&region);
    } else {
        returned = fn(arg);
    }
    if (result != NULL)
        *result = returned;
    return 0;
}
