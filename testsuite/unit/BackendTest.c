/* BackendTest.c -- names of back-ends. */
#include "testsuite/support/IoFixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

TEST(Backend, byName)
{
    unsetenv("CAPRI_BACKEND");
    CHECK_EQ(backendByName("epoll"), &backendEPoll);
    CHECK_EQ(backendByName("poll"), &backendPoll);
#ifdef CAPRI_URING
    CHECK_EQ(backendByName("uring"), &backendIOUring);
#else
    CHECK_EQ(backendByName("uring"), &backendEPoll); /* built without it */
#endif
    CHECK_EQ(backendByName(NULL), &backendEPoll);
    CHECK_EQ(backendByName("auto"), &backendEPoll);
    CHECK_EQ(backendByName("kqueue"), NULL);
    CHECK_EQ(backendByName("EPOLL"), NULL);
}

TEST(Backend, theEnvironmentChoosesForAuto)
{
    setenv("CAPRI_BACKEND", "poll", 1);
    CHECK_EQ(backendByName(NULL), &backendPoll);
    CHECK_EQ(backendByName("auto"), &backendPoll);
    CHECK_EQ(backendByName("epoll"), &backendEPoll); /* what the program says counts more */
    setenv("CAPRI_BACKEND", "nonsense", 1);
    CHECK_EQ(backendByName(NULL), NULL);
    EventManager manager;
    CHECK_EQ(eventManagerOpen(&manager, NULL, NULL, NULL), -ENOSYS);
    setenv("CAPRI_BACKEND", "auto", 1);
    CHECK_EQ(backendByName(NULL), &backendEPoll);
    unsetenv("CAPRI_BACKEND");
}

/* ---- falling back -------------------------------------------------------------------------- */

typedef struct Refusal {
    uint32_t call, error; /* in a child this system call says so */
} Refusal;

static bool refuseCall(const Refusal *refusal)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal->call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | refusal->error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

static void openWhereRefused(void *arg)
{
    static EventManager manager;
    Watcher reader;
    int ends[2], first = dup(0);
    if (!refuseCall(arg))
        _exit(77);
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&manager, backendByName("uring"), NULL, NULL), 0);
    CHECK_EQ(manager.backend, &backendEPoll);
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(watcherAwait(&manager, &reader, ends[0], 0, FdRead, 0, 1), 0);
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 1);
    pairClose(ends);
    eventManagerClose(&manager);
    close(first);
    CHECK_EQ(dup(0), first); /* nothing was left open */
}

TEST(Backend, aRefusedRingFallsBackToEPoll)
{
    static char output[2000];
    Refusal refusals[] = {{425, ENOSYS}, {425, EPERM},  {425, EACCES}, {425, EINVAL},
                          {425, ENOMEM}, {426, ENOSYS}, {426, EPERM}}; /* setup, enter */
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        int status = testChild(openWhereRefused, &refusals[i], output, sizeof output);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            SKIP("no seccomp filters here");
        if (status != 0)
            testFailed(__FILE__, __LINE__, output);
    }
}
