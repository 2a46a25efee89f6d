/* FramesTest.c -- is a frame of the library active?  Threads are interrupted wherever they are.
 *
 * not-under: tsan asan valgrind qemu
 *
 * Each body computes in some place until it has been interrupted; the handler asks, and may say
 * no frame is active only of the two places where none is.  (qemu's processor is not x86-64: there
 * a stale register may refuse as well.)
 */
#include "rts/context/Frames.h"

#include "rts/Schedule.h"
#include "rts/context/Context.h"
#include "testsuite/support/Green.h"

#include <capri/event.h>
#include <capri/mvar.h>
#include <capri/once.h>
#include <capri/scope.h>
#include <capri/slot.h>
#include <capri/stm.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static Stack *volatile looked_at;
static volatile sig_atomic_t answer; /* -1: not asked yet */

static void handle(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    answer = framesAreActive(looked_at, context);
}

static void catchSignal(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    CHECK(framesStart());
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
}

/* A frame has gaps that nothing writes (those of raise; any, compiled without optimisation): what
 * a call of the library has left there would be taken for one that is active.  The wiping frame has
 * gaps as well, so it is done in two places. */
static __attribute__((noinline)) void wipe(void)
{
    volatile uintptr_t below[512];
    for (int i = 0; i < 512; i++)
        below[i] = 0;
    __asm__ volatile("" ::"r"(below) : "memory");
}

static __attribute__((noinline)) void wipeDeeper(void)
{
    wipe();
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

static __attribute__((noinline)) void scrub(void)
{
    wipe();
    wipeDeeper();
    __asm__ volatile("" ::: "memory");
}

/* Interrupted here: by its own doing, below raise, or by another OS thread, in the loop. */
static int askHere(void)
{
    answer = -1;
    looked_at = threadSelf()->stack;
    scrub();
    raise(SIGUSR1);
    CHECK(answer >= 0);
    return answer;
}

typedef struct Sender {
    pthread_t target;
    uint32_t go;
} Sender;

static void *sendSignal(void *env)
{
    Sender *sender = env;
    while (ACQUIRE_LOAD(&sender->go) == 0)
        sched_yield();
    pthread_kill(sender->target, SIGUSR1);
    return NULL;
}

static __attribute__((noinline)) int askLoop(void)
{
    Sender sender = {pthread_self(), 0};
    pthread_t thread;
    looked_at = threadSelf()->stack;
    answer = -1;
    CHECK_EQ(pthread_create(&thread, NULL, sendSignal, &sender), 0);
    RELEASE_STORE(&sender.go, 1);
    while (answer < 0)
        continue;
    pthread_join(thread, NULL);
    return answer;
}

/* The answers are compared afterwards: what CHECK_EQ has computed before a call would be in
 * registers that the called saves, with whatever their unused bits hold. */
static void *askBody(void *env)
{
    int here, in_loop;
    scrub();
    here = askHere();
    scrub();
    in_loop = askLoop();
    CHECK_EQ(here, 0);
    CHECK_EQ(in_loop, 0);
    for (int i = 0; i < 10; i++) {
        threadYield();
        threadDelay(1);
        scrub();
        in_loop = askLoop();
        CHECK_EQ(in_loop, 0);
    }
    return env;
}

/* Goal: a body that computes has none, whatever has used its stack before; so it is found to have
 * none though it has called before.  Method: ask in threads that begin on fresh stacks, and on one
 * that another has left. */
GREEN_TEST(Frames, bodyHasNone)
{
    catchSignal();
    framesWatch(true);
    for (int i = 0; i < 4; i++)
        greenJoin(greenFork(askBody, NULL));
    framesWatch(false);
}

/* Goal: whoever is called by the library is not away.  Method: ask in each kind of callback. */

static uint32_t asked;

static void mustBeActive(void)
{
    CHECK_EQ(askHere(), 1);
    CHECK_EQ(askLoop(), 1);
    asked++;
}

static void *inThreadFn(void *env)
{
    mustBeActive();
    return env;
}

static int inOnce(void *env, void **value)
{
    mustBeActive();
    *value = env;
    return 0;
}

static void *inModify(void *value, void *env)
{
    (void)env;
    mustBeActive();
    return value;
}

static void *inTransaction(Transaction *tx, void *env)
{
    (void)tx;
    mustBeActive();
    return env;
}

static int inScope(Scope *scope, void *env)
{
    (void)scope;
    (void)env;
    mustBeActive();
    return 0;
}

static int inClose(int fd, void *env)
{
    (void)env;
    mustBeActive();
    return close(fd);
}

GREEN_TEST(Frames, callbacksHave)
{
    void *value;
    int ends[2];
    catchSignal();
    asked = 0;
    CHECK_EQ(timeoutRun(60 * 1000 * 1000, inThreadFn, NULL, &value), 0);
    threadMask();
    threadInterruptible(inThreadFn, NULL);
    threadRestore(Unmasked);
    Once *once = onceNew();
    CHECK_EQ(onceGet(once, inOnce, NULL, &value), 0);
    onceFree(once);
    MVar *mvar = mvarNew(NULL);
    CHECK_EQ(mvarModify(mvar, inModify, NULL), 0);
    mvarFree(mvar);
    CHECK_EQ(stmAtomically(inTransaction, NULL, &value), 0);
    CHECK_EQ(scopeRun(inScope, NULL), 0);
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(closeFdWith(inClose, NULL, ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    CHECK_EQ(asked, 7);
}

static void inSlotEnd(void *value)
{
    (void)value;
    mustBeActive();
}

static void *setSlot(void *env)
{
    CHECK_EQ(threadSlotSet(env, env), 0);
    return NULL;
}

GREEN_TEST(Frames, destructorsHave)
{
    catchSignal();
    asked = 0;
    ThreadSlot *slot = threadSlotNew(inSlotEnd);
    greenJoin(greenFork(setSlot, slot));
    threadSlotFree(slot);
    CHECK_EQ(asked, 1);
}

/* Goal: a handler of the host's that interrupts the library, on the thread's own stack, hides
 * nothing.  Method: what the interrupted place has, the handler has. */
static uint32_t interrupted; /* in the library */

static void inHandler(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    Capability *here = workerCapability();
    if (here == NULL || here->current == NULL)
        return;
    Thread *self = here->current;
    if (self->stack == NULL || !framesAreActive(self->stack, context))
        return;
    CHECK_EQ(askHere(), 1);
    ADD_RELAXED(&interrupted, 1);
}

static void *interruptMuch(void *env)
{
    Sender *sender = env;
    while (RELAXED_LOAD(&sender->go) != 0) {
        pthread_kill(sender->target, SIGUSR2);
        sched_yield();
    }
    return NULL;
}

GREEN_TEST(Frames, handlersHideNothing)
{
    struct sigaction action = {.sa_sigaction = inHandler, .sa_flags = SA_SIGINFO};
    pthread_t thread;
    catchSignal();
    interrupted = 0;
    CHECK_EQ(sigaction(SIGUSR2, &action, NULL), 0);
    Sender sender = {pthread_self(), 1};
    CHECK_EQ(pthread_create(&thread, NULL, interruptMuch, &sender), 0);
    while (RELAXED_LOAD(&interrupted) < 100) {
        for (int i = 0; i < 100; i++)
            CHECK_EQ(threadLabel(threadSelf(), "interrupted"), 0);
    }
    RELEASE_STORE(&sender.go, 0);
    pthread_join(thread, NULL);
    CHECK_EQ(sigaction(SIGUSR2, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), 0);
}

/* Goal: not when the stack pointer is on another stack.  Method: say that this is another's. */
static void *takeOne(void *env)
{
    return (void *)(intptr_t)mvarTake(env, NULL);
}

GREEN_TEST(Frames, otherStacksHave)
{
    catchSignal();
    MVar *mvar = mvarNewEmpty();
    Thread *other = greenFork(takeOne, mvar);
    while (threadStatus(other).state != ThreadBlockedOnMVar)
        threadYield();
    answer = -1;
    looked_at = other->stack;
    raise(SIGUSR1);
    CHECK_EQ(answer, 1);
    CHECK_EQ(mvarPut(mvar, NULL), 0);
    greenJoin(other);
    mvarFree(mvar);
}

/* Goal: all of the library's functions are known as such. */
GREEN_TEST(Frames, textIsKnown)
{
    CHECK(framesStart());
    CHECK(framesHoldText((uintptr_t)threadYield));
    CHECK(framesHoldText((uintptr_t)mvarTake));
    CHECK(framesHoldText((uintptr_t)registerFd));
    CHECK(framesHoldText((uintptr_t)scheduleRunReady));
    CHECK(framesHoldText((uintptr_t)contextStart));
    CHECK(!framesHoldText((uintptr_t)askLoop));
    CHECK(!framesHoldText((uintptr_t)memcpy));
    CHECK(!framesHoldText(0));
    CHECK(!framesHoldText(UINTPTR_MAX));
}

/* ---- Goal: a fork's thread stays, though no frame is active between the handlers.  Method: one of
 * the host's, which runs after the runtime's, asks; outside of a fork the same succeeds. */
static bool forking;
static uint32_t asked_in_fork;

static void askToGo(void)
{
    Capability *here = scheduleHere();
    RELAXED_STORE(&schedulerOf(here)->asked, RELAXED_LOAD(&here->stats.switches) + 1);
    raise(SIGURG);
}

static void askInFork(void)
{
    if (!forking)
        return;
    askToGo();
    CHECK(scheduleHere() != NULL);
    asked_in_fork++;
}

/* Before the runtime's: the first registered prepares last. */
static __attribute__((constructor)) void registerFirst(void)
{
    pthread_atfork(askInFork, NULL, NULL);
}

static void *askAround(void *env)
{
    int status;
    (void)env;
    forking = true;
    pid_t child = fork();
    if (child == 0)
        _exit(scheduleHere() != NULL && threadYield() == 0 ? 0 : 1);
    forking = false;
    CHECK_GT(child, 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    askToGo();
    CHECK_EQ(scheduleHere(), NULL);
    CHECK_EQ(threadYield(), 0);
    CHECK(scheduleHere() != NULL);
    return NULL;
}

TEST(Frames, forkStays)
{
    RtsConfig config = {.capabilities = 1, .hand_over = true};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(askAround, NULL));
    CHECK_EQ(asked_in_fork, 1);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}
