/* IdleCountersTest.c -- what must cost exactly nothing: warm waits make no changes, an idle
 * process does not wake up.
 *
 * The tools below have threads that wake up by themselves.
 * not-under: tsan asan valgrind qemu
 */
#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

/* ---- kernel changes per wait ----------------------------------------------------------------- */

static uint64_t changesOfAll(void)
{
    uint64_t changes = 0;
    for (uint32_t i = 0; i < capabilityCount(); i++) {
        RtsStats stats;
        CHECK_EQ(rtsStats(i, &stats), 0);
        changes += stats.changes;
    }
    return changes;
}

typedef struct Side {
    int in, out;
    uint32_t rounds;
} Side;

/* Wait only after EAGAIN, as everybody should. */
static void *bounce(void *env)
{
    Side *side = env;
    char byte;
    for (uint32_t i = 0; i < side->rounds; i++) {
        while (read(side->in, &byte, 1) != 1)
            CHECK_EQ(threadWaitRead(side->in), 0);
        CHECK_EQ(write(side->out, &byte, 1), 1);
    }
    return NULL;
}

static void bounceRounds(int there[2], int back[2], uint32_t rounds)
{
    Side one = {there[0], back[1], rounds}, two = {back[0], there[1], rounds};
    Thread *first = greenFork(bounce, &one), *second = greenFork(bounce, &two);
    CHECK_EQ(write(there[1], "x", 1), 1);
    greenJoin(first);
    greenJoin(second);
    char byte;
    CHECK_EQ(read(there[0], &byte, 1), 1); /* the last one is nobody's */
}

static void *countAdopted(void *env)
{
    int there[2], back[2];
    (void)env;
    CHECK_EQ(fdPipe(there), 0);
    CHECK_EQ(fdPipe(back), 0);
    bounceRounds(there, back, 5);
    uint64_t warm = changesOfAll();
    CHECK_LE(warm, 8); /* each fd was registered, and perhaps asked about once */
    /* A wait by another thread than last time asks the kernel once; its further ones do not. */
    bounceRounds(there, back, 1000);
    CHECK_LE(changesOfAll() - warm, 4);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(closeFd(there[i]), 0);
        CHECK_EQ(closeFd(back[i]), 0);
    }
    return NULL;
}

TEST(IdleCounters, warmAdoptedWaitsChangeNothing)
{
    greenRun(1, countAdopted, NULL);
}

typedef struct Reader {
    int in;
    uint32_t rounds, done; /* one capability */
} Reader;

static void *readRounds(void *env)
{
    Reader *reader = env;
    char byte;
    for (; reader->done < reader->rounds; reader->done++)
        CHECK_EQ(fdRead(reader->in, &byte, 1), 1);
    return NULL;
}

/* The calls of capri/fd.h know what they saw: not even another thread's first wait asks again. */
static void *countCalls(void *env)
{
    int ends[2];
    (void)env;
    CHECK_EQ(fdPipe(ends), 0);
    for (int round = 0; round < 2; round++) {
        uint32_t rounds = round == 0 ? 3 : 500;
        Reader reader = {ends[0], rounds, 0};
        uint64_t before = changesOfAll();
        Thread *thread = greenFork(readRounds, &reader);
        for (uint32_t i = 0; i < rounds; i++) {
            greenUntil(thread, ThreadBlockedOnRead);
            CHECK_EQ(fdWrite(ends[1], "x", 1), 1);
            while (reader.done == i)
                threadYield();
        }
        greenJoin(thread);
        if (round == 1)
            CHECK_EQ(changesOfAll() - before, 0);
    }
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
    return NULL;
}

TEST(IdleCounters, warmCallsChangeNothing)
{
    greenRun(1, countCalls, NULL);
}

/* An un-adopted fd: one change per wait in one direction, on epoll. */
static void *countStranger(void *env)
{
    int ends[2];
    int64_t past_ns = rtsNow();
    (void)env;
    CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQ(threadWaitReadUntil(ends[0], past_ns), -ETIMEDOUT); /* cold: registered here */
    for (int i = 0; i < 200; i++) {
        char byte;
        uint64_t before = changesOfAll();
        CHECK_EQ(write(ends[1], "x", 1), 1);
        CHECK_EQ(threadWaitRead(ends[0]), 0);
        CHECK_EQ(changesOfAll() - before, 1);
        CHECK_EQ(read(ends[0], &byte, 1), 1);
    }
    close(ends[0]);
    close(ends[1]);
    return NULL;
}

TEST(IdleCounters, strangersCostOneChange)
{
    RtsConfig config = {.capabilities = 1, .backend = "epoll"};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(countStranger, NULL));
    greenStop();
}

/* ---- an idle process ------------------------------------------------------------------------- */

enum { PARKED = 1000 };

static void *parkOnPipe(void *env)
{
    threadWaitRead(((int *)env)[0]);
    return NULL;
}

static void *parkForLong(void *env)
{
    (void)env;
    threadDelay(INT64_C(3600) * 1000000);
    return NULL;
}

static void *parkOnTVar(void *env)
{
    greenAwaitNext(env);
    return NULL;
}

/* The child: parks many, tells that they are parked, sleeps until it is killed. */
static void idleChild(int out)
{
    int ends[2];
    Thread *threads[PARKED];
    greenStart(2);
    CHECK_EQ(fdPipe(ends), 0);
    TVar *tvar = tvarNew(NULL);
    for (int i = 0; i < PARKED; i++) {
        ThreadFn *fn = i % 3 == 0 ? parkOnPipe : i % 3 == 1 ? parkForLong : parkOnTVar;
        threads[i] = greenFork(fn, i % 3 == 2 ? (void *)tvar : (void *)ends);
    }
    for (int i = 0; i < PARKED; i++)
        while (threadStatus(threads[i]).state < ThreadBlockedOnRead)
            threadYield();
    CHECK_EQ(write(out, "p", 1), 1);
    for (;;)
        pause();
}

/* Context switches so far of all tasks of a process. */
static uint64_t switchesOf(pid_t pid, uint32_t *tasks)
{
    char path[300], line[256];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *all = opendir(path);
    CHECK(all != NULL);
    *tasks = 0;
    for (struct dirent *task; (task = readdir(all)) != NULL;) {
        if (task->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", (int)pid, task->d_name);
        FILE *file = fopen(path, "re");
        CHECK(file != NULL);
        while (fgets(line, sizeof line, file) != NULL) {
            unsigned long long number;
            if (sscanf(line, "voluntary_ctxt_switches: %llu", &number) == 1 ||
                sscanf(line, "nonvoluntary_ctxt_switches: %llu", &number) == 1)
                sum += number;
        }
        fclose(file);
        ++*tasks;
    }
    closedir(all);
    return sum;
}

static void sleepMs(int64_t ms)
{
    struct timespec pause_time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&pause_time, &pause_time) != 0)
        continue;
}

TEST(IdleCounters, anIdleProcessDoesNotWakeUp)
{
    int ends[2];
    char byte;
    uint32_t tasks;
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0)
        idleChild(ends[1]);
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    /* The watchdog lies down once all have slept for 100 ms; on a loaded machine that takes
     * longer. */
    uint64_t before = switchesOf(child, &tasks), now;
    for (int quiet = 0; quiet < 2; before = now) {
        sleepMs(200);
        now = switchesOf(child, &tasks);
        quiet = now == before ? quiet + 1 : 0;
    }
    CHECK_EQ(tasks, 4); /* main, two workers, the Monitor */
    sleepMs(3000);
    CHECK_EQ(switchesOf(child, &tasks) - before, 0);
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, NULL, 0), child);
}
