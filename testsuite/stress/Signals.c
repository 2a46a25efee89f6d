/* Signals.c -- a storm of SIGUSR1 without SA_RESTART on every OS thread, while sockets talk.
 *
 * Every blocking system call of the runtime meets EINTR: epoll_pwait, the futex sleeps, reads and
 * writes. Nothing may be lost, nothing be early, no call return -EINTR.  The handler runs on green
 * threads' stacks in one round and on the alternate stack in the next.
 */
#include "testsuite/support/Crowd.h"

#include <capri/tvar.h>

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

enum { PAIRS = 20, DELAYERS = 10, STORM_PAUSE_NS = 30000 };

typedef struct Side {
    int fd;
    uint64_t seed;
    uint64_t bytes;
} Side;

static uint32_t stopping;   /* main stores, all threads read */
static uint32_t storm_over; /* main stores, the storm reads */
static uint64_t handled;    /* handlers add */
static uint64_t sent;       /* the storm; main reads after the join */
static TVar *beat;          /* constant while the threads run */

static void countSignal(int signal_number)
{
    (void)signal_number;
    ADD_RELAXED(&handled, 1);
}

static void *runStorm(void *env)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    (void)env;
    while (RELAXED_LOAD(&storm_over) == 0) {
        DIR *tasks = opendir("/proc/self/task");
        CHECK(tasks != NULL);
        for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
            pid_t task = atoi(entry->d_name);
            if (task > 0 && task != self && syscall(SYS_tgkill, getpid(), task, SIGUSR1) == 0)
                sent++;
        }
        closedir(tasks);
        crowdPause(STORM_PAUSE_NS);
    }
    return NULL;
}

/* Both sides send and receive one byte stream of counted bytes. */
static void *talk(void *env)
{
    Side *side = env;
    unsigned char out = 0, in = 0, bytes[200];
    size_t balance = 0; /* bytes sent and not yet answered by as many received */
    while (RELAXED_LOAD(&stopping) == 0 || balance != 0) {
        if (balance == 0) {
            size_t count = 1 + crowdDraw(&side->seed, sizeof bytes);
            for (size_t i = 0; i < count; i++)
                bytes[i] = out++;
            CHECK_EQ(fdWriteAll(side->fd, bytes, count), (ssize_t)count);
            balance = count;
        }
        ssize_t n = fdRead(side->fd, bytes, balance < sizeof bytes ? balance : sizeof bytes);
        CHECK_GT(n, 0);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(bytes[i], in++);
        balance -= (size_t)n;
        side->bytes += (uint64_t)n;
    }
    CHECK_EQ(fdShutdown(side->fd, SHUT_WR), 0);
    return NULL;
}

/* Sends back whatever comes, until the end. */
static void *echo(void *env)
{
    Side *side = env;
    char bytes[100];
    for (ssize_t n; (n = fdRead(side->fd, bytes, sizeof bytes)) != 0;) {
        CHECK_GT(n, 0);
        CHECK_EQ(fdWriteAll(side->fd, bytes, (size_t)n), n);
    }
    return NULL;
}

static void *delayAndBeat(void *env)
{
    Side *side = env;
    while (RELAXED_LOAD(&stopping) == 0) {
        int64_t delay_us = (int64_t)crowdDraw(&side->seed, 3000), before_ns = rtsNow();
        CHECK_EQ(threadDelay(delay_us), 0);
        CHECK_GE(rtsNow(), before_ns + delay_us * 1000);
        CHECK_EQ(tvarWriteIO(beat, NULL), 0);
    }
    return NULL;
}

/* A plain OS thread in the blocking forms of the same calls. */
static void *followBeat(void *env)
{
    (void)env;
    while (RELAXED_LOAD(&stopping) == 0) {
        uint64_t version;
        int64_t deadline_ns = rtsNow() + 2000000;
        tvarReadVersionIO(beat, &version);
        int result = tvarAwaitUntil(beat, version, deadline_ns);
        if (result == -ETIMEDOUT)
            CHECK_GE(rtsNow(), deadline_ns);
        else
            CHECK_EQ(result, 0);
        int64_t before_ns = rtsNow();
        CHECK_EQ(threadDelay(500), 0);
        CHECK_GE(rtsNow(), before_ns + 500000);
    }
    return NULL;
}

static uint64_t playRound(int flags, double seconds)
{
    struct sigaction action = {.sa_handler = countSignal, .sa_flags = flags};
    pthread_t storm, follower;
    static Side sides[2 * PAIRS + DELAYERS];
    uint64_t bytes = 0;
    Crowd crowd;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    crowdStart(&crowd, 2 + (uint32_t)(testRandom() % 3), 2 * PAIRS + DELAYERS);
    RELAXED_STORE(&stopping, 0);
    RELAXED_STORE(&storm_over, 0);
    beat = tvarNew(NULL);
    CHECK(beat != NULL);
    CHECK_EQ(pthread_create(&storm, NULL, runStorm, NULL), 0);
    CHECK_EQ(pthread_create(&follower, NULL, followBeat, NULL), 0);
    for (size_t i = 0; i < PAIRS; i++) {
        int pair[2];
        crowdPair(pair, i % 2);
        sides[2 * i] = (Side){pair[0], crowdSeed(i), 0};
        sides[2 * i + 1] = (Side){pair[1], 0, 0};
        crowdFork(&crowd, talk, &sides[2 * i], "talker");
        crowdFork(&crowd, echo, &sides[2 * i + 1], "echo");
    }
    for (size_t i = 2 * PAIRS; i < 2 * PAIRS + DELAYERS; i++) {
        sides[i].seed = crowdSeed(i);
        crowdFork(&crowd, delayAndBeat, &sides[i], "delayer");
    }
    crowdPause((int64_t)(seconds * 1e9));
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    CHECK_EQ(pthread_join(follower, NULL), 0);
    RELAXED_STORE(&storm_over, 1);
    CHECK_EQ(pthread_join(storm, NULL), 0);
    for (size_t i = 0; i < 2 * PAIRS; i++) {
        int waiting = -1;
        CHECK_EQ(ioctl(sides[i].fd, FIONREAD, &waiting), 0);
        CHECK_EQ(waiting, 0);
        CHECK_EQ(closeFd(sides[i].fd), 0);
        bytes += sides[i].bytes;
    }
    tvarFree(beat);
    crowdStop(&crowd);
    return bytes;
}

TEST(Signals, nothingIsLostInAStorm)
{
    uint64_t bytes = playRound(0, testSeconds() / 2);
    bytes += playRound(SA_ONSTACK, testSeconds() / 2);
    printf("%llu bytes came back, %llu signals sent, %llu handled\n", (unsigned long long)bytes,
           (unsigned long long)sent, (unsigned long long)RELAXED_LOAD(&handled));
    CHECK_GT(RELAXED_LOAD(&handled), 0);
}
