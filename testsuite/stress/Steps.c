/* Steps.c -- a foreign epoll loop drives the runtime while other OS threads send, write and pause.
 *
 * Nobody but the loop steps, and only when the fd says so: a wake-up that is lost hangs the
 * program.  Thousands of pipes and timers, wakers and variables from other OS threads, calls on the
 * blocking pool; pauses and forks of threads from outside at any moment.
 */
#include "testsuite/support/Steps.h"
#include "rts/Step.h"

#include <sys/epoll.h>
#include <sys/resource.h>

enum { PIPES = 1000, ROUNDS = 10, SENDERS = 3 };

static uint32_t stopping;              /* main stores, all read */
static uint32_t living;                /* threads here: relaxed adds */
static uint64_t passed, woken, called; /* relaxed adds */

static void begin(int *host)
{
    RtsConfig config = {.stepped = true, .step_us = 2000};
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_EQ(rtsInit(&config), 0);
    stopping = living = 0;
    passed = woken = called = 0;
    *host = epoll_create1(EPOLL_CLOEXEC);
    CHECK_GE(*host, 0);
    CHECK_EQ(epoll_ctl(*host, EPOLL_CTL_ADD, rtsFd(), &event), 0);
}

/* One turn of the host's loop. */
static void turn(int host)
{
    struct epoll_event event;
    int count = epoll_wait(host, &event, 1, -1);
    CHECK(count == 1 || (count < 0 && errno == EINTR));
    CHECK_GE(rtsStep(0), 0);
}

static void end(int host)
{
    while (RELAXED_LOAD(&living) != 0)
        turn(host);
    close(host);
    stepsEnd();
}

static void forkCounted(ThreadFn *fn, void *env)
{
    ADD_RELAXED(&living, 1);
    CHECK_EQ(threadFork(NULL, fn, env), 0);
}

/* ---- pipes and timers ------------------------------------------------------------------------ */

typedef struct Pipe {
    int ends[2];
} Pipe;

static void *pass(void *env)
{
    Pipe *to = env;
    char byte = 'x';
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(threadDelay((int64_t)(testRandom() % 3000)), 0);
        CHECK_EQ(fdWrite(to->ends[1], &byte, 1), 1);
    }
    ADD_RELAXED(&living, (uint32_t)-1);
    return NULL;
}

static void *receive(void *env)
{
    Pipe *from = env;
    char byte;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(fdRead(from->ends[0], &byte, 1), 1);
        ADD_RELAXED(&passed, 1);
    }
    CHECK_EQ(closeFd(from->ends[0]) + closeFd(from->ends[1]), 0);
    ADD_RELAXED(&living, (uint32_t)-1);
    return NULL;
}

TEST(Steps, aForeignLoopDrivesPipesAndTimers)
{
    int host;
    uint32_t count = greenScale(PIPES), before = osThreads();
    Pipe *pipes = calloc(count, sizeof *pipes);
    struct rlimit limit;
    CHECK(pipes != NULL);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    begin(&host);
    for (uint32_t i = 0; i < count; i++) {
        if (fdPipe(pipes[i].ends) != 0) /* as many as this process may have */
            count = i;
        else
            forkCounted(receive, &pipes[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        forkCounted(pass, &pipes[i]);
    end(host);
    CHECK_EQ(passed, (uint64_t)count * ROUNDS);
    CHECK_EQ(osThreads(), before);
    free(pipes);
}

/* ---- other OS threads ------------------------------------------------------------------------ */

typedef struct Mail {
    MVar *box;
    TVar *cell;
    Waker *waker;
    uint64_t sent; /* relaxed adds, before the put */
} Mail;

static void *takeMail(void *env)
{
    Mail *mail = env;
    while ((RELAXED_LOAD(&mail->sent) >> 63) == 0) {
        CHECK_EQ(mvarTake(mail->box, NULL), 0);
        ADD_RELAXED(&woken, 1);
    }
    ADD_RELAXED(&living, (uint32_t)-1);
    return NULL;
}

static void *watchMail(void *env)
{
    Mail *mail = env;
    for (;;) {
        uint64_t seen;
        tvarReadVersionIO(mail->cell, &seen);
        if ((RELAXED_LOAD(&mail->sent) >> 63) != 0)
            break;
        CHECK_EQ(tvarAwait(mail->cell, seen), 0);
        ADD_RELAXED(&woken, 1);
    }
    ADD_RELAXED(&living, (uint32_t)-1);
    return NULL;
}

static void *sleepBriefly(void *env)
{
    usleep(100);
    return env;
}

static void *callAndEnd(void *env)
{
    void *result;
    CHECK_EQ(foreignCall(sleepBriefly, env, &result), 0);
    CHECK_EQ(result, env);
    ADD_RELAXED(&called, 1);
    ADD_RELAXED(&living, (uint32_t)-1);
    return NULL;
}

static void sendBoth(Mail *mail)
{
    CHECK_GE(wakerPut(mail->waker, mail), 0);
    CHECK_EQ(tvarWriteIO(mail->cell, mail), 0);
}

static void *sendOn(void *env)
{
    Mail *mail = env;
    uint64_t seed = testSeed() + (uintptr_t)env;
    while (RELAXED_LOAD(&stopping) == 0) {
        ADD_RELAXED(&mail->sent, 1);
        sendBoth(mail);
        uint64_t chance = testRandomFrom(&seed) % 64;
        if (chance == 0) {
            CHECK_EQ(rtsPause(INT64_MAX), 0);
            CHECK_EQ(rtsResume(), 0);
        } else if (chance < 4 && RELAXED_LOAD(&living) < 200) {
            forkCounted(callAndEnd, env);
        } else if (chance < 32) {
            usleep((useconds_t)(testRandomFrom(&seed) % 200));
        }
    }
    ADD_RELAXED(&mail->sent, UINT64_C(1) << 63);
    sendBoth(mail);
    return NULL;
}

static int64_t end_ns;

static void *tellStop(void *env)
{
    CHECK_EQ(threadDelayUntil(end_ns), 0);
    RELAXED_STORE(&stopping, 1);
    ADD_RELAXED(&living, (uint32_t)-1);
    return env;
}

TEST(Steps, othersSendWriteAndPause)
{
    int host;
    Mail mails[SENDERS] = {0};
    pthread_t senders[SENDERS];
    begin(&host);
    end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    forkCounted(tellStop, NULL);
    for (int i = 0; i < SENDERS; i++) {
        mails[i].box = mvarNewEmpty();
        mails[i].cell = tvarNew(NULL);
        mails[i].waker = wakerNewMVar(mails[i].box);
        forkCounted(takeMail, &mails[i]);
        forkCounted(watchMail, &mails[i]);
        senders[i] = osFork(sendOn, &mails[i]);
    }
    while (RELAXED_LOAD(&living) != 0)
        turn(host);
    for (int i = 0; i < SENDERS; i++)
        osJoin(senders[i]);
    while (RELAXED_LOAD(&living) != 0)
        turn(host);
    for (int i = 0; i < SENDERS; i++) {
        wakerFree(mails[i].waker);
        tvarFree(mails[i].cell);
        mvarFree(mails[i].box);
    }
    CHECK_GT(woken, 0);
    end(host);
}

/* ---- the owner waits, others end that -------------------------------------------------------- */

static void *writeOn(void *env)
{
    Mail *mail = env;
    uint64_t seed = testSeed();
    while (RELAXED_LOAD(&stopping) == 0) {
        CHECK_EQ(tvarWriteIO(mail->cell, mail), 0);
        if (testRandomFrom(&seed) % 2 == 0)
            usleep((useconds_t)(testRandomFrom(&seed) % 50));
    }
    return NULL;
}

TEST(Steps, theOwnerWaitsForOthers)
{
    int host;
    Mail mail = {0};
    uint64_t seen;
    begin(&host);
    mail.cell = tvarNew(NULL);
    int64_t until_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    pthread_t writer = osFork(writeOn, &mail);
    while (rtsNow() < until_ns) {
        tvarReadVersionIO(mail.cell, &seen);
        CHECK_EQ(tvarAwait(mail.cell, seen), 0);
        woken++;
    }
    RELAXED_STORE(&stopping, 1);
    osJoin(writer);
    CHECK_GT(woken, 0);
    tvarFree(mail.cell);
    end(host);
}
