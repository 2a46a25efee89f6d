/* TaskStage.h -- where TaskModel.c plays: one task, the OS threads that carry it, what else is
 * linked.
 *
 * Real are the task's way from queue to queue (taskRun: finish, step, verdict, arming), its waits,
 * and interrupts.  The run queue is a word that holds the task or does not; who finds it there may
 * take it.
 */
#ifndef MODEL_TASK_STAGE_H
#define MODEL_TASK_STAGE_H

#include "rts/MVar.h"
#include "rts/Park.h"
#include "rts/Startup.h"
#include "rts/TaskWait.h"
#include "rts/stm/TVar.h"
#include "testsuite/model/Explorer.h"
#include "testsuite/model/OutsideStubs.h"
#include "testsuite/model/PoolStubs.h"
#include "testsuite/model/TaskSTMStubs.h"

#include <errno.h>

enum { CARRIERS = 2, NOW_NS = 1, LATER_NS = 2 };

typedef struct State {
    Thread task;
    TaskBody body;
    MVar mvar;
    TVar tvar;
    Thread other; /* whose end is waited for */
    Interrupt posted;
    Capability capabilities[CARRIERS];                     /* of the first model threads */
    void (*begin)(struct State *state, TaskContext *step); /* constant: what it waits for */
    uint64_t frame;    /* plain: the host's; how many steps there were */
    uint64_t cell;     /* plain: what the value 1 points to; written before it is put */
    uint32_t ready;    /* the run queue: 1: it is there */
    uint32_t queued;   /* times it was put there, for check */
    uint32_t over;     /* relaxed: it has ended */
    uint64_t timed;    /* the wait that has a timer */
    uint32_t carriers; /* constant: how many of the model threads have a capability */
    bool no_timer;     /* constant: there is no room for one */
    bool again;        /* constant: what came is waited for once more */
    bool tells;        /* constant: what came tells that `cell` is written */
    int status, put;   /* the last step's; who put or took something beside the task */
    uintptr_t got;
    uint32_t caught;
} State;

static State *current; /* the one state of this execution */

/* ---- What the code under test needs of the scheduler ----------------------------------------- */

Capability *workerCapability(void)
{
    int thread = modelThread();
    return thread >= 0 && (uint32_t)thread < current->carriers ? &current->capabilities[thread]
                                                               : NULL;
}

Capability *handOverReturn(void)
{
    return NULL; /* nobody is away */
}

Thread *scheduleSelf(void)
{
    Capability *here = workerCapability();
    return here == NULL ? NULL : here->current;
}

void scheduleReady(Thread *thread, Capability *here)
{
    (void)here;
    MODEL_CHECK(thread == &current->task);
    MODEL_CHECK(XCHG_RELEASE(&current->ready, 1) == 0); /* it is not there twice */
    current->queued++;
}

Runnable *schedulePop(Scheduler *scheduler, bool yielded)
{
    (void)scheduler, (void)yielded;
    return NULL; /* carry looks */
}

Thread *threadEnded(Thread *thread, void *result, Capability *capability)
{
    (void)result, (void)capability;
    MODEL_CHECK(thread == &current->task);
    RELAXED_STORE(&current->over, 1);
    return NULL;
}

void threadPoolEach(void (*visit)(Thread *thread, void *env), void *env)
{
    visit(&current->task, env);
}

static int64_t readClock(void *context)
{
    (void)context;
    return NOW_NS;
}

static const Clock still = {readClock, NULL};

/* A timer goes off when timeOut says so. */
int timerHeapArm(TimerHeap *heap, Timer *timer, uint64_t number, int64_t deadline_ns)
{
    (void)heap;
    if (current->no_timer)
        return -ENOMEM;
    timer->deadline_ns = deadline_ns;
    RELEASE_STORE(&current->timed, number);
    return 0;
}

void timerHeapDisarm(TimerHeap *heap, Timer *timer)
{
    (void)heap, (void)timer;
}

int threadJoin(Thread *thread, void **result)
{
    MODEL_CHECK(threadHasEnded(thread));
    *result = (void *)1;
    return 0;
}

void startupUncaught(Thread *thread, int code, void *payload)
{
    (void)thread, (void)code, (void)payload;
}

void outsideCancelAll(void)
{
}

/* The memory stays as it is. */
void poolGive(Pool *pool, void *item)
{
    (void)pool, (void)item;
}

/* ---- Linked, not reached --------------------------------------------------------------------- */

#define UNREACHED modelFail(__FILE__, __LINE__, "not reached")

void poolEach(Pool *pool, void (*visit)(void *item))
{
    (void)pool, (void)visit;
    UNREACHED;
}

Capability *schedulePark(Capability *capability)
{
    UNREACHED;
    return capability;
}

int scheduleParkListed(Capability *capability)
{
    (void)capability;
    UNREACHED;
    return 0;
}

void scheduleSafepointSlow(Capability *capability)
{
    (void)capability;
    UNREACHED;
}

int outsideWaitList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
                    int64_t deadline_ns)
{
    (void)list, (void)generation, (void)changed, (void)env, (void)deadline_ns;
    UNREACHED;
    return 0;
}

int threadForkAs(Thread **handle, const ThreadAttributes *attributes, RunnableRun *run,
                 TaskBody *task, ThreadFn *fn, void *env)
{
    (void)handle, (void)attributes, (void)run, (void)task, (void)fn, (void)env;
    UNREACHED;
    return 0;
}

uint64_t threadId(const Thread *thread)
{
    return RELAXED_LOAD(&thread->id);
}

size_t threadLabelOf(const Thread *thread, char *buffer, size_t size)
{
    (void)thread, (void)buffer, (void)size;
    UNREACHED;
    return 0;
}

void startupLog(const char *line)
{
    (void)line;
    UNREACHED;
}

/* Fds: TaskFdModel.c. */
bool taskFdArm(TaskContext *context, Capability *here)
{
    (void)context, (void)here;
    UNREACHED;
    return false;
}

int taskFdFinish(Thread *task, Capability *here)
{
    (void)task, (void)here;
    UNREACHED;
    return 0;
}

#endif
