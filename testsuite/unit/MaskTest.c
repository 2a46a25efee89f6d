/* MaskTest.c -- when a thread may be interrupted, and when not. */
#include "rts/Interrupt.h"

#include "testsuite/support/Runtime.h"

enum { CODE = 3 };

typedef struct Play {
    Thread *self;
    MVar *full, *empty;
    int seen;
} Play;

static void *throwCode(void *env)
{
    return (void *)(intptr_t)threadThrowTo(((Play *)env)->self, CODE, env);
}

/* Let somebody throw to the caller, and stay pending. */
static Thread *thrownAt(Play *play)
{
    play->self = threadSelf();
    MaskingState before = interruptMask(play->self, Unmasked); /* the thrower's */
    Thread *thrower = greenFork(throwCode, play);
    interruptMask(play->self, before);
    greenUntil(thrower, ThreadBlockedOnThrowTo);
    return thrower;
}

static void caught(Thread *thrower)
{
    int code = 0;
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, CODE);
    CHECK_EQ((intptr_t)greenJoin(thrower), 0);
}

static void *maskAndRestore(void *env)
{
    CHECK_EQ(threadMaskingState(), Unmasked);
    CHECK_EQ(threadMask(), Unmasked);
    CHECK_EQ(threadMask(), MaskedInterruptible);
    CHECK_EQ(threadMaskUninterruptible(), MaskedInterruptible);
    CHECK_EQ(threadMask(), MaskedUninterruptible); /* stays so */
    CHECK_EQ(threadMaskingState(), MaskedUninterruptible);
    CHECK_EQ(threadRestore(MaskedInterruptible), 0);
    CHECK_EQ(threadMaskingState(), MaskedInterruptible);
    CHECK_EQ(threadRestore((MaskingState)3), -EINVAL);
    CHECK_EQ(threadRestore((MaskingState)-1), -EINVAL);
    CHECK_EQ(threadRestore(Unmasked), 0);
    CHECK_EQ(threadMaskingState(), Unmasked);
    return env;
}

TEST(Mask, statesNest)
{
    greenRun(1, maskAndRestore, NULL);
    CHECK_EQ(threadMask(), Unmasked); /* a plain OS thread has none */
    CHECK_EQ(threadMaskingState(), Unmasked);
    CHECK_EQ(threadRestore(MaskedInterruptible), 0);
    CHECK_EQ(threadAllowInterrupt(), 0);
    CHECK_EQ(threadCaught(NULL, NULL), 0);
}

/* While one is pending: what can be done at once is done. */
static void doWhatCanBeDone(Play *play)
{
    void *value = NULL;
    char byte = 1;
    int pipe_fds[2];
    CHECK_EQ(mvarTake(play->full, &value), 0);
    CHECK_EQ(value, play);
    CHECK_EQ(mvarPut(play->full, play), 0);
    CHECK_EQ(mvarRead(play->full, &value), 0);
    CHECK_EQ(fdPipe(pipe_fds), 0);
    CHECK_EQ(fdWrite(pipe_fds[1], &byte, 1), 1);
    CHECK_EQ(fdRead(pipe_fds[0], &byte, 1), 1);
    CHECK_EQ(closeFd(pipe_fds[0]), 0);
    CHECK_EQ(closeFd(pipe_fds[1]), 0);
}

static void *beMasked(void *env)
{
    Play *play = env;
    void *value;
    threadMask();
    Thread *thrower = thrownAt(play);
    CHECK_EQ(threadYield(), 0);
    CHECK_EQ(threadSafepoint(), 0);
    CHECK_EQ(threadDelay(0), 0);
    doWhatCanBeDone(play);
    CHECK_EQ(mvarTake(play->empty, &value), -ECANCELED); /* here it has to wait */
    caught(thrower);
    thrower = thrownAt(play);
    CHECK_EQ(threadAllowInterrupt(), -ECANCELED);
    caught(thrower);
    CHECK_EQ(threadAllowInterrupt(), 0);
    thrower = thrownAt(play);
    CHECK_EQ(threadThrowTo(play->self, 9, NULL), -ECANCELED); /* to itself: raised at once */
    int code = 0;
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, 9);
    CHECK_EQ(threadRestore(Unmasked), -ECANCELED);
    CHECK_EQ(threadMaskingState(), Unmasked);
    caught(thrower);
    return NULL;
}

static void *beUnmasked(void *env)
{
    Play *play = env;
    for (int i = 0; i < 4; i++) {
        threadMaskUninterruptible();
        Thread *thrower = thrownAt(play);
        doWhatCanBeDone(play);
        interruptMask(play->self, Unmasked); /* as restoring does, but for the look */
        doWhatCanBeDone(play);
        CHECK_EQ(i == 0   ? threadYield()
                 : i == 1 ? threadSafepoint()
                 : i == 2 ? threadDelay(0)
                          : threadDelayUntil(0),
                 -ECANCELED);
        caught(thrower);
    }
    return NULL;
}

static void *beDeaf(void *env)
{
    Play *play = env;
    void *value;
    threadMaskUninterruptible();
    Thread *thrower = thrownAt(play);
    CHECK_EQ(threadAllowInterrupt(), 0);
    CHECK_EQ(mvarTakeUntil(play->empty, &value, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(threadDelay(1000), 0);
    Thread *child = greenFork(throwCode, &(Play){.self = thrower});
    CHECK_EQ((intptr_t)greenJoin(child),
             0); /* a wait without a deadline; it interrupts the thrower */
    CHECK_EQ((intptr_t)greenJoin(thrower), -ECANCELED);
    CHECK_EQ(threadRestore(Unmasked), 0); /* so it was withdrawn */
    return NULL;
}

static void runPlay(ThreadFn *fn)
{
    for (uint32_t capabilities_wanted = 1; capabilities_wanted <= 2; capabilities_wanted++) {
        greenStart(capabilities_wanted);
        Play play = {.full = mvarNew(NULL), .empty = mvarNewEmpty()};
        void *value;
        CHECK_EQ(mvarTryTake(play.full, &value), 0);
        CHECK_EQ(mvarTryPut(play.full, &play), 0);
        greenJoin(greenFork(fn, &play));
        mvarFree(play.full);
        mvarFree(play.empty);
        greenStop();
    }
}

TEST(Mask, interruptibleOnlyWhereItWaits)
{
    runPlay(beMasked);
}

TEST(Mask, unmaskedAlsoAtPoints)
{
    runPlay(beUnmasked);
}

TEST(Mask, uninterruptibleNowhere)
{
    runPlay(beDeaf);
}

static void *tellState(void *env)
{
    (void)env;
    return (void *)(uintptr_t)threadMaskingState();
}

static void *inherit(void *env)
{
    ThreadAttributes attributes = {.label = "child"};
    for (MaskingState state = Unmasked; state <= MaskedUninterruptible; state++) {
        Thread *child;
        interruptMask(threadSelf(), state);
        CHECK_EQ((uintptr_t)greenJoin(greenFork(tellState, NULL)), state);
        CHECK_EQ(threadForkWith(&child, &attributes, tellState, NULL), 0);
        CHECK_EQ((uintptr_t)greenJoin(child), state);
        CHECK_EQ((uintptr_t)threadInterruptible(tellState, NULL),
                 state == MaskedInterruptible ? Unmasked : state);
        CHECK_EQ(threadMaskingState(), state);
    }
    return env;
}

TEST(Mask, isInherited)
{
    greenRun(1, inherit, NULL);
    greenStart(1);
    Thread *child = greenFork(tellState, NULL);
    CHECK_EQ((uintptr_t)greenJoin(child), Unmasked);
    CHECK_EQ((uintptr_t)threadInterruptible(tellState, NULL), Unmasked);
    greenStop();
}

/* A newborn that inherits a mask is not kept from beginning. */
static void *beginMasked(void *env)
{
    *(bool *)env = true;
    CHECK_EQ(threadRestore(Unmasked), -ECANCELED);
    CHECK_EQ(threadCaught(NULL, NULL), 1);
    return NULL;
}

static void *throwToNewborn(void *env)
{
    bool began = false;
    threadMask();
    Thread *child = greenFork(beginMasked, &began);
    CHECK_EQ(threadThrowTo(child, CODE, NULL), 0);
    CHECK(began);
    greenJoin(child);
    return env;
}

TEST(Mask, letsNewbornsBegin)
{
    greenRun(1, throwToNewborn, NULL);
}

/* ---- callbacks: what is thrown to the thread on whose stack they are called is not theirs ---- */

static struct {
    uint32_t times; /* as all here: the capability's OS thread only */
    uint32_t passed, asked;
} called;

static void notMine(void)
{
    called.times++;
    called.passed += threadSafepoint() != 0;
    called.asked += (uint32_t)threadCaught(NULL, NULL);
}

static int onTimeout(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager, (void)key, (void)env;
    notMine();
    return 0;
}

static void onSafepoint(uint32_t capability, void *env)
{
    (void)capability, (void)env;
    notMine();
}

/* Nothing is raised where it looks around. */
static void beCalledBack(MVar *full)
{
    TimeoutKey key;
    called.times = 0;
    CHECK_EQ(registerTimeout(capabilityManager(), 1, onTimeout, NULL, &key), 0);
    while (called.times == 0)
        CHECK_EQ(mvarTryRead(full, NULL), 0);
    CHECK_EQ(called.passed, 0);
    CHECK_EQ(called.asked, 0);
}

static void *killAnother(void *env)
{
    CHECK_EQ(threadKill(env), 0);
    return NULL;
}

static void *keepItsOwn(void *env)
{
    int code = 0;
    MVar *full = mvarNew(env);
    pthread_t killer = osFork(killAnother, threadSelf());
    while (!interruptIsPending(threadSelf()))
        sched_yield();
    beCalledBack(full);
    CHECK_EQ(threadDelay(INT64_MAX), -ECANCELED);
    osJoin(killer);
    beCalledBack(full);
    CHECK_EQ(threadCaught(&code, NULL), 1);
    CHECK_EQ(code, InterruptKill);
    mvarFree(full);
    return env;
}

TEST(Mask, callbacksHaveNotTheThreads)
{
    for (int hook = 0; hook < 2; hook++) {
        RtsConfig config = {.capabilities = 1, .hooks.safepoint = hook ? onSafepoint : NULL};
        CHECK_EQ(rtsInit(&config), 0);
        greenJoin(greenFork(keepItsOwn, NULL));
        greenStop();
    }
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static void *same(void *arg)
{
    return arg;
}

static int askInCallback(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    void *result = NULL;
    (void)manager;
    (void)key;
    CHECK(events & EventClose);
    CHECK(threadSelf() != NULL); /* on its stack */
    CHECK_EQ(threadCaught(NULL, NULL), 0);
    CHECK_EQ(foreignCallInterruptible(same, env, &result), 0);
    CHECK_EQ(result, env);
    return 0;
}

static void callBack(Play *play)
{
    int ends[2];
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(
        registerFd(capabilityManager(), askInCallback, play, ends[0], EventRead, MultiShot, NULL),
        0);
    CHECK_EQ(closeFd(ends[0]) + closeFd(ends[1]), 0);
}

static void *interruptedBelow(void *env)
{
    Play play = {0};
    threadMask();
    Thread *thrower = thrownAt(&play);
    interruptMask(play.self, Unmasked); /* pending, and not raised */
    callBack(&play);
    CHECK_EQ(threadAllowInterrupt(), -ECANCELED);
    callBack(&play); /* raised, and not caught */
    caught(thrower);
    return env;
}

/* Goal: what is called back leaves the interrupts of the thread below it to that thread. */
TEST(Mask, callbacksHaveNoInterrupts)
{
    greenRun(1, interruptedBelow, NULL);
}
