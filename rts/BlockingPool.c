/* BlockingPool.c -- OS threads that make the calls which may block.
 *
 * Owns    the OS threads "capri/blocking" and the queue of jobs.
 * Before  rts/Foreign.c, rts/Errand.c: a call that must not hold up a capability.
 * Tests   testsuite/unit/BlockingPoolTest.c, testsuite/stress/BlockingCalls.c
 *
 * See Note [Blocking pool].
 */
#include "rts/BlockingPool.h"

#include "capability/Monitor.h"
#include "internal/Assert.h"
#include "iomgr/Clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

enum { DEFAULT_MOST = 64, DEFAULT_IDLE_MS = 10 * 1000 };

/* An OS thread, on its stack. */
typedef struct Server {
    pthread_t self;      /* constant */
    struct Server *next; /* under the lock */
} Server;

static struct {
    pthread_mutex_t lock;         /* over everything below */
    pthread_cond_t work;          /* a job was queued, or stopping */
    pthread_cond_t quiet;         /* unfinished or threads has become 0 */
    BlockingJob *oldest, *newest; /* the queue */
    uint32_t queued;              /* its length */
    Server *servers;              /* OS threads that live */
    uint32_t unfinished;          /* jobs queued or running */
    uint32_t threads;             /* OS threads that have not decided to end */
    uint32_t idle;                /* of these, in a wait for work, though perhaps called already */
    uint32_t most;                /* constant while open */
    int64_t idle_ns;              /* constant while open */
    bool stopping;
    bool has_ended; /* `ended` waits to be joined */
    pthread_t ended;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void initConditions(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.work, &attributes);
    pthread_cond_init(&pool.quiet, &attributes);
    pthread_condattr_destroy(&attributes);
}

void blockingPoolSurvive(void)
{
    pool.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    initConditions();
    pool.oldest = pool.newest = NULL;
    pool.servers = NULL;
    pool.queued = pool.unfinished = pool.threads = pool.idle = 0;
    pool.stopping = pool.has_ended = false;
}

int blockingPoolStart(uint32_t most, uint32_t idle_ms)
{
    if (most > BLOCKING_POOL_MOST)
        return -EINVAL;
    initConditions();
    ASSERT_CMP(pool.threads, ==, 0);
    ASSERT_CMP(pool.unfinished, ==, 0);
    pool.most = most == 0 ? DEFAULT_MOST : most;
    pool.idle_ns = (int64_t)(idle_ms == 0 ? DEFAULT_IDLE_MS : idle_ms) * 1000000;
    pool.stopping = false;
    return 0;
}

/* Under the lock.  False: deadline_ns (INT64_MAX: never) has passed. */
static bool awaitUntil(pthread_cond_t *condition, int64_t deadline_ns)
{
    struct timespec until = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    if (deadline_ns == INT64_MAX)
        return pthread_cond_wait(condition, &pool.lock) == 0;
    if (deadline_ns <= clockRead(&clockMonotonic)) /* it may be negative */
        return false;
    return pthread_cond_timedwait(condition, &pool.lock, &until) != ETIMEDOUT;
}

bool blockingPoolAwait(int64_t deadline_ns)
{
    bool in_time = true;
    pthread_mutex_lock(&pool.lock);
    while (pool.unfinished != 0 && in_time)
        in_time = awaitUntil(&pool.quiet, deadline_ns);
    bool quiet = pool.unfinished == 0;
    pthread_mutex_unlock(&pool.lock);
    return quiet;
}

void blockingPoolEnd(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.stopping = true;
    pthread_cond_broadcast(&pool.work);
    while (pool.threads != 0)
        awaitUntil(&pool.quiet, INT64_MAX);
    ASSERT_CMP(pool.unfinished, ==, 0);
    bool has_ended = pool.has_ended;
    pool.has_ended = false;
    pthread_mutex_unlock(&pool.lock);
    if (has_ended)
        pthread_join(pool.ended, NULL);
    pthread_cond_destroy(&pool.work);
    pthread_cond_destroy(&pool.quiet);
}

/* Under the lock: the oldest job.  NULL: it is time to end. */
static BlockingJob *takeJob(void)
{
    int64_t deadline_ns = 0;
    bool in_time = true;
    while (pool.oldest == NULL) {
        if (pool.stopping || !in_time)
            return NULL;
        if (deadline_ns == 0)
            deadline_ns = clockRead(&clockMonotonic) + pool.idle_ns;
        pool.idle++;
        in_time = awaitUntil(&pool.work, deadline_ns);
        pool.idle--;
    }
    BlockingJob *job = pool.oldest;
    pool.oldest = job->next;
    if (pool.oldest == NULL)
        pool.newest = NULL;
    pool.queued--;
    return job;
}

static void *serveJobs(void *env)
{
    (void)env;
    Server self = {pthread_self(), NULL};
    prctl(PR_SET_NAME, "capri/blocking", 0, 0, 0);
    pthread_mutex_lock(&pool.lock);
    self.next = pool.servers;
    pool.servers = &self;
    for (BlockingJob *job; (job = takeJob()) != NULL;) {
        pthread_mutex_unlock(&pool.lock);
        job->run(job);
        pthread_mutex_lock(&pool.lock);
        if (--pool.unfinished == 0) {
            pthread_cond_broadcast(&pool.quiet);
            monitorNote(); /* See Note [Blocked for ever] */
        }
    }
    Server **at = &pool.servers;
    while (*at != &self)
        at = &(*at)->next;
    *at = self.next;
    bool has_ended = pool.has_ended;
    pthread_t ended = pool.ended;
    pool.has_ended = true;
    pool.ended = pthread_self();
    if (--pool.threads == 0)
        pthread_cond_broadcast(&pool.quiet);
    pthread_mutex_unlock(&pool.lock);
    if (has_ended)
        pthread_join(ended, NULL);
    return NULL;
}

/* Under the lock, so that whoever finds threads == 0 knows that none is on its way. */
static bool makeThread(void)
{
    sigset_t blocked, before;
    pthread_t thread;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    bool made = pthread_create(&thread, NULL, serveJobs, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool.threads += made;
    return made;
}

int blockingPoolSubmit(BlockingJob *job)
{
    int result = 0;
    pthread_mutex_lock(&pool.lock);
    ASSERT(!pool.stopping);
    bool served = pool.queued < pool.idle || pool.threads >= pool.most || makeThread();
    if (!served && pool.threads == 0) {
        ASSERT_CMP(pool.queued, ==, 0); /* the last OS thread does not end before the queue does */
        result = -EAGAIN;
    } else {
        job->next = NULL;
        if (pool.newest == NULL)
            pool.oldest = job;
        else
            pool.newest->next = job;
        pool.newest = job;
        pool.queued++;
        pool.unfinished++;
        if (pool.idle != 0)
            pthread_cond_signal(&pool.work);
    }
    pthread_mutex_unlock(&pool.lock);
    return result;
}

bool blockingPoolBusy(void)
{
    pthread_mutex_lock(&pool.lock);
    bool busy = pool.unfinished != 0;
    pthread_mutex_unlock(&pool.lock);
    return busy;
}

bool blockingPoolIsHere(void)
{
    bool found = false;
    pthread_mutex_lock(&pool.lock);
    for (Server *at = pool.servers; at != NULL && !found; at = at->next)
        found = pthread_equal(at->self, pthread_self()) != 0;
    pthread_mutex_unlock(&pool.lock);
    return found;
}

BlockingPoolState blockingPoolState(void)
{
    pthread_mutex_lock(&pool.lock);
    BlockingPoolState state = {pool.threads, pool.idle, pool.queued};
    pthread_mutex_unlock(&pool.lock);
    return state;
}
