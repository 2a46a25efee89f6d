/* Spare.c -- OS threads without a capability, and capabilities without an OS thread.
 *
 * Owns    the queue of offered capabilities, Capability.next_offered; how many spares there may be.
 * Before  capability/Monitor.c: took one from a call.
 * After   capability/Worker.c: the OS thread that carries it on.
 * Tests   testsuite/unit/SpareTest.c, testsuite/stress/ForeignCalls.c
 *
 * See Note [Spares].
 */
#include "capability/Spare.h"

#include "capability/Capability.h"
#include "iomgr/Clock.h"

#include <errno.h>
#include <time.h>

enum { DEFAULT_MOST = 512, DEFAULT_IDLE_MS = 1000, MS_NS = 1000 * 1000 };

bool spare_exhausted;

static struct {
    pthread_mutex_t lock;        /* over everything below */
    pthread_cond_t changed;      /* something was offered, or stopping */
    Capability *oldest, *newest; /* offered; linked by next_offered */
    uint32_t offered;            /* how many: also read outside, relaxed */
    uint32_t idle;               /* spares in a wait */
    uint32_t coming;             /* made, but not in their first wait yet */
    int32_t threads;             /* beyond one a capability: See Note [Spares] */
    int32_t most;                /* constant while open */
    int64_t idle_ns;             /* likewise */
    const WorkerHooks *hooks;    /* likewise */
    bool open;
} spares = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void initCondition(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&spares.changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* lent: a bound worker has what there is no other OS thread for. */
static void forget(bool lent)
{
    spares.oldest = spares.newest = NULL;
    RELAXED_STORE(&spares.offered, 0);
    spares.idle = spares.coming = 0;
    spares.threads = lent ? -1 : 0;
    RELAXED_STORE(&spare_exhausted, false);
}

/* Under the lock. */
static void tellExhausted(void)
{
    bool exhausted = spares.threads >= spares.most && spares.idle + spares.coming <= spares.offered;
    RELAXED_STORE(&spare_exhausted, exhausted);
}

int spareStart(uint32_t most, uint32_t idle_ms, const WorkerHooks *hooks)
{
    if (most > SPARE_MOST)
        return -EINVAL;
    initCondition();
    forget(false);
    spares.most = most == 0 ? DEFAULT_MOST : (int32_t)most;
    spares.idle_ns = (int64_t)(idle_ms == 0 ? DEFAULT_IDLE_MS : idle_ms) * MS_NS;
    spares.hooks = hooks;
    spares.open = true;
    return 0;
}

void spareNone(void)
{
    pthread_mutex_lock(&spares.lock);
    spares.most = 0;
    tellExhausted();
    pthread_mutex_unlock(&spares.lock);
}

void spareStop(void)
{
    pthread_mutex_lock(&spares.lock);
    if (spares.open)
        pthread_cond_broadcast(&spares.changed);
    spares.open = false;
    pthread_mutex_unlock(&spares.lock);
}

void spareSurvive(bool lent)
{
    spares.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    initCondition();
    forget(lent);
    tellExhausted(); /* where there are to be none: See spareNone */
}

/* Under the lock: see to it that somebody comes for all that is offered. */
static void call(void)
{
    while (spares.offered > spares.idle + spares.coming && spares.threads < spares.most &&
           workerMakeSpare(spares.hooks) == 0) {
        spares.threads++;
        spares.coming++;
    }
    tellExhausted();
    pthread_cond_signal(&spares.changed);
}

void spareOffer(Capability *capability)
{
    pthread_mutex_lock(&spares.lock);
    if (spares.open) {
        capability->next_offered = NULL;
        if (spares.oldest == NULL)
            spares.oldest = capability;
        else
            spares.newest->next_offered = capability;
        spares.newest = capability;
        RELAXED_STORE(&spares.offered, spares.offered + 1);
        call();
    }
    pthread_mutex_unlock(&spares.lock);
}

void spareRetry(void)
{
    if (RELAXED_LOAD(&spares.offered) == 0)
        return;
    pthread_mutex_lock(&spares.lock);
    if (spares.open)
        call();
    pthread_mutex_unlock(&spares.lock);
}

void spareFailed(void)
{
    pthread_mutex_lock(&spares.lock);
    spares.coming--;
    spares.threads--;
    tellExhausted();
    pthread_mutex_unlock(&spares.lock);
}

/* Under the lock.  False: deadline_ns has passed. */
static bool awaitUntil(int64_t deadline_ns)
{
    struct timespec until = {deadline_ns / (1000 * MS_NS), deadline_ns % (1000 * MS_NS)};
    return pthread_cond_timedwait(&spares.changed, &spares.lock, &until) != ETIMEDOUT;
}

/* Under the lock: the oldest that is offered, NULL: it is time to end. */
static Capability *takeOffered(void)
{
    int64_t deadline_ns = 0;
    bool in_time = true;
    while (spares.oldest == NULL && spares.open && in_time) {
        if (deadline_ns == 0)
            deadline_ns = clockRead(&clockMonotonic) + spares.idle_ns;
        spares.idle++;
        tellExhausted();
        in_time = awaitUntil(deadline_ns);
        spares.idle--;
    }
    Capability *taken = spares.open ? spares.oldest : NULL;
    if (taken != NULL) {
        spares.oldest = taken->next_offered;
        RELAXED_STORE(&spares.offered, spares.offered - 1);
    }
    return taken;
}

bool spareAwait(Worker *worker)
{
    pthread_mutex_lock(&spares.lock);
    if (worker->coming) {
        worker->coming = false;
        spares.coming--;
    }
    worker->capability = takeOffered();
    if (worker->capability == NULL)
        spares.threads--; /* whoever made it */
    tellExhausted();
    pthread_mutex_unlock(&spares.lock);
    return worker->capability != NULL;
}

SpareState spareState(void)
{
    pthread_mutex_lock(&spares.lock);
    SpareState state = {spares.threads, spares.idle, spares.offered};
    pthread_mutex_unlock(&spares.lock);
    return state;
}
