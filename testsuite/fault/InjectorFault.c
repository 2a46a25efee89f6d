/* InjectorFault.c -- the injector itself: what fails, what is counted, what a child's end says.
 *
 * not-under: qemu valgrind
 */
#include "testsuite/fault/Injector.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int callOnce(void)
{
    errno = 0;
    return syscall(SYS_getpriority, 0, 0) < 0 ? -errno : 0;
}

static void *callElsewhere(void *env)
{
    *(int *)env = callOnce();
    return NULL;
}

/* Four calls, the third on another OS thread; then one that no fault may touch. */
static void callOften(void *env)
{
    FaultReport report = {0};
    pthread_t thread;
    int results[5];
    (void)env;
    CHECK_EQ(callOnce(), 0); /* before */
    faultBegin();
    results[0] = callOnce();
    results[1] = callOnce();
    CHECK_EQ(pthread_create(&thread, NULL, callElsewhere, &results[2]), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    results[3] = callOnce();
    faultEnd();
    results[4] = callOnce();
    for (int i = 0; i < 5; i++)
        report.where[i] = results[i] == 0 ? '+' : results[i] == -EXDEV ? '-' : '?';
    faultReport(&report);
}

static void expectCalls(Fault fault, const char *pattern, uint32_t injected)
{
    FaultRun run = faultRun(&fault, callOften, NULL);
    if (!run.told || strcmp(run.report.where, pattern) != 0)
        printf("\"%s\" instead of \"%s\"; %s\n", run.report.where, pattern, run.output);
    CHECK(run.told);
    CHECK_EQ(run.status, 0);
    CHECK_EQ(strcmp(run.report.where, pattern), 0);
    CHECK_EQ(run.seen, 4);
    CHECK_EQ(run.injected, injected);
}

/* Goal: exactly the calls that were named fail, on whatever OS thread. */
TEST(Injector, failsTheCallsThatAreNamed)
{
    Fault fault = {.call = SYS_getpriority, .error = EXDEV, .first = 2, .count = 2};
    if (!faultPossible())
        SKIP("no user notification of seccomp here");
    expectCalls(fault, "+--++", 2);
    fault.count = (uint32_t)FAULT_FOR_EVER;
    expectCalls(fault, "+---+", 3);
    fault.first = 5;
    expectCalls(fault, "+++++", 0);
    fault.error = 0;
    expectCalls(fault, "+++++", 0);
}

static bool asksForGroup(const FaultCall *call)
{
    return call->arguments[0] == 1;
}

/* Goal: calls that the fault does not concern are not even counted. */
TEST(Injector, leavesOthersAlone)
{
    Fault fault = {
        .call = SYS_getpriority, .concerns = asksForGroup, .error = EXDEV, .first = 1, .count = 9};
    if (!faultPossible())
        SKIP("no user notification of seccomp here");
    FaultRun run = faultRun(&fault, callOften, NULL);
    CHECK_EQ(strcmp(run.report.where, "+++++"), 0);
    CHECK_EQ(run.seen, 0);
}

static void sayAndAbort(void *env)
{
    (void)env;
    faultBegin();
    fprintf(stderr, "a last word");
    abort();
}

/* Goal: how a child ended and what it said is known. */
TEST(Injector, tellsTheEnd)
{
    const Fault fault = {.call = SYS_getpriority};
    if (!faultPossible())
        SKIP("no user notification of seccomp here");
    FaultRun run = faultRun(&fault, sayAndAbort, NULL);
    CHECK(WIFSIGNALED(run.status));
    CHECK_EQ(WTERMSIG(run.status), SIGABRT);
    CHECK(!run.told);
    CHECK(strstr(run.output, "a last word") != NULL);
}
