/* LoopStack.h -- the OS thread's own stack, where a worker's loop lies; from one stack to another.
 *
 * Note [Loop stacks]
 *   A worker's loop runs on the stack of its OS thread and lies there while green threads run; what
 *   is known of it belongs to the OS thread (Worker.upper), and Scheduler.loop is the one of who
 *   carries the capability now.  Below the loop's saved frames the stack is free: calls run there
 *   (See Note [Foreign calls]).  Whoever comes back from one and finds the capability gone resumes
 *   the loop with NULL in its place, and leaves the thread in `lost`: the loop returns, and then
 *   queues that thread, whose stack is saved by then.
 */
#ifndef RTS_LOOP_STACK_H
#define RTS_LOOP_STACK_H

#include "capability/Worker.h"
#include "rts/Thread.h"
#include "rts/context/Context.h"
#include "rts/context/Sanitizer.h"

/* The OS thread's own stack; its OS thread only. */
typedef struct LoopStack {
    void *sp;         /* the loop, while a thread runs */
    StackTools tools; /* for the sanitizers, as the next two */
    const void *bottom;
    size_t size;
    bool watched; /* by valgrind, which must be told of calls there */
    Thread *lost; /* left without a capability: to be queued once the loop is resumed */
    Thread *away; /* handed over, and not back yet: See Note [Runaways] */
    bool gone;    /* likewise: it knows that the capability has been taken */
} LoopStack;

_Static_assert(sizeof(LoopStack) <= sizeof((Worker *)0)->upper, "raise WORKER_UPPER_WORDS");

static inline LoopStack *loopStackOf(Worker *worker)
{
    return (LoopStack *)(void *)worker->upper;
}

static inline Worker *workerOfLoop(LoopStack *loop)
{
    return (Worker *)(void *)((char *)loop - offsetof(Worker, upper));
}

/* loopStackInit -- on its own OS thread.  0 or -ENOMEM. */
int loopStackInit(LoopStack *loop);

/* loopStackTell -- valgrind: what is below `top` may be used now. */
void loopStackTell(void *top);

/* loopStackLeave -- on self's stack: the capability has been taken.  Returns with another one,
 * perhaps on another OS thread. */
Capability *loopStackLeave(LoopStack *loop, Thread *self);

/* loopStackReturn -- the loop has been left without a capability: queue who was lost, so that he
 * gets one; best the one he had. */
void loopStackReturn(LoopStack *loop, Capability *former);

/* switchStacks -- See Note [Sanitizer switch].  from: NULL when the context we leave has ended;
 * stack: NULL for the OS thread's own, which is `loop`.  pass: what the other side returns. */
NO_INSTRUMENT static inline Capability *switchStacks(void **save, StackTools *from, void *load,
                                                     Stack *stack, LoopStack *loop,
                                                     Capability *pass)
{
    (void)from;
    (void)stack;
    (void)loop;
#ifdef SANITIZE_ADDRESS
    const void *bottom = stack == NULL ? loop->bottom : stackBottom(stack);
    size_t size = stack == NULL ? loop->size : stackUsable(stack);
    __sanitizer_start_switch_fiber(from == NULL ? NULL : &from->fake_stack, bottom, size);
#endif
#ifdef SANITIZE_THREAD
    __tsan_switch_to_fiber(stack == NULL ? loop->tools.fibre : stack->tools.fibre, 0);
#endif
    Capability *capability = contextSwitch(save, load, pass);
#ifdef SANITIZE_ADDRESS
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
    return capability;
}

#endif
