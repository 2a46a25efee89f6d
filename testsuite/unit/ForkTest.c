/* ForkTest.c -- fork(2) with a runtime: what the child has, what the parent does not notice.
 *
 * not-under: tsan
 *
 * (ThreadSanitizer starts no OS threads after a fork of a process that has several;
 * testsuite/stress/Forks.c covers the parent's side under it.)
 * A child's CHECK that fails aborts it, which its parent sees in the status.
 */
#include "capability/CapabilityTable.h"
#include "rts/Startup.h"
#include "testsuite/support/Runtime.h"

#include <capri/tvar.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>

enum { CODE = 42 };

/* Until `condition`: what is waited for stays once it is there. */
#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    CHECK_EQ(threadDelay(200), 0)

#ifdef SANITIZE_ADDRESS
/* LeakSanitizer asks this before it looks for leaks at exit.  In a child it would look for threads
 * that only the parent has; the counting allocator below looks for leaks there. */
int __lsan_is_turned_off(void);
static int is_child;

int __lsan_is_turned_off(void)
{
    return is_child;
}
#endif

static pid_t forkFlushed(void)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK_GE(child, 0);
#ifdef SANITIZE_ADDRESS
    is_child |= child == 0;
#endif
    return child;
}

/* The child has ended with exit(code). */
static void expectExit(pid_t child, int code)
{
    int status = 0;
    for (;;) { /* on green threads without blocking their capability */
        pid_t got = waitpid(child, &status, threadSelf() != NULL ? WNOHANG : 0);
        if (got == child)
            break;
        CHECK(got == 0 || errno == EINTR);
        CHECK_EQ(threadDelay(500), 0);
    }
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), code);
}

static size_t countFds(void)
{
    DIR *list = opendir("/proc/self/fd");
    size_t count = 0;
    CHECK(list != NULL);
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

/* ---- a load ---------------------------------------------------------------------------------- */

enum { YIELDERS = 4, SLEEPERS = 3, PINGERS = 2, LOAD = YIELDERS + SLEEPERS + 2 * PINGERS };

typedef struct Load {
    Thread *threads[LOAD];
    uint32_t stop;
    int there[PINGERS][2], back[PINGERS][2];
    uint64_t rounds; /* relaxed adds */
} Load;

typedef struct Pinger {
    Load *load;
    int in, out;
    bool first;
} Pinger;

static Pinger pingers[2 * PINGERS];

static void *yieldOn(void *env)
{
    Load *load = env;
    while (RELAXED_LOAD(&load->stop) == 0)
        threadYield();
    return NULL;
}

static void *sleepOn(void *env)
{
    Load *load = env;
    while (RELAXED_LOAD(&load->stop) == 0)
        CHECK_EQ(threadDelay(300), 0);
    return NULL;
}

static void *pingOn(void *env)
{
    Pinger *pinger = env;
    char byte = 'p';
    if (pinger->first)
        CHECK_EQ(fdWrite(pinger->out, &byte, 1), 1);
    while (fdRead(pinger->in, &byte, 1) == 1) {
        CHECK_EQ(byte, 'p');
        ADD_RELAXED(&pinger->load->rounds, 1);
        if (RELAXED_LOAD(&pinger->load->stop) != 0)
            break;
        CHECK_EQ(fdWrite(pinger->out, &byte, 1), 1);
    }
    CHECK_EQ(closeFd(pinger->out), 0);
    return NULL;
}

static void startLoad(Load *load)
{
    size_t at = 0;
    *load = (Load){0};
    for (int i = 0; i < YIELDERS; i++)
        load->threads[at++] = greenFork(yieldOn, load);
    for (int i = 0; i < SLEEPERS; i++)
        load->threads[at++] = greenFork(sleepOn, load);
    for (int i = 0; i < PINGERS; i++) {
        CHECK_EQ(fdPipe(load->there[i]), 0);
        CHECK_EQ(fdPipe(load->back[i]), 0);
        pingers[2 * i] = (Pinger){load, load->back[i][0], load->there[i][1], true};
        pingers[2 * i + 1] = (Pinger){load, load->there[i][0], load->back[i][1], false};
        load->threads[at++] = greenFork(pingOn, &pingers[2 * i]);
        load->threads[at++] = greenFork(pingOn, &pingers[2 * i + 1]);
    }
}

static void stopLoad(Load *load)
{
    RELAXED_STORE(&load->stop, 1);
    for (size_t i = 0; i < LOAD; i++)
        greenJoin(load->threads[i]);
    for (int i = 0; i < PINGERS; i++)
        CHECK_EQ(closeFd(load->there[i][0]) + closeFd(load->back[i][0]), 0);
}

/* ---- what a child does ------------------------------------------------------------------------ */

static void *addOne(void *env)
{
    ADD_RELAXED((uint32_t *)env, 1);
    CHECK_EQ(threadDelay(100), 0);
    threadYield();
    return env;
}

static void *writeLater(void *env)
{
    CHECK_EQ(threadDelay(1000), 0);
    CHECK_EQ(fdWrite(*(int *)env, "x", 1), 1);
    return NULL;
}

/* Everything a green thread may want: wait for fds, delay, fork here and elsewhere, join. */
static void useEverything(void)
{
    int ends[2];
    char byte = 0;
    uint32_t sum = 0, count = capabilityCount();
    Thread *threads[16];
    int64_t before_ns = rtsNow();
    CHECK_EQ(threadDelay(2000), 0);
    CHECK_GE(rtsNow() - before_ns, 2000 * 1000);
    CHECK_EQ(fdPipe(ends), 0);
    Thread *writer = greenFork(writeLater, &ends[1]);
    CHECK_EQ(fdRead(ends[0], &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    greenJoin(writer);
    CHECK_EQ(closeFd(ends[0]) + closeFd(ends[1]), 0);
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQ(threadForkOn(&threads[i], i, addOne, &sum), 0);
    for (uint32_t i = 0; i < 16; i++)
        CHECK_EQ(greenJoin(threads[i]), (void *)&sum);
    CHECK_EQ(RELAXED_LOAD(&sum), 16);
    CHECK_EQ(capabilityCount(), count);
}

static void *useAll(void *env)
{
    useEverything();
    return env;
}

/* ---- a green thread forks --------------------------------------------------------------------- */

typedef struct Reader {
    int fd;
    int64_t result;
    char byte;
} Reader;

static void *readByte(void *env)
{
    Reader *reader = env;
    reader->result = fdRead(reader->fd, &reader->byte, 1);
    return NULL;
}

static void *readLevel(void *env)
{
    Reader *reader = env;
    reader->result = threadWaitRead(reader->fd);
    return NULL;
}

/* In the child: use and close what the parent's threads wait for. */
static void spoil(Reader readers[2], int adopted[2], int plain[2])
{
    char byte;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(threadWaitReadUntil(readers[i].fd, rtsNow() + 1000000), -ETIMEDOUT);
    CHECK_EQ(closeFd(adopted[0]), 0);
    CHECK_EQ(closeFd(plain[0]), 0);
    CHECK_EQ(fdRead(adopted[0], &byte, 1), -EBADF);
}

/* Waits of the parent's end as if there had been no child, whatever that does with the same fds. */
static void *forkUnderLoad(void *env)
{
    Load load;
    int adopted[2], plain[2];
    uint32_t count = capabilityCount();
    TVar *delay;
    startLoad(&load);
    CHECK_EQ(fdPipe(adopted), 0);
    CHECK_EQ(pipe2(plain, O_CLOEXEC | O_NONBLOCK), 0);
    Reader readers[2] = {{.fd = adopted[0]}, {.fd = plain[0]}};
    Thread *first = greenFork(readByte, &readers[0]), *second = greenFork(readLevel, &readers[1]);
    greenUntil(first, ThreadBlockedOnRead);
    greenUntil(second, ThreadBlockedOnRead);
    CHECK_EQ(registerDelay(3000, &delay), 0);
    Thread *self = threadSelf();
    pid_t child = forkFlushed();
    if (child == 0) {
        void *result;
        CHECK_EQ(threadSelf(), self);
        CHECK_EQ(capabilityCount(), count);
        CHECK_EQ(threadJoin(first, &result), -ESRCH);
        CHECK_EQ(threadStatus(first).state, ThreadFinished);
        threadRelease(first);
        spoil(readers, adopted, plain);
        useEverything();
        if (tvarReadIO(delay) == NULL)
            CHECK_EQ(greenAwaitNext(delay), 0); /* it had not fired, and does here */
        CHECK_EQ(tvarReadIO(delay), (void *)1);
        exit(CODE);
    }
    expectExit(child, CODE);
    CHECK_EQ(fdWrite(adopted[1], "a", 1), 1);
    CHECK_EQ(write(plain[1], "b", 1), 1);
    greenJoin(first);
    greenJoin(second);
    CHECK_EQ(readers[0].result, 1);
    CHECK_EQ(readers[0].byte, 'a');
    CHECK_EQ(readers[1].result, 0);
    tvarFree(delay);
    stopLoad(&load);
    CHECK_EQ(closeFd(adopted[0]) + closeFd(adopted[1]), 0);
    CHECK_EQ(close(plain[0]) + close(plain[1]), 0);
    return env;
}

TEST(Fork, theChildOfAGreenThreadHasARuntime)
{
    for (uint32_t count = 1; count <= 4; count++)
        greenRun(count, forkUnderLoad, NULL);
}

static void *forkFromEach(void *env)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        useEverything();
        exit(CODE);
    }
    expectExit(child, CODE);
    return env;
}

/* Several at once, on capabilities that are disabled meanwhile, too. */
TEST(Fork, manyForkAtOnce)
{
    enum { FORKERS = 6 };
    Thread *threads[FORKERS];
    greenStart(3);
    for (uint32_t i = 0; i < FORKERS; i++)
        CHECK_EQ(threadForkOn(&threads[i], i, forkFromEach, NULL), 0);
    CHECK_EQ(capabilitySetCount(1), 0);
    CHECK_EQ(capabilitySetCount(4), 0);
    for (uint32_t i = 0; i < FORKERS; i++)
        greenJoin(threads[i]);
    greenStop();
}

static void *execOnly(void *env)
{
    Load load;
    startLoad(&load);
    pid_t child = forkFlushed();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 42", (char *)NULL);
        _exit(1);
    }
    expectExit(child, CODE);
    stopLoad(&load);
    return env;
}

TEST(Fork, theChildMayJustExec)
{
    greenRun(2, execOnly, NULL);
}

/* The survivor's body returns in the child as well: nobody is left, the process ends well. */
static void *returnInBoth(void *env)
{
    pid_t *child = env;
    *child = forkFlushed();
    return NULL;
}

TEST(Fork, theChildEndsWithItsLastThread)
{
    pid_t child = -1;
    greenRun(2, returnInBoth, &child);
    expectExit(child, 0);
}

static void forkDeeply(int depth)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        useEverything();
        if (depth > 0)
            forkDeeply(depth - 1);
        exit(CODE);
    }
    expectExit(child, CODE);
}

static void *forkGenerations(void *env)
{
    forkDeeply(3);
    return env;
}

TEST(Fork, childrenForkAgain)
{
    greenRun(3, forkGenerations, NULL);
}

/* ---- a plain OS thread forks ------------------------------------------------------------------ */

static void runPlainChild(TVar *tvar)
{
    CHECK_EQ(threadSelf(), NULL);
    CHECK_EQ(capabilityCount(), 3);
    CHECK_EQ(tvarReadIO(tvar), (void *)7);
    CHECK_EQ(tvarWriteIO(tvar, (void *)8), 0);
    greenJoin(greenFork(useAll, NULL));
    CHECK_EQ(capabilityTableCount(), 3);
    CHECK_EQ(capabilitySetCount(1), 0);
    greenJoin(greenFork(useAll, NULL));
    tvarFree(tvar);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    greenRun(2, useAll, NULL); /* and a new one may follow */
    exit(CODE);
}

TEST(Fork, theChildOfAPlainThreadStartsAgain)
{
    Load load;
    greenStart(3);
    TVar *tvar = tvarNew((void *)7);
    startLoad(&load);
    pid_t child = forkFlushed();
    if (child == 0)
        runPlainChild(tvar);
    expectExit(child, CODE);
    CHECK_EQ(tvarReadIO(tvar), (void *)7);
    tvarFree(tvar);
    stopLoad(&load);
    greenStop();
}

TEST(Fork, theChildOfAPlainThreadMayJustStop)
{
    Load load;
    greenStart(2);
    startLoad(&load);
    pid_t child = forkFlushed();
    if (child == 0) {
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        CHECK_EQ(threadFork(NULL, yieldOn, &load), -ENXIO);
        exit(CODE);
    }
    expectExit(child, CODE);
    stopLoad(&load);
    greenStop();
}

TEST(Fork, withoutARuntimeNothingHappens)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        greenRun(2, useAll, NULL);
        exit(CODE);
    }
    expectExit(child, CODE);
}

/* A wait of the parent's main thread for a variable must not be taken for one of the child's. */
static void *awaitIt(void *env)
{
    return (void *)(intptr_t)tvarAwait(env, 0);
}

TEST(Fork, variablesLoseTheirWatchers)
{
    greenStart(2);
    TVar *tvar = tvarNew(NULL);
    uint64_t version;
    tvarReadVersionIO(tvar, &version);
    CHECK_EQ(version, 0);
    Thread *waiter = greenFork(awaitIt, tvar);
    while (threadStatus(waiter).state != ThreadBlockedOnTVar)
        sched_yield();
    pid_t child = forkFlushed();
    if (child == 0) {
        CHECK_EQ(threadJoin(waiter, NULL), -ESRCH);
        CHECK_EQ(tvarWriteIO(tvar, (void *)1), 0);
        Thread *again = greenFork(awaitIt, tvar);
        CHECK_EQ(greenJoin(again), NULL);
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        exit(CODE);
    }
    expectExit(child, CODE);
    CHECK_EQ(tvarWriteIO(tvar, (void *)2), 0);
    CHECK_EQ(greenJoin(waiter), NULL);
    tvarFree(tvar);
    greenStop();
}

/* ---- a shutdown is under way ------------------------------------------------------------------- */

static void *forkWhileDraining(void *env)
{
    while (RELAXED_LOAD(&startup_draining) == 0)
        threadYield();
    return forkFromEach(env);
}

TEST(Fork, worksWhileAShutdownWaits)
{
    greenStart(2);
    CHECK_EQ(threadFork(NULL, forkWhileDraining, NULL), 0);
    greenStop();
}

/* ---- a runaway -------------------------------------------------------------------------------- */

typedef struct Runaway {
    uint32_t entered, leave; /* seq_cst */
} Runaway;

static void *runAway(void *env)
{
    Runaway *runaway = env;
    SEQ_CST_STORE(&runaway->entered, 1);
    while (SEQ_CST_LOAD(&runaway->leave) == 0)
        SMP_PAUSE();
    return NULL;
}

static void checkBroken(void)
{
    RtsStats stats;
    TVar *delay;
    int ends[2];
    char byte;
    CHECK_EQ(threadSelf(), NULL);
    CHECK_EQ(threadFork(NULL, runAway, NULL), -ENOTRECOVERABLE);
    CHECK_EQ(threadDelay(1000), -ENOTRECOVERABLE);
    CHECK_EQ(capabilitySetCount(2), -ENOTRECOVERABLE);
    CHECK_EQ(rtsInit(NULL), -ENOTRECOVERABLE);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), -ENOTRECOVERABLE);
    CHECK_EQ(rtsMain(NULL, runAway, NULL, NULL), -ENOTRECOVERABLE);
    CHECK_EQ(rtsStats(0, &stats), -ENOTRECOVERABLE);
    CHECK_EQ(registerDelay(1, &delay), -ENOTRECOVERABLE);
    CHECK_EQ(tvarNew(NULL), NULL);
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(fdAdopt(ends[0]), -ENOTRECOVERABLE);
    CHECK_EQ(threadWaitRead(ends[0]), -ENOTRECOVERABLE);
    CHECK_EQ(fdRead(ends[0], &byte, 1), -ENOTRECOVERABLE);
    CHECK_EQ(close(ends[0]) + close(ends[1]), 0);
}

static void *forkBesideARunaway(void *env)
{
    Thread *self = threadSelf();
    pid_t child = forkFlushed();
    if (child == 0) {
        checkBroken();
        child = forkFlushed(); /* which is as broken */
        if (child == 0) {
            checkBroken();
            _exit(CODE);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(WEXITSTATUS(status), CODE);
        _exit(CODE);
    }
    CHECK_EQ(threadSelf(), self);
    expectExit(child, CODE);
    useEverything();
    return env;
}

static void *returnBesideARunaway(void *env)
{
    *(pid_t *)env = forkFlushed();
    return NULL;
}

TEST(Fork, besideARunawayTheChildIsBrokenAndTheParentIsNot)
{
    Runaway runaway = {0};
    Thread *threads[2];
    pid_t child = -1;
    greenStart(3);
    CHECK_EQ(threadForkOn(&threads[0], 1, runAway, &runaway), 0);
    while (SEQ_CST_LOAD(&runaway.entered) == 0)
        sched_yield();
    CHECK_EQ(capabilitySetCount(1), 0); /* so that nothing else is pinned beside it */
    greenJoin(greenFork(forkBesideARunaway, NULL));
    greenJoin(greenFork(returnBesideARunaway, &child));
    expectExit(child, EXIT_FAILURE);
    child = forkFlushed();
    if (child == 0) {
        checkBroken();
        _exit(CODE);
    }
    expectExit(child, CODE);
    SEQ_CST_STORE(&runaway.leave, 1);
    greenJoin(threads[0]);
    greenStop();
}

/* ---- nothing is left -------------------------------------------------------------------------- */

typedef struct Counting {
    int64_t out_bytes; /* relaxed adds */
} Counting;

static void *allocateFrom(void *context, size_t size, size_t alignment)
{
    Counting *counting = context;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment < 8 ? 8 : alignment, size) != 0)
        return NULL;
    ADD_RELAXED(&counting->out_bytes, (int64_t)size);
    return memory;
}

static void releaseTo(void *context, void *memory, size_t size, size_t alignment)
{
    Counting *counting = context;
    (void)alignment;
    ADD_RELAXED(&counting->out_bytes, -(int64_t)size);
    free(memory);
}

static Counting counting;

static void *forkOften(void *env)
{
    size_t fds = countFds();
    int64_t out_bytes = RELAXED_LOAD(&counting.out_bytes);
    for (uint32_t i = 0; i < greenScale(200); i++) {
        pid_t child = forkFlushed();
        if (child == 0) {
            if (i % 10 == 0)
                useEverything();
            CHECK_LE(countFds(), fds);
            CHECK_LE(RELAXED_LOAD(&counting.out_bytes), out_bytes);
            _exit(CODE);
        }
        expectExit(child, CODE);
        CHECK_EQ(countFds(), fds);
        CHECK_EQ(RELAXED_LOAD(&counting.out_bytes), out_bytes);
    }
    return env;
}

/* The same number again and again in one line of descent: what a child leaves over adds up. */
static void descend(int depth, size_t fds, int64_t out_bytes)
{
    pid_t child = forkFlushed();
    if (child == 0) {
        useEverything();
        CHECK_EQ(countFds(), fds);
        CHECK_LE(RELAXED_LOAD(&counting.out_bytes), out_bytes);
        if (depth > 0)
            descend(depth - 1, fds, out_bytes);
        _exit(CODE);
    }
    expectExit(child, CODE);
}

static void *descendOften(void *env)
{
    useEverything(); /* chunks are made once */
    descend((int)greenScale(20), countFds(), RELAXED_LOAD(&counting.out_bytes));
    return env;
}

TEST(Fork, manyForksLeaveNothing)
{
    RtsConfig config = {.capabilities = 2, .allocator = {allocateFrom, releaseTo, &counting}};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(useAll, NULL));
    greenJoin(greenFork(forkOften, NULL));
    greenJoin(greenFork(descendOften, NULL));
    greenStop();
    CHECK_EQ(counting.out_bytes, 0);
}
