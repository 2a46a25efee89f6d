/* StackMemory.c -- no memory for stacks: joins say -ENOMEM, everybody else runs on.
 * not-under: asan tsan valgrind qemu
 */
#include "testsuite/support/Crowd.h"

#include <capri/tvar.h>

#include <sys/wait.h>

enum { BIG_STACK = 4 * 1024 * 1024, BIG_THREADS = 200, ALLOWED = 512 * 1024 * 1024, PAIRS = 4 };

static TVar *gate;              /* constant while the threads run */
static uint32_t ran, exchanges; /* threads add, main reads */
static uint32_t stopping;       /* main stores, threads read */

/* Holds its big stack until the gate opens. */
static void *hold(void *env)
{
    uint64_t version;
    ADD_RELAXED(&ran, 1);
    while (tvarReadVersionIO(gate, &version) == NULL)
        CHECK_EQ(tvarAwait(gate, version), 0);
    return env;
}

static void *pingPong(void *env)
{
    int fd = *(int *)env;
    char byte = 0;
    while (RELAXED_LOAD(&stopping) == 0) {
        CHECK_EQ(fdWrite(fd, "x", 1), 1);
        CHECK_EQ(fdRead(fd, &byte, 1), 1);
        ADD_RELAXED(&exchanges, 1);
    }
    CHECK_EQ(fdWrite(fd, "x", 1), 1); /* the other may wait for a last answer */
    return NULL;
}

static size_t addressSpace(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static uint32_t exchangesMoveOn(uint32_t before)
{
    int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    while (RELAXED_LOAD(&exchanges) < before + 100) {
        CHECK_LT(rtsNow(), deadline_ns);
        crowdPause(100000);
    }
    return RELAXED_LOAD(&exchanges);
}

/* How many of the big ones there was no memory for; the others hold until the gate opens. */
static uint32_t forkBigOnes(uint32_t *held)
{
    ThreadAttributes attributes = {.stack_size = BIG_STACK, .label = "big"};
    Crowd big = {.threads = calloc(BIG_THREADS, sizeof(Thread *)), .room = BIG_THREADS};
    uint32_t failed = 0;
    RELAXED_STORE(&ran, 0);
    for (uintptr_t i = 0; i < BIG_THREADS; i++)
        crowdForkWith(&big, attributes, hold, (void *)i);
    int64_t opens_ns = rtsNow() + 3 * CROWD_SECOND_NS,
            hang_ns = opens_ns + CROWD_HANG_S * CROWD_SECOND_NS;
    for (uintptr_t i = 0; i < BIG_THREADS; i++) {
        void *result = NULL;
        int joined = threadJoinUntil(big.threads[i], &result, opens_ns);
        if (joined == -ETIMEDOUT) { /* it holds one: open, and all end */
            CHECK_EQ(tvarWriteIO(gate, gate), 0);
            joined = threadJoinUntil(big.threads[i], &result, hang_ns);
        }
        if (joined == -ENOMEM)
            failed++;
        else {
            CHECK_EQ(joined, 0);
            CHECK_EQ((uintptr_t)result, i);
        }
        CHECK_EQ(threadStatus(big.threads[i]).state, ThreadFinished);
        threadRelease(big.threads[i]);
    }
    *held = RELAXED_LOAD(&ran);
    free(big.threads);
    return failed;
}

static void runOutOfMemory(void *arg)
{
    int pairs[PAIRS][2];
    uint32_t held;
    struct rlimit before, tight;
    Crowd crowd;
    (void)arg;
    crowdStart(&crowd, 2, 2 * PAIRS);
    gate = tvarNew(NULL);
    for (int i = 0; i < PAIRS; i++) {
        crowdPair(pairs[i], true);
        for (int end = 0; end < 2; end++)
            crowdFork(&crowd, pingPong, &pairs[i][end], "ping-pong");
    }
    uint32_t count = exchangesMoveOn(0);
    CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = addressSpace() + ALLOWED;
    CHECK_EQ(setrlimit(RLIMIT_AS, &tight), 0);
    uint32_t failed = forkBigOnes(&held);
    printf("%u of %d threads got no stack, %u ran\n", failed, BIG_THREADS, held);
    CHECK_GT(failed, 0);
    CHECK_EQ(failed + held, BIG_THREADS);
    count = exchangesMoveOn(count);

    CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
    CHECK_EQ(tvarWriteIO(gate, gate), 0);
    failed = forkBigOnes(&held);
    CHECK_EQ(failed, 0);
    CHECK_EQ(held, BIG_THREADS);
    exchangesMoveOn(count);
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    tvarFree(gate);
    crowdStop(&crowd);
}

TEST(StackMemory, joinSaysSoAndOthersRunOn)
{
    char output[4096];
    int status = testChild(runOutOfMemory, NULL, output, sizeof output);
    printf("%s", output);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}
