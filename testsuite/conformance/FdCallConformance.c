/* FdCallConformance.c -- what fdRead and its kin promise, on every back-end (--backend NAME). */
#include "testsuite/support/Green.h"

#include "internal/SMP.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MESSAGE = 300 * 1000 }; /* more than any buffer between two ends */

/* ---- echo: partial reads and writes in both directions, then the end ------------------------- */

static void *echoAll(void *env)
{
    int *ends = env; /* [0] in, [1] out */
    char buffer[5000];
    ssize_t n;
    while ((n = fdRead(ends[0], buffer, sizeof buffer)) > 0)
        CHECK_EQ(fdWriteAll(ends[1], buffer, (size_t)n), n);
    return (void *)(intptr_t)n;
}

typedef struct Talk {
    int fd;
    uint64_t seed;
} Talk;

static void *speak(void *env)
{
    Talk *talk = env;
    unsigned char buffer[7000];
    for (size_t done = 0; done < MESSAGE;) {
        size_t size = 1 + testRandomFrom(&talk->seed) % sizeof buffer;
        if (size > MESSAGE - done)
            size = MESSAGE - done;
        for (size_t i = 0; i < size; i++)
            buffer[i] = (unsigned char)((done + i) * 31 % 253);
        CHECK_EQ(fdWriteAll(talk->fd, buffer, size), (ssize_t)size);
        done += size;
    }
    return NULL;
}

static void listen253(int fd, size_t size)
{
    unsigned char buffer[3000];
    for (size_t done = 0; done < size;) {
        ssize_t n = fdRead(fd, buffer, sizeof buffer);
        CHECK_GT(n, 0);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(buffer[i], (done + (size_t)i) * 31 % 253);
        done += (size_t)n;
    }
}

static void echoThrough(int near, int far)
{
    int ends[2] = {far, far};
    char byte;
    Talk talk = {near, testSeed()};
    Thread *echo = greenFork(echoAll, ends), *speaker = greenFork(speak, &talk);
    listen253(near, MESSAGE);
    greenJoin(speaker);
    CHECK_EQ(fdShutdown(near, SHUT_WR), 0);
    CHECK_EQ(greenJoin(echo), 0);
    CHECK_EQ(closeFd(far), 0);
    CHECK_EQ(fdRead(near, &byte, 1), 0);
    CHECK_EQ(closeFd(near), 0);
}

GREEN_TEST(FdCall, echoesThroughTcp)
{
    int ends[2];
    greenTcpPair(ends);
    echoThrough(ends[0], ends[1]);
}

GREEN_TEST(FdCall, echoesThroughALocalSocket)
{
    int ends[2];
    greenLocalPair(SOCK_STREAM, ends);
    echoThrough(ends[0], ends[1]);
}

/* A socket pair in blocking mode that nobody adopted. */
GREEN_TEST(FdCall, echoesThroughStrangers)
{
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    echoThrough(ends[0], ends[1]);
}

GREEN_TEST(FdCall, echoesThroughPipes)
{
    int there[2], back[2];
    char byte;
    CHECK_EQ(fdPipe(there) + fdPipe(back), 0);
    int ends[2] = {there[0], back[1]};
    Talk talk = {there[1], testSeed()};
    Thread *echo = greenFork(echoAll, ends), *speaker = greenFork(speak, &talk);
    listen253(back[0], MESSAGE);
    greenJoin(speaker);
    CHECK_EQ(closeFd(there[1]), 0);
    CHECK_EQ(greenJoin(echo), 0);
    CHECK_EQ(closeFd(back[1]), 0);
    CHECK_EQ(fdRead(back[0], &byte, 1), 0);
    CHECK_EQ(closeFd(there[0]) + closeFd(back[0]), 0);
}

/* ---- ends, errors, urgent data --------------------------------------------------------------- */

static void *readByte(void *env)
{
    char byte;
    ssize_t n = fdRead(*(int *)env, &byte, 1);
    return (void *)(intptr_t)(n == 1 ? byte : n);
}

/* SIGPIPE is not ignored here: it would end the program. */
GREEN_TEST(FdCall, aResetIsAnError)
{
    int ends[2];
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    greenTcpPair(ends);
    Thread *reader = greenFork(readByte, &ends[1]);
    greenAwait(reader, ThreadBlockedOnRead);
    CHECK_EQ(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(greenJoin(reader), -ECONNRESET);
    CHECK_EQ(fdWrite(ends[1], "x", 1), -EPIPE);
    char byte;
    CHECK_EQ(fdRead(ends[1], &byte, 1), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
}

/* Two threads wait for one direction, two datagrams come: both return. */
GREEN_TEST(FdCall, twoReadersOfOneDirection)
{
    for (int adopted = 0; adopted < 2; adopted++) {
        int ends[2];
        CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
        if (adopted != 0)
            CHECK_EQ(fdAdopt(ends[0]) + fdAdopt(ends[1]), 0);
        for (int round = 0; round < 10; round++) {
            Thread *first = greenFork(readByte, &ends[1]);
            Thread *second = greenFork(readByte, &ends[1]);
            greenAwait(first, ThreadBlockedOnRead);
            greenAwait(second, ThreadBlockedOnRead);
            CHECK_EQ(fdWrite(ends[0], "a", 1) + fdWrite(ends[0], "b", 1), 2);
            CHECK_EQ(greenJoin(first) + greenJoin(second), 'a' + 'b');
        }
        greenClosePair(ends);
    }
}

/* A fresh socket polls hung up: whoever has waited on it must not take that for a connection. */
GREEN_TEST(FdCall, aFreshSocketConnects)
{
    struct sockaddr_in address;
    int listener = greenListen(&address, 8);
    for (int round = 0; round < 3; round++) {
        int client = fdSocket(AF_INET, SOCK_STREAM, 0);
        CHECK_EQ(threadWaitWrite(client), 0); /* the early hang-up */
        CHECK_EQ(fdConnect(client, (struct sockaddr *)&address, sizeof address), 0);
        int server = fdAccept(listener, NULL, NULL);
        CHECK_EQ(fdWriteAll(client, "x", 1), 1);
        CHECK_EQ((intptr_t)readByte(&server), 'x');
        CHECK_EQ(closeFd(client) + closeFd(server), 0);
    }
    CHECK_EQ(closeFd(listener), 0);
    int client = fdSocket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(threadWaitWrite(client), 0);
    CHECK_EQ(fdConnect(client, (struct sockaddr *)&address, sizeof address), -ECONNREFUSED);
    CHECK_EQ(closeFd(client), 0);
}

/* Reading stops at the urgent mark, with more behind it: a short read that proves nothing. */
GREEN_TEST(FdCall, urgentDataHidesNothing)
{
    int ends[2];
    char buffer[16], urgent;
    greenTcpPair(ends);
    Thread *reader = greenFork(readByte, &ends[1]);
    greenAwait(reader, ThreadBlockedOnRead);
    CHECK_EQ(fdWrite(ends[0], "z", 1), 1);
    CHECK_EQ(greenJoin(reader), 'z');
    CHECK_EQ(fdSend(ends[0], "abc", 3, 0), 3);
    CHECK_EQ(fdSend(ends[0], "!", 1, MSG_OOB), 1);
    CHECK_EQ(fdSend(ends[0], "def", 3, 0), 3);
    for (size_t size = 0; size < 6;) {
        ssize_t n = fdRead(ends[1], buffer + size, sizeof buffer - size);
        CHECK_GT(n, 0);
        CHECK_LE(n, 3);
        size += (size_t)n;
        if (size == 3) {
            CHECK_EQ(fdRecv(ends[1], &urgent, 1, MSG_OOB), 1);
            CHECK_EQ(urgent, '!');
        }
    }
    CHECK_EQ(memcmp(buffer, "abcdef", 6), 0);
    greenClosePair(ends);
}

/* The connection stays in the queue and the listener is good once there is a number again. */
GREEN_TEST(FdCall, acceptSurvivesFullTables)
{
    struct sockaddr_in address;
    struct rlimit old, tight;
    int listener = greenListen(&address, 8), client = fdSocket(AF_INET, SOCK_STREAM, 0);
    Thread *acceptor = greenFork(readByte, &client); /* the runtime has made what it needs */
    greenJoin(acceptor);
    CHECK_EQ(fdConnect(client, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
    int lowest = dup(client);
    CHECK_EQ(close(lowest), 0);
    tight = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = old.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
    CHECK_EQ(fdAccept(listener, NULL, NULL), -EMFILE);
    CHECK_EQ(fdAccept(listener, NULL, NULL), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    int server = fdAccept(listener, NULL, NULL);
    CHECK_GE(server, 0);
    CHECK_EQ(fdWriteAll(client, "x", 1), 1);
    CHECK_EQ((intptr_t)readByte(&server), 'x');
    CHECK_EQ(closeFd(client) + closeFd(server) + closeFd(listener), 0);
}

/* ---- strangers in blocking mode: nobody's OS thread may wait for them ------------------------ */

/* More readers than capabilities; if one held up its OS thread, this thread would not go on. */
GREEN_TEST(FdCall, blockingPipesHoldUpNobody)
{
    int pipes[4][2];
    Thread *readers[4];
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pipe2(pipes[i], O_CLOEXEC), 0);
        readers[i] = greenFork(readByte, &pipes[i][0]);
    }
    for (int i = 0; i < 4; i++)
        greenAwait(readers[i], ThreadBlockedOnRead);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(fdWrite(pipes[i][1], "x", 1), 1);
        CHECK_EQ(greenJoin(readers[i]), 'x');
        CHECK_EQ(fcntl(pipes[i][0], F_GETFL) & O_NONBLOCK, 0);
        CHECK_EQ(close(pipes[i][0]) + close(pipes[i][1]), 0);
    }
}

GREEN_TEST(FdCall, fullBlockingPipesHoldUpNobody)
{
    int pipes[4][2];
    Talk talks[4];
    Thread *writers[4];
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pipe2(pipes[i], O_CLOEXEC), 0);
        talks[i] = (Talk){pipes[i][1], (uint64_t)i + 1};
        writers[i] = greenFork(speak, &talks[i]);
    }
    for (int i = 0; i < 4; i++)
        greenAwait(writers[i], ThreadBlockedOnWrite);
    for (int i = 0; i < 4; i++) {
        listen253(pipes[i][0], MESSAGE);
        greenJoin(writers[i]);
        CHECK_EQ(close(pipes[i][0]) + close(pipes[i][1]), 0);
    }
}

/* The kernel refuses RWF_NOWAIT on terminals. */
GREEN_TEST(FdCall, terminalsHoldUpNobody)
{
    int masters[3], terminals[3];
    Thread *readers[3];
    masters[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (masters[0] < 0)
        SKIP("no pseudo-terminals");
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            masters[i] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        CHECK_EQ(grantpt(masters[i]) + unlockpt(masters[i]), 0);
        terminals[i] = open(ptsname(masters[i]), O_RDWR | O_NOCTTY | O_CLOEXEC);
        CHECK_GE(terminals[i], 0);
        readers[i] = greenFork(readByte, &terminals[i]);
    }
    for (int i = 0; i < 3; i++)
        greenAwait(readers[i], ThreadBlockedOnRead);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(fdWriteAll(masters[i], "x\n", 2), 2);
        CHECK_EQ(greenJoin(readers[i]), 'x');
        CHECK_EQ(close(terminals[i]) + close(masters[i]), 0);
    }
}

GREEN_TEST(FdCall, regularFilesAreReady)
{
    char name[] = "/tmp/capri-file-XXXXXX";
    int fd = mkstemp(name);
    char byte;
    CHECK_GE(fd, 0);
    CHECK_EQ(unlink(name), 0);
    for (int adopted = 0; adopted < 2; adopted++) {
        Talk talk = {fd, testSeed()};
        if (adopted != 0)
            CHECK_EQ(fdAdopt(fd), 0);
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        speak(&talk);
        CHECK_EQ(threadWaitRead(fd) + threadWaitWrite(fd), 0);
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        listen253(fd, MESSAGE);
        CHECK_EQ(fdRead(fd, &byte, 1), 0);
    }
    CHECK_EQ(closeFd(fd), 0);
}

/* ---- plain OS threads ------------------------------------------------------------------------ */

static void *echoOutside(void *env)
{
    return echoAll(env);
}

/* The same calls on a plain OS thread block it, adopted fds included. */
GREEN_TEST(FdCall, worksOnAPlainOsThread)
{
    int ends[2];
    greenTcpPair(ends);
    int both[2] = {ends[1], ends[1]};
    pthread_t outside;
    Talk talk = {ends[0], testSeed()};
    CHECK_EQ(pthread_create(&outside, NULL, echoOutside, both), 0);
    Thread *speaker = greenFork(speak, &talk);
    listen253(ends[0], MESSAGE);
    greenJoin(speaker);
    CHECK_EQ(fdShutdown(ends[0], SHUT_WR), 0);
    void *result;
    CHECK_EQ(pthread_join(outside, &result), 0);
    CHECK_EQ((intptr_t)result, 0);
    greenClosePair(ends);
}

/* ---- a storm of signals ---------------------------------------------------------------------- */

static uint32_t storm_over; /* set by the test (release), read by the storm (acquire) */

static void ignoreSignal(int number)
{
    (void)number;
}

/* SIGUSR1 to every other OS thread of the process, until told to stop. */
static void *runStorm(void *env)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    uintptr_t sent = 0;
    (void)env;
    while (ACQUIRE_LOAD(&storm_over) == 0) {
        DIR *tasks = opendir("/proc/self/task");
        CHECK(tasks != NULL);
        for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
            pid_t thread = (pid_t)atoi(task->d_name);
            if (thread > 0 && thread != self)
                sent += syscall(SYS_tgkill, getpid(), thread, SIGUSR1) == 0;
        }
        closedir(tasks);
    }
    return (void *)sent;
}

GREEN_TEST(FdCall, survivesAStormOfSignals)
{
    struct sigaction action = {.sa_handler = ignoreSignal}; /* no SA_RESTART: EINTR everywhere */
    pthread_t storm;
    void *sent;
    RELEASE_STORE(&storm_over, 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(pthread_create(&storm, NULL, runStorm, NULL), 0);
    for (int round = 0; round < 5; round++) {
        int ends[2];
        greenTcpPair(ends);
        echoThrough(ends[0], ends[1]);
        CHECK_EQ(threadDelay(2000), 0);
    }
    RELEASE_STORE(&storm_over, 1);
    CHECK_EQ(pthread_join(storm, &sent), 0);
    CHECK_GT((uintptr_t)sent, 0);
}

/* ---- exact counters -------------------------------------------------------------------------- */

enum { WARM_UP = 50, ROUNDS = 2000 };

static uint64_t sumChanges(void)
{
    uint64_t sum = 0;
    RtsStats stats;
    for (uint32_t i = 0; rtsStats(i, &stats) == 0; i++)
        sum += stats.changes;
    return sum;
}

static void *answerPings(void *env)
{
    int fd = *(int *)env;
    char byte;
    while (fdRead(fd, &byte, 1) == 1)
        CHECK_EQ(fdWrite(fd, &byte, 1), 1);
    return NULL;
}

static void playRounds(int fd, int count)
{
    for (int i = 0; i < count; i++) {
        char byte = (char)i;
        CHECK_EQ(fdWrite(fd, &byte, 1), 1);
        CHECK_EQ(fdRead(fd, &byte, 1), 1);
        CHECK_EQ(byte, (char)i);
    }
}

/* Once both ends are registered, waiting on adopted sockets changes nothing in the kernel.  The
 * poll back-end keeps no registrations: each wait is a change of what the next poll looks at. */
GREEN_TEST(FdCall, warmWaitsCostNoChange)
{
    const char *backend = testArg("--backend");
    bool registers = backend == NULL || strcmp(backend, "poll") != 0;
    for (int local = 0; local < 2; local++) {
        int ends[2];
        if (local != 0)
            greenLocalPair(SOCK_STREAM, ends);
        else
            greenTcpPair(ends);
        Thread *answerer = greenFork(answerPings, &ends[1]);
        playRounds(ends[0], WARM_UP);
        uint64_t before = sumChanges();
        playRounds(ends[0], ROUNDS);
        uint64_t made = sumChanges() - before;
        CHECK(registers ? made == 0 : made > 0);
        CHECK_EQ(closeFd(ends[0]), 0);
        greenJoin(answerer);
        CHECK_EQ(closeFd(ends[1]), 0);
    }
}
