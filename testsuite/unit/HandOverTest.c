/* HandOverTest.c -- a thread that was handed over: every public function brings it back, or does
 * what it does on a plain OS thread.
 *
 * not-under: qemu valgrind
 * (They have no pidfd_open(2).)  See Note [Runaways].
 */
#include "rts/HandOver.h"

#include "capability/CapabilityTable.h"
#include "testsuite/support/AwayCalls.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

typedef struct Row {
    const char *name;
    bool (*call)(void);
} Row;

#define DEFINE(name, truth)                                                                        \
    static bool call_##name(void)                                                                  \
    {                                                                                              \
        return truth;                                                                              \
    }
BACK(DEFINE)
OUTSIDE(DEFINE)

#define LIST(name, truth) {#name, call_##name},
static const Row back[] = {BACK(LIST)};
static const Row outside[] = {OUTSIDE(LIST)};

/* ---- the state ---- */

static uint32_t spinning; /* a thread that yields runs as long as this is 1 */

static void *spin(void *env)
{
    while (RELAXED_LOAD(&spinning) != 0)
        threadYield();
    return env;
}

/* The caller is away from here on.  lost: and its capability carried on by another. */
static void goAway(bool lost)
{
    handOverBegin(scheduleHere());
    CHECK_EQ(scheduleHere(), NULL);
    CHECK_EQ(threadSelf(), it.self);
    while (lost && ACQUIRE_LOAD(&workerAway()->call.claim) != CallTaken)
        sched_yield();
}

static void callRow(const Row *row, bool lost, bool comes)
{
    Thread *spinner = NULL;
    printf("# %s%s\n", row->name, lost ? ", lost" : "");
    fflush(stdout);
    make();
    if (lost) {
        RELAXED_STORE(&spinning, 1);
        spinner = greenFork(spin, NULL);
    }
    goAway(lost);
    CHECK(row->call());
    CHECK_EQ(threadSelf(), it.self);
    if (comes)
        CHECK(scheduleHere() != NULL);
    else
        CHECK(scheduleEnter() != NULL);
    CHECK(!callAnyAway());
    CHECK_EQ(scheduleHere()->current, it.self);
    threadRestore(Unmasked);
    RELAXED_STORE(&spinning, 0);
    if (spinner != NULL)
        greenJoin(spinner);
    drop();
}

typedef struct Rows {
    const Row *rows;
    size_t count;
    bool lost, comes;
} Rows;

static void *callAll(void *env)
{
    Rows *all = env;
    for (size_t i = 0; i < all->count; i++)
        callRow(&all->rows[i], all->lost, all->comes);
    return NULL;
}

static Allocator allocator; /* of the runtimes that follow */

static void run(ThreadFn *fn, void *env)
{
    RtsConfig config = {.capabilities = 1, .backend = testArg("--backend"), .allocator = allocator};
    ThreadAttributes attributes = {.stack_size = 256 * 1024};
    Thread *thread;
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(threadForkWith(&thread, &attributes, fn, env), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    threadRelease(thread);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK(!callAnyAway());
}

#define COUNT_OF(rows) (sizeof(rows) / sizeof(rows)[0])

TEST(HandOver, comesBack)
{
    run(callAll, &(Rows){back, COUNT_OF(back), false, true});
}

TEST(HandOver, comesBackLost)
{
    run(callAll, &(Rows){back, COUNT_OF(back), true, true});
}

TEST(HandOver, isOutside)
{
    run(callAll, &(Rows){outside, COUNT_OF(outside), false, false});
}

TEST(HandOver, isOutsideLost)
{
    run(callAll, &(Rows){outside, COUNT_OF(outside), true, false});
}

/* ---- memory ---- */

/* Goal: an allocator that looks where it is called, as jemallocAllocator does, brings nobody back
 * in the middle of a call. */
static void *allocateHere(void *context, size_t size, size_t alignment)
{
    void *memory = NULL;
    bool here = scheduleHere() != NULL;
    (void)context;
    CHECK_EQ(threadCapabilityLast(), here || workerAway() != NULL ? 0 : -EPERM);
    CHECK_EQ(scheduleHere() != NULL, here);
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

static void releaseHere(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    free(memory);
}

TEST(HandOver, allocatesWhereItIs)
{
    allocator = (Allocator){allocateHere, releaseHere, NULL};
    run(callAll, &(Rows){back, COUNT_OF(back), true, true});
    run(callAll, &(Rows){outside, COUNT_OF(outside), true, false});
    allocator = (Allocator){0};
}

/* ---- waits ---- */

/* Goal: it waits as a green thread: others run on its OS thread, and it can be interrupted. */
static void *waitAway(void *env)
{
    goAway(false);
    return (void *)(intptr_t)mutexLock(env);
}

static void *lockAndKill(void *env)
{
    (void)env;
    it.self = NULL;
    Mutex *mutex = mutexNew();
    CHECK_EQ(mutexLock(mutex), 0);
    for (int lost = 0; lost < 2; lost++) {
        Thread *other;
        CHECK_EQ(threadFork(&other, waitAway, mutex), 0);
        it.self = other;
        while (threadStatus(other).state != ThreadBlockedOnLock)
            threadYield();
        CHECK_EQ(threadKill(other), 0);
        CHECK_EQ(greenJoin(other), -ECANCELED);
    }
    CHECK_EQ(mutexUnlock(mutex), 0);
    mutexFree(mutex);
    return NULL;
}

TEST(HandOver, waitsAsItself)
{
    run(lockAndKill, NULL);
}

/* Goal: the end of a body is a way back.  Method: the result is seen, and slots are ended. */
static uint32_t slots_ended;

static void countSlot(void *value)
{
    (void)value;
    ADD_RELAXED(&slots_ended, 1);
}

static void *endAway(void *env)
{
    it.self = threadSelf();
    CHECK_EQ(threadSlotSet(env, env), 0);
    goAway(true);
    return env;
}

static void *endAll(void *env)
{
    ThreadSlot *slot = threadSlotNew(countSlot);
    (void)env;
    slots_ended = 0;
    RELAXED_STORE(&spinning, 1);
    Thread *spinner = greenFork(spin, NULL);
    for (uint32_t i = 1; i <= 10; i++) {
        CHECK_EQ(greenJoin(greenFork(endAway, slot)), (intptr_t)slot);
        CHECK_EQ(RELAXED_LOAD(&slots_ended), i);
    }
    RELAXED_STORE(&spinning, 0);
    greenJoin(spinner);
    threadSlotFree(slot);
    return NULL;
}

TEST(HandOver, endsAway)
{
    run(endAll, NULL);
}

/* ---- pauses ---- */

/* Goal: the world is not said to stand while somebody is away; it is when he has come back.
 * Method: a plain OS thread pauses, first in vain. */
static uint32_t stage;

static void *awayUntilTold(void *env)
{
    it.self = threadSelf();
    goAway(false);
    RELEASE_STORE(&stage, 1);
    while (ACQUIRE_LOAD(&stage) == 1)
        sched_yield();
    CHECK_EQ(threadYield(), 0);
    return env;
}

TEST(HandOver, pauseWaitsForIt)
{
    RtsConfig config = {.capabilities = 2};
    Thread *thread;
    stage = 0;
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(threadFork(&thread, awayUntilTold, NULL), 0);
    while (ACQUIRE_LOAD(&stage) == 0)
        sched_yield();
    CHECK_EQ(rtsPause(rtsNow() + 3 * 1000 * 1000), -ETIMEDOUT);
    RELEASE_STORE(&stage, 2);
    CHECK_EQ(rtsPause(INT64_MAX), 0);
    CHECK(!callAnyAway());
    CHECK_EQ(rtsResume(), 0);
    greenJoin(thread);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}

/* ---- forks ---- */

/* Goal: a fork by one who is away: a whole child if its capability was still there, else a broken
 * one; the parent goes on. */
static int forkOnce(void)
{
    pid_t child = fork();
    int status;
    CHECK_GE(child, 0);
    if (child == 0)
        _exit(threadYield() == 0 && scheduleHere() != NULL ? 0 : rtsHold() == -ENOTRECOVERABLE);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void *forkAway(void *env)
{
    (void)env;
    it.self = threadSelf();
    goAway(false);
    CHECK_LE(forkOnce(), 1);
    CHECK(handOverReturn() != NULL || scheduleHere() != NULL);
    RELAXED_STORE(&spinning, 1);
    Thread *spinner = greenFork(spin, NULL);
    goAway(true);
    CHECK_EQ(forkOnce(), 1);
    CHECK_EQ(scheduleHere(), NULL);
    CHECK_EQ(threadYield(), 0);
    CHECK(scheduleHere() != NULL);
    RELAXED_STORE(&spinning, 0);
    greenJoin(spinner);
    return NULL;
}

TEST(HandOver, forksAway)
{
#if defined(SANITIZE_THREAD) || defined(SANITIZE_ADDRESS)
    SKIP("a sanitizer does not take part in a fork");
#endif
    run(forkAway, NULL);
}
