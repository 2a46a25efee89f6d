/* OverflowNamed.c -- a stack that overflows ends the process with the thread's name and its size.
 * not-under: asan tsan valgrind qemu
 */
#include "testsuite/support/Crowd.h"

#include <signal.h>
#include <sys/wait.h>

enum { STACK_KIB = 128 };

static __attribute__((noinline)) int dig(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    __asm__ __volatile__("" ::"r"(frame) : "memory"); /* keeps the frames */
    return depth == 0 ? 0 : dig(depth - 1) + frame[0];
}

static void *digForEver(void *env)
{
    return (void *)(intptr_t)(dig(1 << 30) + *(int *)env);
}

static void *digALittle(void *env)
{
    CHECK_EQ(dig(0), 0);
    dig(100);
    return env;
}

static void overflow(void *arg)
{
    ThreadAttributes attributes = {.stack_size = STACK_KIB * 1024, .label = "digger"};
    int zero = 0;
    Crowd crowd;
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    crowdStart(&crowd, 2, 10);
    for (int i = 0; i < 9; i++)
        crowdFork(&crowd, digALittle, NULL, "neighbour");
    crowdJoin(&crowd);
    printf("id %llu\n",
           (unsigned long long)threadId(crowdForkWith(&crowd, attributes, digForEver, &zero)));
    fflush(stdout);
    crowdJoin(&crowd);
    (void)arg;
}

TEST(OverflowNamed, nameAndSizeAreTold)
{
    char output[4096];
    int status = testChild(overflow, NULL, output, sizeof output);
    printf("%s", output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    CHECK(strstr(output, "\"digger\" overflowed its stack of 128 KiB") != NULL);
}

/* ---- a host with a handler of its own ---- */

static void hostHandler(int signal_number)
{
    static const char text[] = "the host's handler\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    (void)signal_number;
    _exit(7);
}

static void overflowInHost(void *no_signals)
{
    RtsConfig config = {.capabilities = 1, .no_signals = *(bool *)no_signals};
    ThreadAttributes attributes = {.label = "digger"};
    static char alternate[65536];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_handler = hostHandler, .sa_flags = SA_ONSTACK};
    int zero = 0;
    CHECK_EQ(sigaltstack(&stack, NULL), 0);
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_EQ(rtsInit(&config), 0);
    if (config.no_signals) {
        struct sigaction now;
        CHECK_EQ(sigaction(SIGSEGV, NULL, &now), 0);
        CHECK(now.sa_handler == hostHandler);
        return; /* the workers have no signal stack: overflowing would be fatal, and silent */
    }
    CHECK_EQ(threadForkWith(NULL, &attributes, digForEver, &zero), 0);
    rtsShutdown(Drain, INT64_MAX);
}

TEST(OverflowNamed, theHostsHandlerComesNext)
{
    char output[4096];
    bool no_signals = false;
    int status = testChild(overflowInHost, &no_signals, output, sizeof output);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 7);
    const char *named = strstr(output, "\"digger\" overflowed its stack");
    CHECK(named != NULL);
    CHECK(strstr(named, "the host's handler") != NULL);
}

TEST(OverflowNamed, optOutLeavesTheHandlerAlone)
{
    char output[4096];
    bool no_signals = true;
    int status = testChild(overflowInHost, &no_signals, output, sizeof output);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}
