/* NoWaitTest.c -- calls that would have to wait where nothing may: in callbacks, be it on the stack
 * of a thread that polls, and in transactions.
 */
#include "rts/Schedule.h"
#include "testsuite/support/Runtime.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { CALLS = 15, DELAY_US = 2000, ROUNDS = 3 };

typedef struct Calls {
    MVar *empty, *full, *done, *end;
    TVar *tvar;
    Mutex *held;
    QSem *none;
    Chan *chan;
    Thread *deaf; /* masked, holds the mutex, waits for `end` */
    int fd[2];
    uint32_t on_a_stack, on_the_loops;
} Calls;

static int failScope(Scope *scope, void *env)
{
    (void)scope, (void)env;
    CHECK(false);
    return 0;
}

static void *failLimit(void *env)
{
    CHECK(false);
    return env;
}

static int refusedCall(Calls *calls, int number)
{
    int64_t soon_ns = rtsNow() + MS_NS;
    char byte;
    switch (number) {
    case 0:
        return mvarTake(calls->empty, NULL);
    case 1:
        return mvarPutUntil(calls->full, NULL, soon_ns);
    case 2:
        return threadDelay(10);
    case 3:
        return threadJoin(calls->deaf, NULL);
    case 4:
        return threadJoinUntil(calls->deaf, NULL, soon_ns);
    case 5:
        return greenAwaitNextUntil(calls->tvar, soon_ns);
    case 6:
        return greenAwaitNextUntil(calls->tvar, INT64_MAX);
    case 7:
        return threadKill(calls->deaf);
    case 8:
        return mutexLock(calls->held);
    case 9:
        return qsemWait(calls->none);
    case 10:
        return chanRead(calls->chan, NULL);
    case 11:
        return timeoutRun(DELAY_US, failLimit, NULL, NULL);
    case 12:
        return scopeRun(failScope, NULL);
    case 13:
        return threadWaitRead(calls->fd[0]);
    default:
        return (int)fdRead(calls->fd[0], &byte, 1);
    }
}

static void callAll(Calls *calls)
{
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(refusedCall(calls, i), i < CALLS - 2 ? -EPERM : -EAGAIN);
    CHECK_EQ(threadYield(), 0);
    CHECK_EQ(threadDelay(0), 0);
}

static int callBack(EventManager *manager, TimeoutKey key, void *env)
{
    Calls *calls = env;
    (void)manager, (void)key;
    *(scheduleHere()->current != NULL ? &calls->on_a_stack : &calls->on_the_loops) += 1;
    callAll(calls);
    CHECK_EQ(fdWrite(calls->fd[1], "y", 1), 1);
    CHECK_EQ(threadWaitRead(calls->fd[0]), 0); /* there is nothing to wait for */
    char byte;
    CHECK_EQ(fdRead(calls->fd[0], &byte, 1), 1);
    CHECK_EQ(mvarTryPut(calls->done, env), 0);
    return 0;
}

static void *actOn(Transaction *tx, void *env)
{
    Calls *calls = env;
    void *value = tvarRead(tx, calls->tvar);
    callAll(calls);
    tvarWrite(tx, calls->tvar, value);
    return env;
}

static void *holdOn(void *env)
{
    Calls *calls = env;
    CHECK_EQ(mutexLock(calls->held), 0);
    CHECK_EQ(mvarTake(calls->end, NULL), 0);
    CHECK_EQ(mutexUnlock(calls->held), 0);
    return NULL;
}

static void openCalls(Calls *calls)
{
    ThreadAttributes masked = {.masking = 3};
    *calls = (Calls){.empty = mvarNewEmpty(),
                     .full = mvarNew(calls),
                     .done = mvarNewEmpty(),
                     .end = mvarNewEmpty(),
                     .tvar = tvarNew(NULL),
                     .held = mutexNew(),
                     .none = qsemNew(0),
                     .chan = chanNew()};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, calls->fd), 0);
    CHECK_EQ(threadForkWith(&calls->deaf, &masked, holdOn, calls), 0);
    greenUntil(calls->deaf, ThreadBlockedOnMVar);
}

static void closeCalls(Calls *calls)
{
    CHECK_EQ(mvarTryTake(calls->empty, NULL), -EAGAIN); /* nothing is left behind */
    CHECK_EQ(mvarTryPut(calls->empty, NULL), 0);
    CHECK_EQ(mvarTryTake(calls->empty, NULL), 0);
    CHECK_EQ(mvarPut(calls->end, NULL), 0);
    greenJoin(calls->deaf);
    closeFd(calls->fd[0]);
    closeFd(calls->fd[1]);
    mvarFree(calls->empty);
    mvarFree(calls->full);
    mvarFree(calls->done);
    mvarFree(calls->end);
    tvarFree(calls->tvar);
    mutexFree(calls->held);
    qsemFree(calls->none);
    chanFree(calls->chan);
}

/* It comes while its capability idles, while we are about to park, while we pass safepoints. */
static void *greenCallBack(void *env)
{
    Calls calls;
    void *value;
    openCalls(&calls);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(registerTimeout(capabilityManager(), DELAY_US, callBack, &calls, NULL), 0);
        if (i % 2 != 0) {
            while (mvarTryTake(calls.done, &value) != 0)
                threadSafepoint();
        } else {
            CHECK_EQ(mvarTake(calls.done, &value), 0);
        }
        CHECK_EQ(value, &calls);
    }
    CHECK_NE(calls.on_the_loops, 0);
    CHECK_NE(calls.on_a_stack, 0);
    closeCalls(&calls);
    return env;
}

static void *greenAct(void *env)
{
    Calls calls;
    void *result;
    openCalls(&calls);
    CHECK_EQ(stmAtomically(actOn, &calls, &result), 0);
    CHECK_EQ(result, &calls);
    closeCalls(&calls);
    return env;
}

#ifdef CAPRI_ASSERTIONS
static void runRefused(void *env)
{
    ThreadFn *const *fn = env;
    greenRun(1, *fn, NULL);
}
#endif

/* With assertions it is a bug. */
static void refuse(ThreadFn *fn)
{
#ifdef CAPRI_ASSERTIONS
    static char output[2000];
    if (UNDER_TSAN)
        SKIP("it starts no OS threads in a child of a process that had some");
    int status = testChild(runRefused, &fn, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(strstr(output, "must_not_wait") != NULL);
#else
    greenRun(1, fn, NULL);
#endif
}

/* Goal: a callback's call that would wait is refused, and who polls does not notice. */
TEST(NoWait, inACallback)
{
    refuse(greenCallBack);
}

/* Goal: likewise a transaction's. */
TEST(NoWait, inATransaction)
{
    refuse(greenAct);
}
