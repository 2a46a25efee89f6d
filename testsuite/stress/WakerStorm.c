/* WakerStorm.c -- signals rain on workers and plain OS threads, and every handler puts.
 *
 * Wakers of MVars and TVars are put by handlers (a timer of the process, and tgkill at every OS
 * thread there is, workers in the middle of library calls too), by plain OS threads and by green
 * threads, while others are made and freed.  Each putter counts first and puts then: who is woken
 * in the end must have seen the last count.
 *
 * not-under: qemu
 */
#include "capability/CapabilityTable.h"
#include "testsuite/support/Crowd.h"

#include <capri/waker.h>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum { WAKERS = 4, LISTENERS = 2 * WAKERS, NOISE = 4, PUTTERS = 2, TIMER_US = 200 };

static MVar *boxes[WAKERS];
static TVar *cells[WAKERS];
static Waker *wakers[2 * WAKERS]; /* of the boxes, then of the cells; constant while signals come */
static uint64_t counts[2 * WAKERS];          /* news: relaxed adds, then the put */
static uint64_t sent, merged, handled, seen; /* relaxed adds */
static uint32_t stopping;                    /* main stores, all read */
static uint32_t turn;                        /* relaxed add */

static void putNext(void)
{
    uint32_t which = ADD_RELAXED(&turn, 1) % (2 * WAKERS);
    ADD_RELAXED(&counts[which], 1);
    int result = wakerPut(wakers[which], (void *)1);
    CHECK(result == 0 || result == 1);
    ADD_RELAXED(&sent, 1);
    ADD_RELAXED(&merged, (uint64_t)result);
}

/* One that comes late (ThreadSanitizer puts handlers off) must not use what is freed. */
static uint32_t over, in_handlers; /* seq_cst */

static void handle(int number)
{
    (void)number;
    ADD_SEQ_CST(&in_handlers, 1);
    if (SEQ_CST_LOAD(&over) == 0) {
        ADD_RELAXED(&handled, 1);
        putNext();
    }
    ADD_SEQ_CST(&in_handlers, (uint32_t)-1);
}

/* ---- who listens ---- */

/* Until the count is the last one, which says so itself: its top bit. */
static void *listenOn(void *env)
{
    uint32_t which = (uint32_t)(uintptr_t)env;
    uint64_t version = 0;
    for (;;) {
        if (which < WAKERS)
            CHECK_EQ(mvarTake(boxes[which], NULL), 0);
        else
            tvarReadVersionIO(cells[which - WAKERS], &version);
        ADD_RELAXED(&seen, 1);
        if (RELAXED_LOAD(&counts[which]) >> 63 != 0)
            return NULL;
        if (which >= WAKERS)
            CHECK_EQ(tvarAwait(cells[which - WAKERS], version), 0);
    }
}

/* ---- noise: what handlers are to meet in the middle ---- */

static void *makeNoise(void *env)
{
    uint64_t seed = crowdSeed((uintptr_t)env);
    MVar *own = mvarNewEmpty();
    while (RELAXED_LOAD(&stopping) == 0) {
        Waker *waker = wakerNewMVar(own);
        switch (crowdDraw(&seed, 4)) {
        case 0:
            putNext();
            break;
        case 1:
            CHECK_EQ(wakerPut(waker, NULL), 0);
            CHECK_EQ(mvarTake(own, NULL), 0);
            break;
        case 2:
            threadYield();
            break;
        default:
            CHECK_EQ(threadDelay((int64_t)crowdDraw(&seed, 50)), 0);
        }
        wakerFree(waker);
    }
    mvarFree(own);
    return NULL;
}

static void *putOn(void *env)
{
    (void)env;
    while (RELAXED_LOAD(&stopping) == 0) {
        putNext();
        crowdPause(20000);
    }
    return NULL;
}

/* A signal to each OS thread of this process, over and over. */
static void *rain(void *env)
{
    pid_t process = getpid(), self = (pid_t)syscall(SYS_gettid);
    (void)env;
    while (RELAXED_LOAD(&stopping) == 0) {
        DIR *all = opendir("/proc/self/task");
        CHECK(all != NULL);
        for (struct dirent *entry; (entry = readdir(all)) != NULL;) {
            pid_t thread = (pid_t)atoi(entry->d_name);
            if (thread > 0 && thread != self)
                syscall(SYS_tgkill, process, thread, SIGUSR1);
        }
        closedir(all);
        crowdPause(50000);
    }
    return NULL;
}

/* ---- the storm ---- */

static void begin(Thread **listeners, struct sigaction *kept)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct itimerval timer = {{0, TIMER_US}, {0, TIMER_US}};
    for (uint32_t i = 0; i < WAKERS; i++) {
        CHECK((boxes[i] = mvarNewEmpty()) != NULL);
        CHECK((cells[i] = tvarNew(NULL)) != NULL);
        CHECK((wakers[i] = wakerNewMVar(boxes[i])) != NULL);
        CHECK((wakers[WAKERS + i] = wakerNewTVar(cells[i])) != NULL);
    }
    for (uintptr_t i = 0; i < LISTENERS; i++)
        CHECK_EQ(threadFork(&listeners[i], listenOn, (void *)i), 0);
    CHECK_EQ(sigaction(SIGUSR1, &action, &kept[0]), 0);
    CHECK_EQ(sigaction(SIGALRM, &action, &kept[1]), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void end(Thread **listeners, struct sigaction *kept)
{
    struct itimerval none = {{0, 0}, {0, 0}};
    CHECK_EQ(setitimer(ITIMER_REAL, &none, NULL), 0);
    SEQ_CST_STORE(&over, 1);
    while (SEQ_CST_LOAD(&in_handlers) != 0)
        sched_yield();
    for (uint32_t i = 0; i < LISTENERS; i++) {
        ADD_RELAXED(&counts[i], UINT64_C(1) << 63);
        CHECK_GE(wakerPut(wakers[i], (void *)1), 0);
        ADD_RELAXED(&sent, 1);
    }
    for (uint32_t i = 0; i < LISTENERS; i++) {
        CHECK_EQ(threadJoin(listeners[i], NULL), 0);
        threadRelease(listeners[i]);
        wakerFree(wakers[i]);
    }
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR); /* drops those that are still pending */
    CHECK(signal(SIGALRM, SIG_IGN) != SIG_ERR);
    CHECK_EQ(sigaction(SIGUSR1, &kept[0], NULL), 0);
    CHECK_EQ(sigaction(SIGALRM, &kept[1], NULL), 0);
    for (uint32_t i = 0; i < WAKERS; i++) {
        mvarFree(boxes[i]);
        tvarFree(cells[i]);
    }
}

TEST(WakerStorm, everyNewsIsTold)
{
    RtsConfig config = {.capabilities = 3};
    Thread *listeners[LISTENERS], *noise[NOISE];
    pthread_t plain[PUTTERS + 1];
    struct sigaction kept[2];
    CHECK_EQ(rtsInit(&config), 0);
    begin(listeners, kept);
    for (uintptr_t i = 0; i < NOISE; i++)
        CHECK_EQ(threadFork(&noise[i], makeNoise, (void *)i), 0);
    for (int i = 0; i <= PUTTERS; i++)
        CHECK_EQ(pthread_create(&plain[i], NULL, i == PUTTERS ? rain : putOn, NULL), 0);
    int64_t until_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    for (uint32_t round = 0; rtsNow() < until_ns || RELAXED_LOAD(&handled) == 0; round++) {
        crowdPause(10000000);
        CHECK_EQ(capabilitySetCount(1 + round % 3), 0); /* homes come and go */
    }
    RELAXED_STORE(&stopping, 1);
    for (int i = 0; i <= PUTTERS; i++)
        pthread_join(plain[i], NULL);
    for (int i = 0; i < NOISE; i++) {
        CHECK_EQ(threadJoin(noise[i], NULL), 0);
        threadRelease(noise[i]);
    }
    end(listeners, kept);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    printf("%llu puts (%llu in handlers, %llu merged), %llu looks\n",
           (unsigned long long)RELAXED_LOAD(&sent), (unsigned long long)RELAXED_LOAD(&handled),
           (unsigned long long)RELAXED_LOAD(&merged), (unsigned long long)RELAXED_LOAD(&seen));
}
