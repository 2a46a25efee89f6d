/* ForeignInterruptTest.c -- a call that sleeps in the kernel is brought back by an interrupt. */
#include "rts/ForeignInterrupt.h"

#include "capability/Monitor.h"
#include "rts/Interrupt.h"
#include "testsuite/support/Runtime.h"

#include <signal.h>
#include <string.h>

typedef struct Reader {
    int ends[2];
    uint32_t entered;
    uint32_t linger; /* it begins its system call only when this is not 0 */
    ssize_t got;     /* what read said: a count, or -errno */
} Reader;

static void *readForEver(void *arg)
{
    Reader *reader = arg;
    char byte;
    SEQ_CST_STORE(&reader->entered, 1);
    while (ACQUIRE_LOAD(&reader->linger) == 0)
        sched_yield();
    reader->got = read(reader->ends[0], &byte, 1);
    if (reader->got < 0)
        reader->got = -errno;
    return reader;
}

static void *callReader(void *env)
{
    void *result = NULL;
    CHECK_EQ(foreignCallInterruptible(readForEver, env, &result), 0);
    CHECK_EQ(result, env);
    return NULL;
}

static Thread *forkReader(Reader *reader, bool linger)
{
    *reader = (Reader){.linger = linger ? 0 : 1};
    CHECK_EQ(pipe(reader->ends), 0);
    Thread *thread = greenFork(callReader, reader);
    while (SEQ_CST_LOAD(&reader->entered) == 0)
        sched_yield();
    return thread;
}

static void endReader(Reader *reader, Thread *thread)
{
    greenJoin(thread);
    CHECK_EQ(reader->got, -EINTR);
    close(reader->ends[0]);
    close(reader->ends[1]);
    CHECK(!foreignInterrupt(thread)); /* not in a call; the descriptor is only compared */
}

TEST(ForeignInterrupt, endsASystemCall)
{
    greenStart(1);
    for (int i = 0; i < 20; i++) {
        Reader reader;
        Thread *thread = forkReader(&reader, false);
        CHECK(foreignInterrupt(thread));
        endReader(&reader, thread);
    }
    CHECK_EQ(RELAXED_LOAD(&monitor.nags), 0);
    greenStop();
}

/* Goal: what comes before the system call is not lost.  Method: the first signal is over before it
 * begins; the Monitor, which may be dormant, sends the next. */
TEST(ForeignInterrupt, comesAgain)
{
    greenStart(1);
    Reader reader;
    Thread *thread = forkReader(&reader, true);
    while (ACQUIRE_LOAD(&monitor.dormant) == 0)
        usleep(1000);
    CHECK(foreignInterrupt(thread));
    CHECK(foreignInterrupt(thread));
    RELEASE_STORE(&reader.linger, 1);
    endReader(&reader, thread);
    greenStop();
}

/* Several at once, and only the one that is meant. */
TEST(ForeignInterrupt, meansOne)
{
    enum { READERS = 4 };
    Reader readers[READERS];
    Thread *threads[READERS];
    greenStart(2);
    for (int i = 0; i < READERS; i++)
        threads[i] = forkReader(&readers[i], false);
    for (int i = READERS - 1; i >= 0; i--) {
        for (int k = 0; k < i; k++)
            CHECK_NE(threadStatus(threads[k]).state, ThreadFinished);
        CHECK(foreignInterrupt(threads[i]));
        endReader(&readers[i], threads[i]);
    }
    greenStop();
}

/* One that is pending when the call begins. */
static uint32_t asked;

static bool isPending(Thread *thread)
{
    CHECK(thread != NULL);
    asked++;
    return true;
}

static void *callPending(void *env)
{
    CHECK_EQ(foreignCallInterruptible(readForEver, env, NULL), -EINTR);
    CHECK_EQ(foreignCallInterruptible(NULL, env, NULL), -EINVAL);
    return NULL;
}

TEST(ForeignInterrupt, isPendingAlready)
{
    Reader reader = {.linger = 1};
    greenStart(1);
    foreignInterruptAsk(isPending);
    greenJoin(greenFork(callPending, &reader));
    foreignInterruptAsk(NULL);
    CHECK_EQ(asked, 1);
    CHECK_EQ(reader.entered, 0);
    greenStop();
}

/* The host's own handler is called, and is back when the runtime is gone. */
static uint32_t handled;

static void handle(int number)
{
    CHECK_EQ(number, SIGURG);
    ADD_SEQ_CST(&handled, 1);
}

TEST(ForeignInterrupt, keepsTheHostsHandler)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART}, now;
    Reader reader;
    CHECK_EQ(sigaction(SIGURG, &action, NULL), 0);
    greenStart(1);
    Thread *thread = forkReader(&reader, false);
    CHECK(foreignInterrupt(thread));
    endReader(&reader, thread);
    CHECK_GT(SEQ_CST_LOAD(&handled), 0);
    greenStop();
    CHECK_EQ(sigaction(SIGURG, NULL, &now), 0);
    CHECK(now.sa_handler == handle);
    signal(SIGURG, SIG_DFL);
}

/* ---- by other threads ---- */

enum { CODE = 4 };

static void *callAndCatch(void *env)
{
    void *result = NULL;
    int code = 0;
    CHECK_EQ(foreignCallInterruptible(readForEver, env, &result), -ECANCELED);
    CHECK_EQ(result, env);
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, CODE);
    threadMaskUninterruptible();
    return NULL;
}

static void *throwAtCaller(void *env)
{
    CHECK_EQ(threadThrowTo(env, CODE, NULL), 0);
    return NULL;
}

static void *neverCalled(void *arg)
{
    CHECK(arg == NULL && false);
    return NULL;
}

/* One is pending when the call begins. */
static void *callThrownAt(void *env)
{
    uint32_t *thrown = env;
    void *result = env;
    threadMaskUninterruptible();
    while (ACQUIRE_LOAD(thrown) == 0)
        threadYield();
    threadYield();
    MaskingState before = interruptMask(threadSelf(), MaskedInterruptible);
    CHECK_EQ(before, MaskedUninterruptible);
    CHECK_EQ(foreignCallInterruptible(neverCalled, NULL, &result), -ECANCELED);
    CHECK_EQ(result, NULL);
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    return NULL;
}

TEST(ForeignInterrupt, isThrownByOthers)
{
    greenStart(2);
    for (int i = 0; i < 20; i++) {
        Reader reader = {.linger = 1};
        CHECK_EQ(pipe(reader.ends), 0);
        Thread *thread = greenFork(callAndCatch, &reader);
        while (SEQ_CST_LOAD(&reader.entered) == 0)
            sched_yield();
        if (i % 2 == 0)
            greenJoin(greenFork(throwAtCaller, thread));
        else
            osJoin(osFork(throwAtCaller, thread));
        endReader(&reader, thread);
    }
    greenStop();
}

static void *throwPending(void *env)
{
    uint32_t thrown = 0;
    ThreadAttributes masked = {.masking = MaskedUninterruptible + 1};
    Thread *caller;
    CHECK_EQ(threadForkWith(&caller, &masked, callThrownAt, &thrown), 0);
    Thread *thrower = greenFork(throwAtCaller, caller);
    greenUntil(thrower, ThreadBlockedOnThrowTo);
    RELEASE_STORE(&thrown, 1);
    greenJoin(thrower);
    greenJoin(caller);
    return env;
}

TEST(ForeignInterrupt, wasThrownBefore)
{
    greenRun(1, throwPending, NULL);
    greenRun(2, throwPending, NULL);
}
