/* LoopStack.c -- the OS thread's own stack, where a worker's loop lies.
 *
 * Owns    LoopStack's bounds, the way back of a thread that has lost its capability.
 * Before  capability/Worker.c: an OS thread begins.   After  rts/Schedule.c: its loop.
 * Tests   testsuite/unit/ForeignCallTest.c, testsuite/unit/ScheduleTest.c
 *
 * See Note [Loop stacks].
 */
#include "rts/LoopStack.h"

#include "capability/CapabilityTable.h"
#include "rts/Schedule.h"

#include <errno.h>
#include <pthread.h>

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MAKE_MEM_UNDEFINED(memory, size) ((void)(memory), (void)(size))
#endif

enum { TOLD = 64 }; /* what a call pushes; what comes later valgrind sees by itself */

int loopStackInit(LoopStack *loop)
{
    pthread_attr_t attributes;
    void *bottom;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return -ENOMEM;
    pthread_attr_getstack(&attributes, &bottom, &loop->size);
    pthread_attr_destroy(&attributes);
    loop->bottom = bottom;
    loop->lost = loop->away = NULL;
    loop->gone = false;
    loop->watched = RUNNING_ON_VALGRIND != 0;
#ifdef SANITIZE_THREAD
    loop->tools.fibre = __tsan_get_current_fiber();
#endif
    return 0;
}

void loopStackTell(void *top)
{
    void *told = (char *)top - TOLD;
    VALGRIND_MAKE_MEM_UNDEFINED(told, TOLD);
}

__attribute__((noinline)) Capability *loopStackLeave(LoopStack *loop, Thread *self)
{
    loop->lost = self;
    Capability *here = switchStacks(&self->sp, &self->stack->tools, loop->sp, NULL, loop, NULL);
    scheduleResumed(here);
    return here;
}

/* Where a thread goes that may run anywhere: to whoever sleeps, best where it was. */
static Capability *chooseTarget(Capability *former)
{
    uint64_t sleeping = RELAXED_LOAD(&idle.sleeping);
    if (sleeping != 0 && (sleeping & UINT64_C(1) << former->index) == 0)
        return capabilities.items[__builtin_ctzll(sleeping)];
    return former->index < capabilityTableEnabled() ? former : capabilityTablePick();
}

void loopStackReturn(LoopStack *loop, Capability *former)
{
    Thread *lost = loop->lost;
    if (lost == NULL)
        return;
    loop->lost = NULL;
    if ((lost->node.tag & TAG_PINNED) != 0)
        scheduleReady(lost, NULL);
    else
        capabilitySend(chooseTarget(former), &lost->runnable, false);
}
