/* SignalTest.c -- Signal.c of rts/: who is told of which signal, and what it did before.
 *
 * not-under: tsan asan qemu
 * qemu-user keeps a guest's blocked signals to itself: the kernel's signalfd never sees them.
 * ThreadSanitizer starts no OS threads after a fork, and AddressSanitizer of gcc 12 takes no care
 * of its own locks around one; testsuite/stress/SignalStorm.c runs under both.
 */
#include "rts/Signal.h"

#include "testsuite/support/Runtime.h"
#include "testsuite/support/SignalMask.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static SignalWatch *watchOf(int first, int second)
{
    int numbers[2] = {first, second};
    SignalWatch *watch = NULL;
    CHECK_EQ(signalWatch(numbers, second == 0 ? 1 : 2, &watch), 0);
    return watch;
}

static uint32_t handled; /* by the host's handler */

static void countSignal(int number)
{
    (void)number;
    ADD_RELAXED(&handled, 1);
}

static void setHandler(int number)
{
    struct sigaction action = {.sa_handler = countSignal, .sa_flags = SA_RESTART};
    handled = 0;
    CHECK_EQ(sigaction(number, &action, NULL), 0);
}

static void *tellEveryWatch(void *env)
{
    SignalWatch *watches[3] = {watchOf(SIGUSR1, SIGUSR2), watchOf(SIGUSR1, 0), watchOf(SIGUSR2, 0)};
    (void)env;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    for (int i = 0; i < 2; i++) {
        SignalInfo info;
        CHECK_EQ(signalWait(watches[i], &info), 0);
        CHECK_EQ(info.number, SIGUSR1);
        CHECK_EQ(info.code, SI_USER);
        CHECK_EQ(info.sender, getpid());
        CHECK_EQ(info.user, getuid());
        CHECK_EQ(info.count, 1);
        CHECK_EQ(signalWaitUntil(watches[i], &info, rtsNow() + MS_NS), -ETIMEDOUT);
    }
    CHECK_EQ(signalWaitUntil(watches[2], NULL, 0), -ETIMEDOUT);
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    CHECK_EQ(signalWait(watches[2], NULL), 0);
    CHECK_EQ(signalWait(watches[0], NULL), 0);
    for (int i = 0; i < 3; i++)
        signalRelease(watches[i]);
    signalRelease(NULL);
    return NULL;
}

TEST(Signal, everyWatchIsTold)
{
    uint32_t before = fdsOpen();
    greenRun(2, tellEveryWatch, NULL);
    greenStart(1);
    tellEveryWatch(NULL); /* on a plain OS thread */
    greenStop();
    CHECK_EQ(fdsOpen(), before);
}

/* Sent to one OS thread, by the kernel, queued with a value: whoever gets it passes it on. */
static void *keepInfo(void *env)
{
    SignalWatch *watch = watchOf(SIGUSR1, SIGCHLD);
    SignalInfo info;
    (void)env;
    if (!SIGNALS_BLOCKED) {
        CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
        CHECK_EQ(signalWait(watch, &info), 0);
        CHECK_EQ(info.code, SI_TKILL);
        CHECK_EQ(info.sender, getpid());
    }
    CHECK_EQ(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_ptr = &info}), 0);
    CHECK_EQ(signalWait(watch, &info), 0);
    CHECK_EQ(info.code, SI_QUEUE);
    CHECK_EQ(info.value, (intptr_t)&info);
    pid_t child = fork();
    if (child == 0)
        _exit(42);
    CHECK_EQ(signalWait(watch, &info), 0);
    CHECK_EQ(info.number, SIGCHLD);
    CHECK_EQ(info.code, CLD_EXITED);
    CHECK_EQ(info.sender, child);
    CHECK_EQ(info.status, 42);
    signalRelease(watch);
    return NULL;
}

TEST(Signal, itsInfoComesAlong)
{
    sigset_t child, before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    greenRun(2, keepInfo, NULL);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &child, &before), 0); /* nobody but the reader takes it */
    greenRun(2, keepInfo, NULL);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

static void *countAll(void *env)
{
    uint32_t sent = greenScale(20000), told = 0;
    SignalWatch *watch = watchOf(SIGRTMIN, 0);
    (void)env;
    for (uint32_t i = 0; i < sent; i++) { /* real-time signals: the kernel merges none */
        while (sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = (int)i}) != 0)
            CHECK_EQ(threadYield(), 0);
    }
    while (told < sent) {
        SignalInfo info;
        CHECK_EQ(signalWait(watch, &info), 0);
        CHECK_GE(info.count, 1);
        told += info.count;
    }
    CHECK_EQ(told, sent);
    signalRelease(watch);
    return NULL;
}

TEST(Signal, mergedOnesAreCounted)
{
    greenRun(2, countAll, NULL);
}

/* A storm of one signal does not push out another. */
static void *keepOthers(void *env)
{
    SignalWatch *watch = watchOf(SIGTERM, SIGUSR1);
    SignalInfo info = {.number = 0};
    (void)env;
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    for (int i = 0; i < 500; i++)
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    bool terminated = false;
    for (int i = 0; i < 1000 && !terminated; i++) {
        CHECK_EQ(signalWait(watch, &info), 0);
        terminated = info.number == SIGTERM;
    }
    CHECK(terminated);
    signalRelease(watch);
    return NULL;
}

TEST(Signal, aStormPushesNothingOut)
{
    setHandler(SIGUSR1); /* some of the storm may come after the watch */
    greenRun(2, keepOthers, NULL);
}

static void *useAndLeave(void *env)
{
    SignalWatch *first = watchOf(SIGUSR1, 0), *second = watchOf(SIGUSR1, 0);
    (void)env;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(signalWait(first, NULL) + signalWait(second, NULL), 0);
    CHECK_EQ(RELAXED_LOAD(&handled), 0);
    signalRelease(first);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(signalWait(second, NULL), 0);
    signalRelease(second);
    CHECK_EQ(RELAXED_LOAD(&handled), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    while (RELAXED_LOAD(&handled) == 0)
        threadYield();
    return NULL;
}

TEST(Signal, theHostsHandlerComesBack)
{
    if (SIGNALS_BLOCKED)
        SKIP("handlers do not run");
    setHandler(SIGUSR1);
    greenRun(2, useAndLeave, NULL);
    greenStart(1);
    SignalWatch *left = watchOf(SIGUSR1, 0); /* ends with the runtime */
    CHECK(left != NULL);
    greenStop();
    handled = 0;
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(RELAXED_LOAD(&handled), 1);
}

static void *waitOnce(void *env)
{
    return (void *)(intptr_t)signalWait(env, NULL);
}

/* Of those who wait on one watch, one gets each; a release sends the others home. */
static void *waitTogether(void *env)
{
    enum { WAITERS = 5 };
    SignalWatch *watch = watchOf(SIGUSR1, 0);
    Thread *waiters[WAITERS];
    int told = 0, released = 0;
    (void)env;
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = greenFork(waitOnce, watch);
        greenUntil(waiters[i], ThreadBlockedOnTVar);
    }
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    for (bool ended = false; !ended; threadYield())
        for (int i = 0; i < WAITERS; i++)
            ended = ended || threadStatus(waiters[i]).state == ThreadFinished;
    signalRelease(watch);
    for (int i = 0; i < WAITERS; i++) {
        intptr_t result = (intptr_t)greenJoin(waiters[i]);
        told += result == 0;
        released += result == -EINVAL;
    }
    CHECK_EQ(told, 1);
    CHECK_EQ(released, WAITERS - 1);
    return NULL;
}

TEST(Signal, oneOfManyWaitersGetsIt)
{
    greenRun(2, waitTogether, NULL);
}

static void beginAnew(void *env)
{
    SignalWatch *watch = env;
    SignalInfo info;
    CHECK_EQ(signalSurvive(), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(signalWait(watch, &info), 0);
    CHECK_EQ(info.sender, getpid());
    CHECK_EQ(signalWaitUntil(watch, NULL, 0), -ETIMEDOUT);
    signalRelease(watch);
    fflush(NULL);
    _exit(0); /* the rest of the runtime did not come along */
}

/* The child of a fork has the watches, a reader of its own, and none of its parent's signals. */
TEST(Signal, survivesAFork)
{
    char output[500];
    if (UNDER_TSAN)
        SKIP("ThreadSanitizer wants no threads after a fork");
    greenStart(1);
    SignalWatch *watch = watchOf(SIGUSR1, 0);
    int status = testChild(beginAnew, watch, output, sizeof output);
    if (status != 0)
        fputs(output, stderr);
    CHECK_EQ(status, 0);
    CHECK_EQ(signalWaitUntil(watch, NULL, 0), -ETIMEDOUT);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(signalWait(watch, NULL), 0);
    signalRelease(watch);
    greenStop();
}

TEST(Signal, waitsAreCancelled)
{
    greenStart(2);
    SignalWatch *watch = watchOf(SIGUSR1, 0);
    Thread *waiter = greenFork(waitOnce, watch);
    while (threadStatus(waiter).state != ThreadBlockedOnTVar)
        sched_yield();
    threadRetain(waiter);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
}

TEST(Signal, refusesWhatIsBad)
{
    SignalWatch *watch;
    int good = SIGUSR1, bad[] = {0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV, SIGFPE, SIGURG, 33};
    CHECK_EQ(signalWatch(&good, 1, &watch), -ENXIO);
    greenStart(1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int both[2] = {SIGUSR1, bad[i]};
        CHECK_EQ(signalWatch(both, 2, &watch), -EINVAL);
    }
    CHECK_EQ(signalWatch(NULL, 1, &watch), -EINVAL);
    CHECK_EQ(signalWatch(&good, 0, &watch), -EINVAL);
    CHECK_EQ(signalWatch(&good, 1, NULL), -EINVAL);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
    CHECK((now.sa_flags & SA_SIGINFO) == 0); /* nothing is left of the failed ones */
    greenStop();
}

/* A handler that was held up until the runtime had gone: its signal is the host's. */
TEST(Signal, aLateHandlerLeavesItToTheHost)
{
    struct sigaction late;
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};
    setHandler(SIGUSR1);
    greenStart(1);
    watchOf(SIGUSR1, 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &late), 0);
    greenStop();
    CHECK_EQ(handled, 0);
    late.sa_sigaction(SIGUSR1, &info, NULL);
    while (RELAXED_LOAD(&handled) == 0) /* valgrind delivers it a moment later */
        sched_yield();
    CHECK_EQ(handled, 1);
}
