/* ForeignTest.c -- a call on an OS thread of its own, while others run here. */
#include "rts/Foreign.h"

#include "testsuite/support/Runtime.h"

#include "capability/Worker.h"

#include <capri/event.h>

#include <fcntl.h>
#include <sys/resource.h>

typedef struct Blocker {
    uint32_t release; /* the call returns once this is set */
    uint32_t runs;
    bool on_worker;
    pthread_t os_thread;
} Blocker;

static void blockUntil(void *env)
{
    Blocker *call = env;
    call->on_worker = workerCapability() != NULL || threadSelf() != NULL;
    call->os_thread = pthread_self();
    ADD_SEQ_CST(&call->runs, 1);
    while (ACQUIRE_LOAD(&call->release) == 0)
        sched_yield();
}

static void *callBlocked(void *env)
{
    pthread_t before = pthread_self();
    Blocker *call = env;
    CHECK_EQ(foreignRun(blockUntil, call), 0);
    CHECK_EQ(call->runs, 1);
    CHECK(!call->on_worker);
    CHECK(!pthread_equal(call->os_thread, before));
    return NULL;
}

static void *runAmongCalls(void *env)
{
    enum { CALLS = 5 };
    Blocker calls[CALLS] = {{0}};
    Thread *threads[CALLS];
    (void)env;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < CALLS; i++) {
            calls[i] = (Blocker){0};
            threads[i] = greenFork(callBlocked, &calls[i]);
        }
        for (int i = 0; i < CALLS; i++) /* all of them block at the same time: this one runs on */
            while (SEQ_CST_LOAD(&calls[i].runs) == 0)
                threadYield();
        for (int i = 0; i < CALLS; i++)
            CHECK_NE(threadStatus(threads[i]).state, ThreadFinished);
        for (int i = CALLS - 1; i >= 0; i--) {
            RELEASE_STORE(&calls[i].release, 1);
            greenJoin(threads[i]);
        }
    }
    return NULL;
}

TEST(Foreign, othersRunOn)
{
    greenRun(1, runAmongCalls, NULL);
    greenRun(2, runAmongCalls, NULL);
}

static void addOne(void *env)
{
    ++*(uint32_t *)env;
}

static void *callMany(void *env)
{
    uint32_t count = 0, calls = greenScale(200);
    (void)env;
    for (uint32_t i = 0; i < calls; i++) {
        CHECK_EQ(foreignRun(addOne, &count), 0);
        CHECK_EQ(count, i + 1); /* it has run, once, and what it wrote is seen */
    }
    return NULL;
}

TEST(Foreign, runsOnce)
{
    Thread *threads[3];
    greenStart(2);
    for (int i = 0; i < 3; i++)
        threads[i] = greenFork(callMany, NULL);
    for (int i = 0; i < 3; i++)
        greenJoin(threads[i]);
    greenStop();
}

/* The call's arguments live on the parked thread's stack: a cancelled runtime waits for it. */
static uint32_t call_over;

static void *callCancelled(void *env)
{
    Blocker *call = env;
    CHECK_EQ(foreignRun(blockUntil, call), 0);
    RELEASE_STORE(&call_over, 1);
    return NULL;
}

TEST(Foreign, isNotCutShort)
{
    Blocker call = {0};
    greenStart(1);
    call_over = 0;
    CHECK_EQ(threadFork(NULL, callCancelled, &call), 0);
    while (SEQ_CST_LOAD(&call.runs) == 0)
        sched_yield();
    CHECK_EQ(rtsShutdown(Cancel, rtsNow() + 5 * MS_NS), -ETIMEDOUT);
    CHECK_EQ(ACQUIRE_LOAD(&call_over), 0);
    RELEASE_STORE(&call.release, 1);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    CHECK_EQ(call_over, 1);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static uint32_t called_back;

/* The terminal is a stranger that the kernel refuses RWF_NOWAIT, and has room. */
static void writeToTerminal(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64], got[2];
    CHECK_GE(master, 0);
    CHECK_EQ(grantpt(master) + unlockpt(master) + ptsname_r(master, name, sizeof name), 0);
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK_GE(slave, 0);
    CHECK_EQ(fdWrite(slave, "ab", 2), 2);
    CHECK_EQ(fdRead(master, got, sizeof got), 2);
    CHECK_EQ(close(slave) + close(master), 0);
}

static int callInCallback(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    struct stat about;
    (void)manager;
    (void)key;
    (void)env;
    CHECK(events & EventClose);
    CHECK(threadSelf() != NULL); /* a stack that could wait */
    int fd = fdOpen("/tmp", O_RDONLY | O_DIRECTORY, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(fdStat(fd, &about), 0);
    CHECK(S_ISDIR(about.st_mode));
    CHECK_EQ(fdStatUntil(fd, &about, rtsNow() + 1000 * MS_NS), 0);
    CHECK_EQ(fdFsync(fd), 0);
    CHECK_EQ(close(fd), 0);
    writeToTerminal();
    CHECK_EQ(capabilitySetCount(capabilityCount() + 1), 0);
    called_back++;
    return 0;
}

static void *closeRegistered(void *env)
{
    int ends[2];
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(
        registerFd(capabilityManager(), callInCallback, NULL, ends[0], EventRead, MultiShot, NULL),
        0);
    CHECK_EQ(closeFd(ends[0]) + closeFd(ends[1]), 0);
    CHECK_EQ(called_back, 1);
    CHECK_EQ(capabilityCount(), 2);
    return NULL;
}

/* Goal: what may block is made in place where nothing may wait: the stack is an interrupted
 * thread's. */
TEST(Foreign, aCallbackMakesItInPlace)
{
    static const char *const backends[] = {"epoll", "uring"};
    const int count = testUnderValgrind() ? 1 : 2; /* its io_uring_enter holds all OS threads up */
    for (int i = 0; i < count; i++) {
        RtsConfig config = {.capabilities = 1, .backend = backends[i]};
        called_back = 0;
        CHECK_EQ(rtsInit(&config), 0);
        greenJoin(greenFork(closeRegistered, NULL));
        greenStop();
    }
}
