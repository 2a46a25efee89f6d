/* WorkerTest.c -- the OS threads: start, who am I, stop, and starts that fail. */
#include "capability/Worker.h"

#include "capability/CapabilityTable.h"
#include "capability/Idle.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

enum { WORKERS = 3 };

static uint32_t started, looped, ended; /* workers add */
static int start_fails_at = -1;         /* main sets before the start */

static int startHook(Worker *worker)
{
    CHECK_EQ(workerCapability(), worker->capability);
    if ((int)worker->capability->index == start_fails_at)
        return -ENOBUFS;
    ADD_SEQ_CST(&started, 1);
    return 0;
}

static void loopHook(Worker *worker)
{
    Capability *capability = worker->capability;
    CHECK_EQ(workerCapability(), capability);
    ADD_SEQ_CST(&looped, 1);
    while (SEQ_CST_LOAD(&capability->mode) == CapabilityEnabled) {
        capabilityReceive(capability);
        Runnable *runnable = capabilityPopOld(capability);
        if (runnable != NULL) {
            COUNT(&capability->stats.switches, 1);
            runnable->run(runnable, capability);
        } else if (!idleSearch(capability)) {
            idleSleep(capability);
        }
    }
}

static void endHook(Worker *worker)
{
    CHECK_EQ(workerCapability(), worker->capability);
    ADD_SEQ_CST(&ended, 1);
}

static const WorkerHooks hooks = {startHook, loopHook, endHook};

static void begin(void)
{
    started = looped = ended = 0;
    CHECK_EQ(capabilityTableStart(WORKERS, NULL, NULL, NULL), 0);
}

TEST(Worker, isNobodyOnAPlainThread)
{
    CHECK_EQ(workerCapability(), NULL);
}

/* Goal: a stop that meets sleepers, starting ones and all between is seen.  Method: many short
 * lives. */
TEST(Worker, startsAndStopsAgainAndAgain)
{
    for (int round = 0; round < 50; round++) {
        begin();
        CHECK_EQ(workerStartAll(&hooks), 0);
        CHECK_EQ(SEQ_CST_LOAD(&started), WORKERS);
        workerStopAll();
        CHECK_EQ(looped, WORKERS);
        CHECK_EQ(ended, WORKERS);
        CHECK_EQ(idle.sleeping, 0);
        CHECK_EQ(idle.searching, 0);
        CHECK_EQ(idle.guard, 0);
        CHECK_EQ(workerCapability(), NULL);
        capabilityTableFree(NULL);
    }
}

/* Workers of one table may be stopped and started again. */
TEST(Worker, startsAgainOnTheSameCapabilities)
{
    begin();
    for (int round = 0; round < 5; round++) {
        CHECK_EQ(workerStartAll(&hooks), 0);
        workerStopAll();
    }
    CHECK_EQ(looped, 5 * WORKERS);
    CHECK_EQ(ended, 5 * WORKERS);
    capabilityTableFree(NULL);
}

TEST(Worker, failsAsAWholeWhenAHookFails)
{
    for (int i = 0; i < WORKERS; i++) {
        begin();
        start_fails_at = i;
        CHECK_EQ(workerStartAll(&hooks), -ENOBUFS);
        CHECK_EQ(started, WORKERS - 1);
        CHECK_EQ(ended, WORKERS - 1); /* only those that had started */
        CHECK_EQ(looped, 0);
        start_fails_at = -1;
        CHECK_EQ(workerStartAll(&hooks), 0);
        workerStopAll();
        capabilityTableFree(NULL);
    }
}

TEST(Worker, failsWhenThereIsNoThreadToBeHad)
{
    pthread_attr_t before, huge;
    begin();
    CHECK_EQ(pthread_getattr_default_np(&before), 0);
    CHECK_EQ(pthread_attr_init(&huge), 0);
    CHECK_EQ(pthread_attr_setstacksize(&huge, (size_t)1 << 47), 0); /* no address space has that */
    CHECK_EQ(pthread_setattr_default_np(&huge), 0);
    int result = workerStartAll(&hooks);
    CHECK_EQ(pthread_setattr_default_np(&before), 0);
    CHECK_EQ(result, -EAGAIN);
    CHECK_EQ(started, ended);
    CHECK_EQ(looped, 0);
    CHECK_EQ(workerStartAll(&hooks), 0);
    workerStopAll();
    capabilityTableFree(NULL);
    pthread_attr_destroy(&before);
    pthread_attr_destroy(&huge);
}

/* ---- What the OS thread is like. ---- */

typedef struct Probe {
    Runnable runnable;
    Capability *self;
    int slack_ns;
    bool blocked; /* SIGUSR1 */
    char name[16];
    uint32_t done;
} Probe;

static void probe(Runnable *runnable, Capability *capability)
{
    Probe *mine = (Probe *)(void *)runnable;
    sigset_t mask;
    mine->self = workerCapability();
    CHECK_EQ(mine->self, capability);
    mine->slack_ns = prctl(PR_GET_TIMERSLACK);
    prctl(PR_GET_NAME, mine->name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    mine->blocked = sigismember(&mask, SIGUSR1) == 1;
    SEQ_CST_STORE(&mine->done, 1);
}

TEST(Worker, isNamedPunctualAndInheritsTheMask)
{
    sigset_t usr1, before;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    begin();
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    CHECK_EQ(workerStartAll(&hooks), 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    Probe probes[WORKERS];
    memset(probes, 0, sizeof probes);
    for (int i = 0; i < WORKERS; i++) {
        char name[] = "capri/0";
        name[6] = (char)('0' + i);
        probes[i].runnable.run = probe;
        capabilitySend(capabilities.items[i], &probes[i].runnable, true);
        while (SEQ_CST_LOAD(&probes[i].done) == 0) /* for ever if it is lost: the time limit */
            SMP_PAUSE();
        CHECK_EQ(probes[i].self, capabilities.items[i]);
        CHECK_EQ(probes[i].slack_ns, 1);
        CHECK(probes[i].blocked);
        CHECK_EQ(strcmp(probes[i].name, name), 0);
    }
    workerStopAll();
    capabilityTableFree(NULL);
}
