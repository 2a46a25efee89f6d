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

#include "capability/Call.h"
#include "capability/CapabilityTable.h"
#include "capability/Halt.h"
#include "capability/Idle.h"
#include "capability/Spare.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* See Note [Worker capability]. */
#ifdef __clang__
#define NOT_INLINED __attribute__((noinline))
#else
#define NOT_INLINED __attribute__((noinline, noclone))
#endif

enum { WORKER_NAME_BYTES = 24, WORKER_TIMER_SLACK_NS = 1 };

/* Written by its own OS thread, read by workerCapability. */
__thread Capability *worker_capability __attribute__((visibility("hidden"), used));

/* Its own OS thread only, which carries no capability: it does not change under anyone. */
static __thread void *worker_outside;
static __thread uint32_t worker_stays;

/* Its own OS thread only, a signal handler there too: See workerAway. */
static __thread Worker *worker_away;

/* Its own OS thread only: 0 until it is asked. */
static __thread uint64_t worker_os_thread;
static uint64_t worker_os_threads; /* anyone: relaxed add */

/* Its own OS thread only. */
static __thread bool worker_helps;

typedef enum WorkerState {
    WorkerFree = 0,
    WorkerRuns,
    WorkerEnded /* its OS thread is a plain one that ends, and wants to be joined */
} WorkerState;

static struct {
    pthread_mutex_t lock;
    uint32_t used;             /* lock: slots that were ever used */
    sigset_t mask;             /* of who called workerStartAll; written before the first begins */
    bool has_mask;             /* likewise */
    Worker items[WORKER_MOST]; /* [i].state: lock */
} workers = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The start-up: everyone arrives, then all go or all leave. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t arrived;                 /* lock: and not yet gone on */
    int result;                       /* lock: the first failure, or 0 */
    enum { Wait, Go, Leave } verdict; /* lock */
} gathering = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

#if !defined(__x86_64__) || defined(SMP_MODEL)
NOT_INLINED Capability *workerCapability(void)
{
    Capability *capability = worker_capability;
    __asm__ volatile("" : "+r"(capability)::"memory");
    return capability;
}

NOT_INLINED void workerCarry(Capability *capability)
{
    worker_capability = capability;
    __asm__ volatile("" ::: "memory");
}
#endif

/* ---- Slots. ---- */

/* Under the lock.  One that has ended may have destructors of thread-local values to run, which
 * wait for anything: nobody waits for it here. */
static bool isFree(const Worker *worker)
{
    return worker->state == WorkerFree ||
           (worker->state == WorkerEnded && pthread_tryjoin_np(worker->thread, NULL) == 0);
}

/* A slot for a new OS thread, NULL: all are taken. */
static Worker *takeSlot(void)
{
    Worker *found = NULL;
    pthread_mutex_lock(&workers.lock);
    for (uint32_t i = 0; i < WORKER_MOST && found == NULL; i++) {
        Worker *worker = &workers.items[i];
        if (!isFree(worker))
            continue;
        worker->state = WorkerRuns;
        worker->begun = false; /* `self` is still who had it before */
        if (i >= workers.used)
            workers.used = i + 1;
        found = worker;
    }
    pthread_mutex_unlock(&workers.lock);
    return found;
}

static void giveSlot(Worker *worker, WorkerState state)
{
    pthread_mutex_lock(&workers.lock);
    worker->state = state;
    pthread_mutex_unlock(&workers.lock);
}

uint32_t workerCount(void)
{
    uint32_t count = 0;
    pthread_mutex_lock(&workers.lock);
    for (uint32_t i = 0; i < workers.used; i++)
        count += workers.items[i].state != WorkerFree;
    pthread_mutex_unlock(&workers.lock);
    return count;
}

void workerSetHelper(void)
{
    worker_helps = true;
}

bool workerIsHere(void)
{
    bool found = worker_helps;
    pthread_mutex_lock(&workers.lock);
    for (uint32_t i = 0; i < workers.used && !found; i++) {
        Worker *worker = &workers.items[i];
        found = worker->begun && worker->state == WorkerRuns &&
                pthread_equal(worker->self, pthread_self()) != 0;
    }
    pthread_mutex_unlock(&workers.lock);
    return found;
}

/* All that run are about to end: join them and those that have. */
static void joinAll(void)
{
    for (uint32_t i = 0; i < workers.used; i++) {
        Worker *worker = &workers.items[i];
        pthread_mutex_lock(&workers.lock);
        bool taken = worker->state != WorkerFree;
        pthread_mutex_unlock(&workers.lock);
        if (!taken)
            continue;
        pthread_join(worker->thread, NULL);
        giveSlot(worker, WorkerFree);
    }
}

uint32_t workerNumber(const Worker *worker)
{
    return (uint32_t)(worker - workers.items);
}

Worker *workerOfNumber(uint32_t number)
{
    ASSERT_CMP(number, <, WORKER_MOST);
    return &workers.items[number];
}

bool workerOwns(const EventManager *manager)
{
    const Capability *here = workerCapability();
    return here != NULL && &here->manager == manager;
}

void *workerOutside(void)
{
    return worker_outside;
}

void workerSetOutside(void *word)
{
    worker_outside = word;
}

uint32_t workerStays(void)
{
    return worker_stays;
}

void workerSetStays(uint32_t stays)
{
    worker_stays = stays;
}

/* Who asks may come back elsewhere: See Note [Worker capability]. */
NOT_INLINED Worker *workerAway(void)
{
    Worker *worker = worker_away;
    __asm__ volatile("" : "+r"(worker)::"memory");
    return worker;
}

/* Likewise. */
NOT_INLINED uint64_t workerOsThread(void)
{
    if (worker_os_thread == 0)
        worker_os_thread = ADD_RELAXED(&worker_os_threads, 1) + 1;
    uint64_t number = worker_os_thread;
    __asm__ volatile("" : "+r"(number)::"memory");
    return number;
}

void workerSetAway(Worker *worker)
{
    worker_away = worker;
}

/* A carrier may have lost it long ago and be about to end: under the lock it has not. */
void workerSignal(Capability *capability, int number)
{
    pthread_mutex_lock(&workers.lock);
    Worker *carrier = ACQUIRE_LOAD(&capability->carrier);
    if (carrier != NULL && carrier->state == WorkerRuns && carrier->begun)
        pthread_kill(carrier->self, number);
    pthread_mutex_unlock(&workers.lock);
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

/* ---- The OS thread. ---- */

static void nameSelf(const Worker *worker)
{
    char name[WORKER_NAME_BYTES];
    if (worker->guest)
        return;
    snprintf(name, sizeof name, "capri/%u", worker->capability->index);
    prctl(PR_SET_NAME, name, 0, 0, 0);
}

static void waitFutex(uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void workerGive(Worker *worker, Capability *capability)
{
    if (capability != NULL)
        worker->capability = capability;
    RELEASE_STORE(&worker->given, capability != NULL ? 1 : 2);
    syscall(SYS_futex, &worker->given, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* See Note [Bound workers].  False: it ends. */
static bool awaitGiven(Worker *worker)
{
    uint32_t given;
    while ((given = ACQUIRE_LOAD(&worker->given)) == 0)
        waitFutex(&worker->given, 0);
    RELAXED_STORE(&worker->given, 0);
    return given == 1;
}

static bool awaitCapability(Worker *worker)
{
    if (worker->bound != NULL)
        return awaitGiven(worker);
    return worker->capability != NULL || spareAwait(worker);
}

/* Carry one capability after the other.  A bound one's is its giver's to set. */
static void serve(Worker *worker)
{
    while (!worker->over && awaitCapability(worker)) {
        RELEASE_STORE(&worker->capability->carrier, worker);
        workerCarry(worker->capability);
        nameSelf(worker);
        worker->hooks->loop(worker);
        if (workerCapability() != NULL)
            return; /* stopped */
        if (worker->bound == NULL)
            worker->capability = NULL;
    }
}

static void noteClock(Worker *worker)
{
    clockid_t clock;
    bool known = pthread_getcpuclockid(pthread_self(), &clock) == 0;
    RELAXED_STORE(&worker->cpu_clock, known ? clock : 0);
}

static void *runWorker(void *argument)
{
    Worker *worker = argument;
    const WorkerHooks *hooks = worker->hooks;
    noteClock(worker);
    if (workers.has_mask) /* whoever made it may block all: the Monitor, the blocking pool */
        pthread_sigmask(SIG_SETMASK, &workers.mask, NULL);
    pthread_mutex_lock(&workers.lock);
    worker->self = pthread_self();
    worker->begun = true;
    pthread_mutex_unlock(&workers.lock);
    if (worker->bound == NULL && worker->capability != NULL) {
        workerCarry(worker->capability);
        nameSelf(worker);
    }
    prctl(PR_SET_TIMERSLACK, (unsigned long)WORKER_TIMER_SLACK_NS, 0, 0, 0);
    int result = hooks->start == NULL ? 0 : hooks->start(worker);
    /* A bound one comes what may: its thread waits for it. */
    if (worker->gathers ? arrive(result) : result == 0 || worker->bound != NULL)
        serve(worker);
    else if (worker->coming)
        spareFailed();
    if (result == 0 && hooks->end != NULL)
        hooks->end(worker);
    workerCarry(NULL);
    giveSlot(worker, WorkerEnded);
    return NULL;
}

static void gather(void)
{
    ASSERT_CMP(gathering.arrived, ==, 0);
    gathering.result = 0;
    gathering.verdict = Wait;
}

/* An OS thread in a slot of its own.  NULL: none to be had. */
static Worker *createWorker(const WorkerHooks *hooks, Worker like)
{
    Worker *worker = takeSlot();
    ASSERT(hooks->loop != NULL);
    if (worker == NULL)
        return NULL;
    worker->capability = like.capability; /* not its call: the Monitor may look at that */
    worker->bound = like.bound;
    worker->gathers = like.gathers;
    worker->coming = like.coming;
    worker->over = false;
    worker->hooks = hooks;
    memset(worker->upper, 0, sizeof worker->upper);
    RELAXED_STORE(&worker->given, 0);
    if (pthread_create(&worker->thread, NULL, runWorker, worker) == 0)
        return worker;
    giveSlot(worker, WorkerFree);
    return NULL;
}

static Worker *createGathered(Capability *capability, const WorkerHooks *hooks)
{
    return createWorker(hooks, (Worker){.capability = capability, .gathers = true});
}

int workerMakeSpare(const WorkerHooks *hooks)
{
    return createWorker(hooks, (Worker){.coming = true}) != NULL ? 0 : -EAGAIN;
}

Worker *workerMakeBound(const WorkerHooks *hooks, void *bound)
{
    return createWorker(hooks, (Worker){.bound = bound});
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

int workerStartAll(const WorkerHooks *hooks)
{
    uint32_t created = 0;
    int result = 0;
    ASSERT_CMP(workerCount(), ==, 0);
    callStart();
    gather();
    workers.has_mask = pthread_sigmask(SIG_SETMASK, NULL, &workers.mask) == 0;
    for (; created < capabilityTableCount() && result == 0; created += result == 0) {
        Capability *capability = capabilities.items[created];
        RELAXED_STORE(&capability->mode, CapabilityEnabled);
        RELAXED_STORE(&capability->attention, 0);
        haltReclaim(capability); /* a fork's child's lay there */
        result = createGathered(capability, hooks) != NULL ? 0 : -EAGAIN;
    }
    result = judge(created, result, NULL);
    if (result != 0)
        joinAll();
    return result;
}

int workerAdd(Capability *made, const WorkerHooks *hooks)
{
    gather();
    Worker *worker = createGathered(made, hooks);
    return worker == NULL ? -EAGAIN : judge(1, 0, made); /* ended: joined later */
}

void workerStopAll(void)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Capability *capability = capabilities.items[i];
        OR_SEQ_CST(&capability->mode, CapabilityStopped);
        OR_SEQ_CST(&capability->attention, AttentionStop);
        idleWakeFor(capability);
    }
    spareStop();
    joinAll();
}

void workerSurvive(Worker *self, Capability *kept)
{
    gathering.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    gathering.changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    gathering.arrived = 0;
    workers.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    for (uint32_t i = 0; i < workers.used; i++) {
        Worker *worker = &workers.items[i];
        worker->state = worker == self ? WorkerRuns : WorkerFree;
        callForget(&worker->call); /* it may have been in one, and held for the fork */
    }
    RELAXED_STORE(&call_away, 0);
    spareSurvive(self != NULL && self->bound != NULL);
    if (self == NULL)
        return;
    noteClock(self); /* its OS thread has another number here */
    self->capability = kept;
    RELAXED_STORE(&kept->carrier, self);
    workerCarry(kept);
    nameSelf(self);
}

void workerForget(void)
{
    workers.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    for (uint32_t i = 0; i < workers.used; i++)
        workers.items[i].begun = false;
    workerCarry(NULL);
    worker_away = NULL;
    worker_helps = false;
}
