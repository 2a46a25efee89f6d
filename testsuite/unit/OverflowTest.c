/* OverflowTest.c -- a stack that overflows is named, harms nobody, and earlier handlers are called.
 *
 * The tools below have SIGSEGV handlers or stacks of their own.
 * not-under: tsan asan valgrind qemu
 */
#include "testsuite/support/Runtime.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void dumpNoCore(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
}

/* ---- recursion without end ------------------------------------------------------------------- */

static volatile uint32_t depth_limit =
    UINT32_MAX; /* so that no compiler knows that it has no end */

static __attribute__((noinline)) uint64_t recurse(uint32_t depth)
{
    volatile char frame[512];
    memset((char *)frame, (int)depth, sizeof frame);
    if (depth >= depth_limit)
        return depth;
    return recurse(depth + 1) + (uint64_t)frame[depth % sizeof frame];
}

static void *overflow(void *env)
{
    printf("id %llu\n", (unsigned long long)threadId(threadSelf()));
    fflush(stdout);
    recurse(0);
    return env;
}

static void overflowLabelled(void *env)
{
    ThreadAttributes attributes = {.label = "deep one", .stack_size = *(size_t *)env};
    Thread *thread;
    dumpNoCore();
    greenStart(1);
    CHECK_EQ(threadForkWith(&thread, &attributes, overflow, NULL), 0);
    greenJoin(thread);
}

TEST(Overflow, isNamed)
{
    char output[1024], wanted[200];
    unsigned long long id = 0;
    static size_t sizes[] = {0, (size_t)1 << 20};
    for (int i = 0; i < 2; i++) {
        int status = testChild(overflowLabelled, &sizes[i], output, sizeof output);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGSEGV);
        CHECK_EQ(sscanf(output, "id %llu", &id), 1);
        snprintf(wanted, sizeof wanted,
                 "capri: stack overflow: green thread %llu \"deep one\" overflowed its stack of "
                 "%zu KiB\n",
                 id, i == 0 ? STACK_DEFAULT / 1024 : (size_t)1024);
        CHECK(strstr(output, wanted) != NULL);
        CHECK_EQ(strstr(strstr(output, wanted) + 1, "capri:"), NULL); /* once */
    }
}

static void overflowUnlabelled(void *env)
{
    (void)env;
    dumpNoCore();
    greenStart(2);
    greenJoin(greenFork(overflow, NULL));
}

TEST(Overflow, isNamedWithoutALabel)
{
    char output[1024], wanted[200];
    unsigned long long id = 0;
    int status = testChild(overflowUnlabelled, NULL, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    CHECK_EQ(sscanf(output, "id %llu", &id), 1);
    snprintf(wanted, sizeof wanted, "green thread %llu overflowed", id);
    CHECK(strstr(output, wanted) != NULL);
}

/* ---- the neighbours -------------------------------------------------------------------------- */

enum { NEIGHBOURS = 8, FILL = 40 * 1024 };

static uint32_t filled; /* threads add */

static void *fillThenPark(void *env)
{
    volatile unsigned char memory[FILL];
    unsigned char pattern = (unsigned char)(uintptr_t)env;
    for (int i = 0; i < FILL; i++)
        memory[i] = pattern;
    ADD_SEQ_CST(&filled, 1);
    while (SEQ_CST_LOAD(&filled) <= NEIGHBOURS)
        threadYield();
    for (int i = 0; i < FILL; i++)
        CHECK_EQ(memory[i], pattern);
    ADD_SEQ_CST(&filled, 1);
    return NULL;
}

/* The handler that was there before: let the neighbours look at their stacks, then tell. */
static void lookAtNeighbours(int number)
{
    static const char fine[] = "neighbours are fine\n";
    (void)number;
    SEQ_CST_STORE(&filled, NEIGHBOURS + 1);
    while (SEQ_CST_LOAD(&filled) != 2 * NEIGHBOURS + 1) /* on the other capability */
        SMP_PAUSE();
    ssize_t written = write(STDOUT_FILENO, fine, sizeof fine - 1);
    (void)written;
    _exit(42);
}

static void overflowAmongOthers(void *env)
{
    (void)env;
    dumpNoCore();
    signal(SIGSEGV, lookAtNeighbours);
    filled = 0;
    greenStart(2);
    Thread *victim, *neighbours[NEIGHBOURS];
    for (uint32_t i = 0; i < NEIGHBOURS; i++)
        CHECK_EQ(threadForkOn(&neighbours[i], 1, fillThenPark, (void *)(uintptr_t)(i + 1)), 0);
    while (SEQ_CST_LOAD(&filled) != NEIGHBOURS)
        sched_yield();
    CHECK_EQ(threadForkOn(&victim, 0, overflow, NULL), 0);
    greenJoin(victim);
}

TEST(Overflow, harmsNoNeighbourAndCallsTheHandlerBefore)
{
    char output[1024];
    int status = testChild(overflowAmongOthers, NULL, output, sizeof output);
    CHECK(strstr(output, "capri: stack overflow: green thread") != NULL);
    CHECK(strstr(output, "neighbours are fine") != NULL);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
}

/* ---- other faults ---------------------------------------------------------------------------- */

static void *touchNothing(void *env)
{
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
    return env;
}

static void faultInGreen(void *env)
{
    (void)env;
    dumpNoCore();
    greenStart(1);
    greenJoin(greenFork(touchNothing, NULL));
}

/* The child ends by SIGSEGV, of which we say nothing. */
static void endsUntold(void (*child)(void *env))
{
    char output[1024];
    int status = testChild(child, NULL, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    CHECK_EQ(strstr(output, "capri:"), NULL);
}

TEST(Overflow, otherFaultsAreNotItsBusiness)
{
    endsUntold(faultInGreen);
}

/* ---- signals that are no faults -------------------------------------------------------------- */

static void killSelf(void *env)
{
    (void)env;
    dumpNoCore();
    greenStart(1);
    CHECK_EQ(kill(getpid(), SIGSEGV), 0);
    _exit(42);
}

/* There is nothing to be done again that would fault again. */
TEST(Overflow, whatWasSentEndsTheProcess)
{
    endsUntold(killSelf);
}

static void ignoreWhatIsSent(void *env)
{
    (void)env;
    dumpNoCore();
    signal(SIGSEGV, SIG_IGN);
    greenStart(1);
    CHECK_EQ(kill(getpid(), SIGSEGV), 0);
    CHECK_EQ(raise(SIGSEGV), 0);
    greenJoin(greenFork(overflow, NULL));
}

/* A fault cannot be ignored. */
TEST(Overflow, whatWasSentMayBeIgnored)
{
    char output[1024];
    int status = testChild(ignoreWhatIsSent, NULL, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    CHECK(strstr(output, "capri: stack overflow: green thread") != NULL);
}

static void tellAndExit(int number)
{
    (void)number;
    _exit(42);
}

static void *tellGuard(void *env)
{
    (void)env;
    return stackBottom(threadSelf()->stack) - 1;
}

static void touchColdGuard(void *env)
{
    ThreadAttributes attributes = {.stack_size = (size_t)1 << 20}; /* no capability keeps it */
    Thread *thread;
    (void)env;
    dumpNoCore();
    signal(SIGSEGV, tellAndExit);
    greenStart(1);
    CHECK_EQ(threadForkWith(&thread, &attributes, tellGuard, NULL), 0);
    char *guard = greenJoin(thread);
    greenJoin(greenFork(tellGuard, NULL)); /* whoever runs next gives it back */
    *(volatile char *)guard = 1;
}

/* Whose stack is nobody's has no name, and the handler before is called. */
TEST(Overflow, aColdGuardIsNotItsBusiness)
{
    char output[1024];
    int status = testChild(touchColdGuard, NULL, output, sizeof output);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
    CHECK_EQ(strstr(output, "capri:"), NULL);
}

static void overflowUnheard(void *env)
{
    RtsConfig config = {.capabilities = 1, .no_signals = true};
    (void)env;
    dumpNoCore();
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(overflow, NULL));
}

TEST(Overflow, isNotHeardWithoutSignals)
{
    endsUntold(overflowUnheard);
}

static void standInHandler(int number)
{
    (void)number;
}

/* The SIGSEGV action is the host's again once the runtime is gone; what it set meanwhile stays. */
TEST(Overflow, givesTheHandlerBack)
{
    struct sigaction now;
    signal(SIGSEGV, standInHandler);
    greenStart(1);
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK_NE((void *)now.sa_handler, (void *)standInHandler);
    greenStop();
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK_EQ((void *)now.sa_handler, (void *)standInHandler);
    signal(SIGSEGV, SIG_DFL);
    greenStart(1);
    signal(SIGSEGV, standInHandler);
    greenStop();
    CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
    CHECK_EQ((void *)now.sa_handler, (void *)standInHandler);
    signal(SIGSEGV, SIG_DFL);
}
