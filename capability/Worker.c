/* Worker.c -- an OS thread and the capability it carries.
 *
 * Owns    the OS threads "capri/N", their thread-local word, their timer slack.
 * Before  rts/Startup.c.   After  the upper floor's loop, through WorkerHooks.
 * Tests   testsuite/unit/WorkerTest.c
 *
 * Note [Worker capability]
 *   A green thread may move to another OS thread at any switch, but a compiler computes the
 *   address of a thread-local variable once per function and keeps it.  So no C code reads the
 *   variable: on x86-64 a volatile asm statement loads it relative to %fs each time it is reached;
 *   elsewhere one function does that is never inlined nor cloned, whose own asm statement keeps
 *   callers from merging two calls of it.
 */
#include "capability/Worker.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum { WORKER_NAME_BYTES = 24, WORKER_TIMER_SLACK_NS = 1 };

/* Written by its own OS thread, read by workerCapability. */
__thread Capability *worker_capability __attribute__((visibility("hidden"), used));

/* Its own OS thread only, which carries no capability: it does not change under anyone. */
static __thread void *worker_outside;

static Worker
    workers[CAPABILITY_MOST]; /* [i] carries capability i; its OS thread's, while that runs */
static uint32_t worker_count; /* start, stop and workerAdd */

/* The start-up: everyone arrives, then all go or all leave. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t arrived;                 /* lock: and not yet gone on */
    int result;                       /* lock: the first failure, or 0 */
    enum { Wait, Go, Leave } verdict; /* lock */
} gathering = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

#if !defined(__x86_64__) || defined(SMP_MODEL)
#ifdef __clang__
__attribute__((noinline))
#else
__attribute__((noinline, noclone))
#endif
Capability *
workerCapability(void) /* See Note [Worker capability] */
{
    Capability *capability = worker_capability;
    __asm__ volatile("" : "+r"(capability)::"memory");
    return capability;
}
#endif

void *workerOutside(void)
{
    return worker_outside;
}

void workerSetOutside(void *word)
{
    worker_outside = word;
}

/* Tell how hooks->start went and wait for the others.  True: go. */
static bool arrive(int result)
{
    pthread_mutex_lock(&gathering.lock);
    gathering.arrived++;
    if (gathering.result == 0)
        gathering.result = result;
    pthread_cond_broadcast(&gathering.changed);
    while (gathering.verdict == Wait)
        pthread_cond_wait(&gathering.changed, &gathering.lock);
    bool go = gathering.verdict == Go;
    gathering.arrived--;
    pthread_cond_broadcast(&gathering.changed);
    pthread_mutex_unlock(&gathering.lock);
    return go;
}

static void nameSelf(const Worker *worker)
{
    char name[WORKER_NAME_BYTES];
    snprintf(name, sizeof name, "capri/%u", worker->capability->index);
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

static void *runWorker(void *argument)
{
    Worker *worker = argument;
    const WorkerHooks *hooks = worker->hooks;
    worker_capability = worker->capability;
    nameSelf(worker);
    prctl(PR_SET_TIMERSLACK, (unsigned long)WORKER_TIMER_SLACK_NS, 0, 0, 0);
    int result = hooks->start == NULL ? 0 : hooks->start(worker);
    if (arrive(result))
        hooks->loop(worker);
    if (result == 0 && hooks->end != NULL)
        hooks->end(worker);
    worker_capability = NULL;
    return NULL;
}

static void gather(void)
{
    ASSERT_CMP(gathering.arrived, ==, 0);
    gathering.result = 0;
    gathering.verdict = Wait;
}

/* An OS thread for `capability`, whose number is the next. */
static int createWorker(Capability *capability, const WorkerHooks *hooks)
{
    Worker *worker = &workers[capability->index];
    ASSERT(hooks->loop != NULL);
    memset(worker, 0, sizeof *worker);
    worker->capability = capability;
    worker->hooks = hooks;
    return pthread_create(&worker->thread, NULL, runWorker, worker) == 0 ? 0 : -EAGAIN;
}

/* Wait until the first `created` have arrived, then give the verdict.  made: to be published if it
 * is good, or NULL. */
static int judge(uint32_t created, int result, Capability *made)
{
    pthread_mutex_lock(&gathering.lock);
    while (gathering.arrived < created)
        pthread_cond_wait(&gathering.changed, &gathering.lock);
    if (result == 0)
        result = gathering.result;
    if (result == 0 && made != NULL)
        capabilityTablePublish(made);
    gathering.verdict = result == 0 ? Go : Leave;
    pthread_cond_broadcast(&gathering.changed);
    while (gathering.arrived != 0) /* all have heard it: the next gathering may begin */
        pthread_cond_wait(&gathering.changed, &gathering.lock);
    pthread_mutex_unlock(&gathering.lock);
    return result;
}

static void joinFirst(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
}

int workerStartAll(const WorkerHooks *hooks)
{
    uint32_t created = 0;
    int result = 0;
    ASSERT_CMP(worker_count, ==, 0);
    gather();
    for (; created < capabilityTableCount() && result == 0; created += result == 0) {
        Capability *capability = capabilities.items[created];
        RELAXED_STORE(&capability->mode, CapabilityEnabled);
        RELAXED_STORE(&capability->attention, 0);
        result = createWorker(capability, hooks);
    }
    result = judge(created, result, NULL);
    if (result != 0)
        joinFirst(created);
    else
        worker_count = created;
    return result;
}

int workerAdd(Capability *made, const WorkerHooks *hooks)
{
    ASSERT_CMP(made->index, ==, worker_count);
    gather();
    int result = createWorker(made, hooks);
    if (result != 0)
        return result;
    result = judge(1, 0, made);
    if (result != 0)
        pthread_join(workers[made->index].thread, NULL);
    else
        worker_count++;
    return result;
}

void workerStopAll(void)
{
    for (uint32_t i = 0; i < worker_count; i++) {
        Capability *capability = workers[i].capability;
        OR_SEQ_CST(&capability->mode, CapabilityStopped);
        OR_SEQ_CST(&capability->attention, AttentionStop);
        idleWakeFor(capability);
    }
    joinFirst(worker_count);
    worker_count = 0;
}

void workerSurvive(Capability *kept)
{
    gathering.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    gathering.changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    gathering.arrived = 0;
    worker_count = 0;
    if (kept == NULL)
        return;
    uint32_t carrier = 0;
    while (workers[carrier].capability != kept)
        carrier++;
    if (carrier != 0)
        workers[0] = workers[carrier];
    workers[0].capability = kept;
    worker_capability = kept;
    nameSelf(&workers[0]);
    worker_count = 1;
}

void workerForget(void)
{
    worker_capability = NULL;
}
