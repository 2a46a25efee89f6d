/* BusyCore.c -- one core computes without a call to the library; what is its goes on elsewhere.
 *
 * not-under: migrate
 *
 * (Placement is what this is about, and that build undoes it.)
 *
 * Two capabilities.  A thread on capability 1 computes for two seconds at least, and until
 * everything below has happened, which is the verdict: each of it must happen while it still
 * computes.
 *   events    of descriptors whose home is capability 1
 *   timers    in the heap of capability 1
 *   threads   ready in the queue of capability 1
 * The delays are printed; no judgement stands on them.
 */
#include "testsuite/support/Crowd.h"

#include "capability/FdHome.h"

enum { READERS = 10, EVENTS = 100, SLEEPERS = 50, QUEUED = 50, BUSY = 1 };
#define BUSY_LEAST_NS (2 * CROWD_SECOND_NS)
#define BUSY_MOST_NS (CROWD_HANG_S * CROWD_SECOND_NS)

typedef struct Sample {
    int64_t delays_us[EVENTS];
    uint32_t count; /* everyone adds, relaxed; claims a place in delays_us */
} Sample;

typedef struct Reader {
    int pair[2];
    uint32_t events;
} Reader;

static Sample event_delays, timer_delays, thread_delays;
static Reader readers[READERS];
static uint32_t computing;         /* the busy thread stores 1 and 2; everyone reads */
static uint32_t timers_there;      /* sleepers add: timers in the heap of the busy capability */
static uint32_t happened;          /* everyone adds; the busy thread reads */
static int64_t computing_since_ns; /* the busy thread, before `computing` (release) */
enum { EVERYTHING = EVENTS + SLEEPERS + QUEUED };

static void note(Sample *sample, int64_t delay_ns)
{
    uint32_t place = ADD_RELAXED(&sample->count, 1);
    CHECK_LT(place, (uint32_t)EVENTS);
    sample->delays_us[place] = delay_ns / 1000;
    CHECK_EQ(ACQUIRE_LOAD(&computing), 1); /* the verdict */
    ADD_RELEASE(&happened, 1);
}

static void *readEvents(void *env)
{
    Reader *reader = env;
    for (uint32_t i = 0; i < reader->events; i++) {
        int64_t sent_ns;
        CHECK_EQ(fdRead(reader->pair[0], &sent_ns, sizeof sent_ns), (ssize_t)sizeof sent_ns);
        note(&event_delays, rtsNow() - sent_ns);
    }
    return NULL;
}

static void *sleepOnce(void *env)
{
    int64_t delay_ns = CROWD_SECOND_NS + (int64_t)(uintptr_t)env * CROWD_SECOND_NS / SLEEPERS;
    int64_t deadline_ns = rtsNow() + delay_ns;
    ADD_RELAXED(&timers_there, threadCapability() == BUSY ? 1 : 0);
    CHECK_EQ(threadDelayUntil(deadline_ns), 0);
    CHECK_GE(rtsNow(), deadline_ns);
    while (ACQUIRE_LOAD(&computing) == 0)
        threadYield();
    note(&timer_delays, rtsNow() - deadline_ns);
    return NULL;
}

/* On capability 1: fork sleepers, which are free to go, and let them arm their timers here. */
static void *arrange(void *env)
{
    Crowd *crowd = env;
    for (uintptr_t i = 0; i < SLEEPERS; i++) {
        Thread *sleeper = crowdFork(crowd, sleepOnce, (void *)i, "sleeper");
        while (threadStatus(sleeper).state != ThreadBlockedOnDelay)
            threadYield();
    }
    return NULL;
}

static void *runQueued(void *env)
{
    (void)env;
    while (ACQUIRE_LOAD(&computing) == 0)
        crowdCompute(1000); /* taken so early that nobody computes yet: wait without a call */
    note(&thread_delays, rtsNow() - computing_since_ns);
    return NULL;
}

/* On capability 1: the first wait for a descriptor decides where it lives. */
static void *settle(void *env)
{
    (void)env;
    for (size_t i = 0; i < READERS; i++) {
        crowdPair(readers[i].pair, true);
        CHECK_EQ(threadWaitReadUntil(readers[i].pair[0], rtsNow() + 1000), -ETIMEDOUT);
        CHECK_EQ(fdHomeLook(readers[i].pair[0]) & 0xffff, BUSY + 1);
    }
    return NULL;
}

static void *compute(void *env)
{
    Crowd *crowd = env;
    CHECK_EQ(threadCapability(), BUSY);
    for (int i = 0; i < QUEUED; i++)
        crowdFork(crowd, runQueued, NULL, "queued");
    computing_since_ns = rtsNow();
    int64_t start_ns = computing_since_ns;
    RELEASE_STORE(&computing, 1);
    for (;;) {
        crowdCompute(1000000);
        int64_t passed_ns = rtsNow() - start_ns;
        if ((passed_ns >= BUSY_LEAST_NS && ACQUIRE_LOAD(&happened) == EVERYTHING) ||
            passed_ns >= BUSY_MOST_NS)
            break;
    }
    RELEASE_STORE(&computing, 2);
    return NULL;
}

static int compareDelays(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static void print(Sample *sample, const char *what, uint32_t expected)
{
    CHECK_EQ(sample->count, expected);
    qsort(sample->delays_us, sample->count, sizeof(int64_t), compareDelays);
    printf("%-8s %3u before the busy thread ended, p50 %lld us, p99 %lld us\n", what, sample->count,
           (long long)sample->delays_us[sample->count / 2],
           (long long)sample->delays_us[sample->count - 1 - sample->count / 100]);
}

TEST(BusyCore, whatBelongsToItGoesOn)
{
    Crowd crowd, queued;
    crowdStart(&crowd, 2, READERS + 2);
    queued = (Crowd){.threads = calloc(QUEUED, sizeof(Thread *)), .room = QUEUED};
    crowdForkOn(&crowd, BUSY, settle, NULL, "settler");
    crowdJoin(&crowd);
    for (size_t i = 0; i < READERS; i++) {
        readers[i].events = EVENTS / READERS;
        Thread *thread = crowdFork(&crowd, readEvents, &readers[i], "reader");
        crowdAwaitState(thread, ThreadBlockedOnRead, readers[i].pair[0]);
    }
    Crowd sleeping = {.threads = calloc(SLEEPERS, sizeof(Thread *)), .room = SLEEPERS};
    Thread *arranger;
    CHECK_EQ(threadForkOn(&arranger, BUSY, arrange, &sleeping), 0);
    CHECK_EQ(threadJoin(arranger, NULL), 0);
    threadRelease(arranger);
    crowdForkOn(&crowd, BUSY, compute, &queued, "computes");
    int64_t hang_ns = rtsNow() + BUSY_MOST_NS;
    while (ACQUIRE_LOAD(&computing) == 0)
        CHECK_LT(rtsNow(), hang_ns);
    for (size_t i = 0; i < EVENTS; i++) {
        int64_t now_ns = rtsNow();
        CHECK_EQ(send(readers[i % READERS].pair[1], &now_ns, sizeof now_ns, 0),
                 (ssize_t)sizeof now_ns);
        crowdPause(CROWD_SECOND_NS / EVENTS);
    }
    crowdJoin(&crowd);
    crowdJoin(&sleeping);
    crowdJoin(&queued);
    free(sleeping.threads);
    free(queued.threads);
    printf("%u of %d timers were in the busy heap\n", timers_there, SLEEPERS);
    CHECK_GT(timers_there, 0);
    print(&event_delays, "events", EVENTS);
    print(&timer_delays, "timers", SLEEPERS);
    print(&thread_delays, "threads", QUEUED);
    for (size_t i = 0; i < READERS; i++)
        for (int end = 0; end < 2; end++)
            CHECK_EQ(closeFd(readers[i].pair[end]), 0);
    crowdStop(&crowd);
}
