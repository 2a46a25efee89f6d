/* ForkScopeTest.c -- fork(2): scopes, what was thrown, and who waited, in the child.
 *
 * not-under: tsan asan qemu
 *
 * (ThreadSanitizer starts no OS threads after a fork of a process that has several; qemu-user 7.2
 * aborts when a child does.)
 */
#include "testsuite/support/Forked.h"

#include <capri/gather.h>
#include <capri/scope.h>

/* ---- new threads, on the stacks of those that are lost: nobody else writes there ---- */

enum { NEW = 6, FILLED = 48000, PATTERN = 0xA5 };

static Thread *new_threads[NEW];
static uint32_t look; /* release, acquire */

static void *fillStack(void *env)
{
    volatile unsigned char filled[FILLED];
    for (size_t i = 0; i < FILLED; i++)
        filled[i] = PATTERN;
    while (ACQUIRE_LOAD(&look) == 0)
        threadYield();
    for (size_t i = 0; i < FILLED; i++)
        CHECK_EQ(filled[i], PATTERN);
    return env;
}

static void beginNew(void)
{
    RELEASE_STORE(&look, 0);
    for (int i = 0; i < NEW; i++)
        new_threads[i] = greenFork(fillStack, NULL);
    for (int i = 0; i < 10; i++)
        threadYield();
}

static void endNew(void)
{
    RELEASE_STORE(&look, 1);
    for (int i = 0; i < NEW; i++)
        greenJoin(new_threads[i]);
}

/* ---- Goal: a scope's child that forks is alone there: its scope, whose owner is lost, takes and
 * tells nothing.  Method: it forks, cancels and fails among threads that have the lost stacks. */

static Scope *scope_here;

static int returnNothing(void *env)
{
    (void)env;
    return 0;
}

/* The scope's child has ended. */
static void *endAfter(void *env)
{
    CHECK_EQ(threadJoin(env, NULL), 0);
    endNew();
    _exit(CODE);
}

static int forkInChild(void *env)
{
    (void)env;
    pid_t pid = forkFlushed();
    if (pid != 0) {
        expectExit(pid, CODE);
        return 0;
    }
    beginNew();
    CHECK_EQ(scopeFork(scope_here, NULL, returnNothing, NULL), -ECANCELED);
    scopeCancel(scope_here);
    greenFork(endAfter, threadRetain(threadSelf()));
    return -EIO; /* nobody is to be told */
}

static int runScope(Scope *scope, void *env)
{
    scope_here = scope;
    return scopeFork(scope, NULL, forkInChild, env);
}

static void *ownScope(void *env)
{
    CHECK_EQ(scopeRun(runScope, env), 0);
    return env;
}

TEST(ForkScope, theOwnerIsLost)
{
    greenRun(1, ownScope, NULL);
    greenRun(2, ownScope, NULL);
}

/* ---- Goal: an owner that forks is told in the child that its scope's children are not there.
 * Method: one of them waits. */

static TVar *passed;

static int waitToPass(void *env)
{
    (void)env;
    while (tvarReadIO(passed) == NULL)
        CHECK_EQ(threadDelay(200), 0);
    return 0;
}

static int forkBesideChild(Scope *scope, void *env)
{
    pid_t *pid = env;
    CHECK_EQ(scopeFork(scope, NULL, waitToPass, NULL), 0);
    *pid = forkFlushed();
    if (*pid != 0)
        CHECK_EQ(tvarWriteIO(passed, passed), 0);
    return 5;
}

static void *ownBesideChild(void *env)
{
    pid_t pid = -1;
    passed = tvarNew(NULL);
    int result = scopeRun(forkBesideChild, &pid);
    if (pid == 0) {
        CHECK_EQ(result, -ECANCELED);
        _exit(CODE);
    }
    CHECK_EQ(result, 5);
    expectExit(pid, CODE);
    tvarFree(passed);
    return env;
}

TEST(ForkScope, itsChildrenAreLost)
{
    greenRun(1, ownBesideChild, NULL);
    greenRun(2, ownBesideChild, NULL);
}

/* ---- Goal: a plain OS thread that forks in its scope is in that call in the child, too: when it
 * has left it, nobody is.  Method: shutdowns of the child's. */

static int forkOutside(Scope *scope, void *env)
{
    pid_t *pid = env;
    (void)scope;
    *pid = forkFlushed();
    if (*pid == 0)
        CHECK_EQ(rtsShutdown(Drain, rtsNow() + MS_NS), -ETIMEDOUT);
    return 5;
}

TEST(ForkScope, aPlainOwner)
{
    pid_t pid = -1;
    greenStart(2);
    CHECK_EQ(scopeRun(forkOutside, &pid), 5);
    greenStop();
    if (pid == 0)
        _exit(CODE);
    expectExit(pid, CODE);
}

/* ---- Goal: what an owner that forks has thrown to a child is its own again, and is taken back
 * from nowhere.  Method: the scope's interrupt is pending in a child behind one of a thread that is
 * lost, whose stack is another's by the time that the scope ends. */

static Thread *target; /* release, acquire */
static uint32_t leave; /* likewise */

static int waitMasked(void *env)
{
    (void)env;
    threadMaskUninterruptible();
    RELEASE_STORE(&target, threadRetain(threadSelf()));
    while (ACQUIRE_LOAD(&leave) == 0)
        CHECK_EQ(threadDelay(200), 0);
    return 0;
}

static void *throwToTarget(void *env)
{
    CHECK_EQ(threadThrowTo(target, 1, NULL), 0);
    return env;
}

static int forkWithPending(Scope *scope, void *env)
{
    pid_t *pid = env;
    CHECK_EQ(scopeFork(scope, NULL, waitMasked, NULL), 0);
    UNTIL(ACQUIRE_LOAD(&target) != NULL);
    Thread *thrower = greenFork(throwToTarget, NULL);
    greenUntil(thrower, ThreadBlockedOnThrowTo);
    threadRelease(thrower);
    scopeCancel(scope);
    *pid = forkFlushed();
    if (*pid == 0)
        beginNew();
    RELEASE_STORE(&leave, 1);
    return 0;
}

static void *ownPending(void *env)
{
    pid_t pid = -1;
    RELEASE_STORE(&target, NULL);
    RELEASE_STORE(&leave, 0);
    CHECK_EQ(scopeRun(forkWithPending, &pid), -ECANCELED);
    threadRelease(target);
    if (pid == 0) {
        endNew();
        _exit(CODE);
    }
    expectExit(pid, CODE);
    return env;
}

TEST(ForkScope, whatTheOwnerThrew)
{
    greenRun(1, ownPending, NULL);
    greenRun(2, ownPending, NULL);
}

/* ---- Goal: at a barrier those who waited are lost, too.  Method: alone, one waits in vain; two
 * meet. */

static Barrier *barrier;

static void *waitThere(void *env)
{
    CHECK_GE(barrierWait(barrier), 0);
    return env;
}

static void *meetInChild(void *env)
{
    barrier = barrierNew(2);
    Thread *waiter = greenFork(waitThere, NULL);
    greenUntil(waiter, ThreadBlockedOnLock);
    pid_t pid = forkFlushed();
    if (pid == 0) {
        CHECK_EQ(barrierWaitUntil(barrier, rtsNow() + 2 * MS_NS), -ETIMEDOUT);
        Thread *other = greenFork(waitThere, NULL);
        CHECK_GE(barrierWait(barrier), 0);
        greenJoin(other);
        _exit(CODE);
    }
    expectExit(pid, CODE);
    CHECK_GE(barrierWait(barrier), 0);
    greenJoin(waiter);
    barrierFree(barrier);
    return env;
}

TEST(ForkScope, barriersCountWhoIsThere)
{
    greenRun(1, meetInChild, NULL);
    greenRun(2, meetInChild, NULL);
}

/* ---- Goal: no fork comes into the middle of what a plain OS thread does to a scope.  Method: one
 * cancels on and on; a child that has inherited it locked does not end. */

enum { FORKS = 400, HANG_S = 30 };

typedef struct Cancelling {
    Scope *scope;
    uint32_t begun, stop; /* seq_cst */
} Cancelling;

static void *cancelOnAndOn(void *env)
{
    Cancelling *cancelling = env;
    while (SEQ_CST_LOAD(&cancelling->stop) == 0) {
        scopeCancel(cancelling->scope);
        SEQ_CST_STORE(&cancelling->begun, 1);
    }
    return NULL;
}

/* Returns in a child, too. */
static int forkOnAndOn(Scope *scope, void *env)
{
    pid_t *pid = env;
    Cancelling cancelling = {.scope = scope};
    threadMaskUninterruptible();
    pthread_t plain = osFork(cancelOnAndOn, &cancelling);
    while (SEQ_CST_LOAD(&cancelling.begun) == 0)
        sched_yield();
    for (uint32_t i = 0; i < greenScale(FORKS); i++) {
        *pid = forkFlushed();
        if (*pid == 0) {
            alarm(HANG_S);
            return 0;
        }
        expectExit(*pid, CODE);
    }
    SEQ_CST_STORE(&cancelling.stop, 1);
    osJoin(plain);
    return 0;
}

static void *ownCancelled(void *env)
{
    pid_t pid = -1;
    CHECK_EQ(scopeRun(forkOnAndOn, &pid), -ECANCELED);
    if (pid == 0)
        _exit(CODE);
    return env;
}

TEST(ForkScope, whileAPlainThreadCancels)
{
    greenRun(1, ownCancelled, NULL);
}
