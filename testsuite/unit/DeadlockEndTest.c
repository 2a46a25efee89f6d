/* DeadlockEndTest.c -- in a closed world a wait may end though what it waited for has not: whoever
 * owns what others work on, or is to hold a mutex, waits on.
 */
#include "testsuite/support/Runtime.h"

static void hear(const char *line)
{
    (void)line;
}

/* fn(env) as the main thread of a closed world. */
static void runClosed(ThreadFn *fn, void *env)
{
    RtsConfig config = {.capabilities = 2, .closed_world = true, .log = hear};
    CHECK_EQ(rtsMain(&config, fn, env, NULL), 0);
}

static void takeNever(MVar *never)
{
    CHECK_EQ(mvarTake(never, NULL), -EDEADLK);
}

static uint32_t worked;

/* Until the scope that has failed tells it. */
static int childWorksOn(void *env)
{
    takeNever(env);
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    RELAXED_STORE(&worked, worked + 1);
    return 0;
}

static int forkChild(Scope *scope, void *env)
{
    return scopeFork(scope, NULL, childWorksOn, env);
}

static void *boundWorksOn(void *env)
{
    takeNever(env);
    CHECK_EQ(threadDelay(1000), 0);
    RELAXED_STORE(&worked, worked + 1);
    return env;
}

static void *waitForAll(void *env)
{
    MVar *never = mvarNewEmpty();
    void *result = NULL;
    worked = 0;
    CHECK_EQ(scopeRun(forkChild, never), -EDEADLK);
    CHECK_EQ(RELAXED_LOAD(&worked), 1);
    CHECK_EQ(threadRunBound(boundWorksOn, never, &result), 0);
    CHECK_EQ(RELAXED_LOAD(&worked), 2);
    CHECK_EQ(result, never);
    return env;
}

TEST(Deadlock, whoIsWaitedForHasEnded)
{
    runClosed(waitForAll, NULL);
}

/* A condition's waiter comes back with the mutex, though its holder was blocked for ever. */
typedef struct Room {
    Mutex *mutex;
    Condition *condition;
    MVar *never;
} Room;

static void *waitInRoom(void *env)
{
    Room *room = env;
    CHECK_EQ(mutexLock(room->mutex), 0);
    CHECK_EQ(conditionWait(room->condition, room->mutex), 0);
    CHECK_EQ(mutexUnlock(room->mutex), 0);
    return NULL;
}

static void *blockInRoom(void *env)
{
    Room room = {mutexNew(), conditionNew(), mvarNewEmpty()};
    Thread *waiter = greenFork(waitInRoom, &room);
    greenUntil(waiter, ThreadBlockedOnLock);
    CHECK_EQ(mutexLock(room.mutex), 0);
    CHECK_EQ(conditionSignal(room.condition), 1);
    takeNever(room.never);
    CHECK_EQ(mutexUnlock(room.mutex), 0);
    greenJoin(waiter);
    conditionFree(room.condition);
    mutexFree(room.mutex);
    mvarFree(room.never);
    return env;
}

TEST(Deadlock, conditionsGiveTheMutexBack)
{
    runClosed(blockInRoom, NULL);
}
