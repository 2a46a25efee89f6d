/* TimeoutConformance.c -- timeouts on the real clock, from the owner and from other OS threads.
 *
 * Run once per back-end: --backend epoll, --backend poll, --backend uring.
 */
#include "testsuite/conformance/Conformance.h"

#include <capri/timeout.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

enum { MANY = 200 };

typedef struct Mark {
    int64_t deadline_ns; /* not before; stored before registering */
    int64_t exact_ns;    /* the real one */
    uint32_t fired;      /* owner */
} Mark;

static Mark marks[MANY];
static const Mark *order[MANY];
static uint32_t fired_count; /* owner stores, anyone reads */

static void openFresh(void)
{
    memset(marks, 0, sizeof marks);
    fired_count = 0;
    openManager();
}

static int noteMark(EventManager *at, TimeoutKey key, void *env)
{
    Mark *mark = env;
    (void)key;
    CHECK(at == &manager);
    CHECK_GE(clockRead(&clockMonotonic), RELAXED_LOAD(&mark->deadline_ns));
    CHECK_EQ(mark->fired++, 0);
    CHECK_LT(fired_count, MANY);
    order[fired_count] = mark;
    RELEASE_STORE(&fired_count, fired_count + 1);
    return 0;
}

static void add(Mark *mark, int64_t delay_us, TimeoutKey *key)
{
    RELAXED_STORE(&mark->deadline_ns, clockRead(&clockMonotonic) + delay_us * 1000);
    CHECK_EQ(registerTimeout(&manager, delay_us, noteMark, mark, key), 0);
}

TEST(Timeout, neverEarlyAndInOrder)
{
    TimeoutKey key;
    openFresh();
    for (int i = 0; i < MANY; i++) {
        add(&marks[i], 1 + (i * 37 % MANY) * 100, &key);
        marks[i].exact_ns = RELAXED_LOAD(&((Timeout *)key.record)->deadline_ns);
        CHECK_GE(marks[i].exact_ns, marks[i].deadline_ns);
    }
    while (fired_count < MANY)
        eventManagerPoll(&manager, DEADLINE_NEVER, NULL);
    for (int i = 1; i < MANY; i++)
        CHECK_LE(order[i - 1]->exact_ns, order[i]->exact_ns);
    eventManagerClose(&manager);
}

TEST(Timeout, oneStepSleepsUntilIt)
{
    openFresh();
    add(&marks[0], 25000, NULL); /* above 20 ms: slept in two parts */
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 1);
    CHECK_EQ(fired_count, 1);
    CHECK_EQ(manager.stats.wakeups, 0);
    eventManagerClose(&manager);
}

/* ---- the owner sleeps for ever; others come ---- */

static void waitUntilItSleeps(void)
{
    while (RELAXED_LOAD(&manager.timeouts.sleep_until_ns) != DEADLINE_NEVER)
        sched_yield();
}

static void *addFromOutside(void *env)
{
    (void)env;
    waitUntilItSleeps();
    add(&marks[0], 300, NULL);
    return NULL;
}

TEST(Timeout, anotherThreadEndsAnEndlessSleep)
{
    pthread_t helper;
    openFresh();
    CHECK_EQ(pthread_create(&helper, NULL, addFromOutside, NULL), 0);
    while (fired_count == 0)
        eventManagerPoll(&manager, DEADLINE_NEVER, NULL);
    pthread_join(helper, NULL);
    CHECK_EQ(manager.stats.wakeups, 1);
    eventManagerClose(&manager);
}

static TimeoutKey far_key;

static void *moveFromOutside(void *env)
{
    (void)env;
    while (RELAXED_LOAD(&manager.timeouts.sleep_until_ns) == INT64_MIN)
        sched_yield();
    RELAXED_STORE(&marks[0].deadline_ns, clockRead(&clockMonotonic) + 100 * 1000);
    CHECK_EQ(updateTimeout(&manager, far_key, 100), 1);
    return NULL;
}

TEST(Timeout, anotherThreadBringsItForward)
{
    pthread_t helper;
    openFresh();
    add(&marks[0], INT64_C(3600) * 1000000, &far_key);
    CHECK_EQ(pthread_create(&helper, NULL, moveFromOutside, NULL), 0);
    while (fired_count == 0)
        eventManagerPoll(&manager, DEADLINE_NEVER, NULL);
    pthread_join(helper, NULL);
    CHECK_EQ(manager.stats.wakeups, 1);
    eventManagerClose(&manager);
}

/* What is cancelled, or later than the sleep's end, wakes nobody; the end of it all does. */
static void *cancelFromOutside(void *env)
{
    TimeoutKey key;
    (void)env;
    while (RELAXED_LOAD(&manager.timeouts.sleep_until_ns) == INT64_MIN)
        sched_yield();
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(registerTimeout(&manager, INT64_C(7200) * 1000000, noteMark, &marks[1], &key), 0);
        CHECK_EQ(unregisterTimeout(&manager, key), 1);
    }
    CHECK_EQ(unregisterTimeout(&manager, far_key), 1);
    CHECK_EQ(RELAXED_LOAD(&manager.stats.wakeups), 0);
    eventManagerWake(&manager);
    return NULL;
}

TEST(Timeout, cancellingWakesNobody)
{
    pthread_t helper;
    openFresh();
    add(&marks[0], INT64_C(3600) * 1000000, &far_key);
    CHECK_EQ(pthread_create(&helper, NULL, cancelFromOutside, NULL), 0);
    CHECK_EQ(eventManagerPoll(&manager, DEADLINE_NEVER, NULL), 0);
    pthread_join(helper, NULL);
    CHECK_EQ(manager.stats.wakeups, 1);
    CHECK_EQ(manager.stats.sleeps, 1);
    CHECK_EQ(fired_count, 0);
    CHECK_LE(manager.timeouts.pool.records, 192);
    eventManagerClose(&manager);
}

/* A step that is asked to look only finds what is due. */
TEST(Timeout, aLookFiresWhatIsDue)
{
    openFresh();
    add(&marks[0], 200, NULL);
    while (clockRead(&clockMonotonic) < marks[0].deadline_ns)
        CHECK_LE(fired_count, 1);
    while (fired_count == 0)
        look();
    CHECK_EQ(manager.stats.sleeps, 0);
    eventManagerClose(&manager);
}

/* ---- signals ---- */

static void hearSignal(int number)
{
    (void)number;
}

/* A signal every 100 us ends every sleep: nothing is early, nothing is lost. */
TEST(Timeout, aStormOfSignalsMakesNothingEarly)
{
    struct sigaction action = {.sa_handler = hearSignal};
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    openFresh();
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < MANY; i++)
        add(&marks[i], 1 + (i * 37 % MANY) * 100, NULL);
    while (fired_count < MANY)
        eventManagerPoll(&manager, DEADLINE_NEVER, NULL);
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    eventManagerClose(&manager);
}
