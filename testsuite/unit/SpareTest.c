/* SpareTest.c -- capabilities that are offered find an OS thread; the bound; OS threads end. */
#include "capability/Spare.h"

#include "capability/CapabilityTable.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

enum { OFFERS = 50 };

static uint32_t loops, started, ended; /* workers add */
static uint32_t start_fails;           /* so many starts from now on */
static uint32_t held;                  /* they keep what they carry */

static int startHook(Worker *worker)
{
    (void)worker;
    ADD_SEQ_CST(&started, 1);
    uint32_t fails = SEQ_CST_LOAD(&start_fails);
    while (fails != 0)
        if (CAS_SEQ_CST(&start_fails, &fails, fails - 1))
            return -ENOMEM;
    return 0;
}

/* Carries what it is given, and loses it at once. */
static void loseHook(Worker *worker)
{
    CHECK_EQ(workerCapability(), worker->capability);
    CHECK_EQ(worker->capability->carrier, worker);
    workerCarry(NULL);
    ADD_SEQ_CST(&loops, 1);
    while (SEQ_CST_LOAD(&held) != 0)
        usleep(100);
}

static void endHook(Worker *worker)
{
    (void)worker;
    ADD_SEQ_CST(&ended, 1);
}

static const WorkerHooks hooks = {startHook, loseHook, endHook};

static void begin(uint32_t most, uint32_t idle_ms)
{
    loops = started = ended = 0;
    CHECK_EQ(capabilityTableStart(1, NULL, NULL, NULL), 0);
    CHECK_EQ(spareStart(most, idle_ms, &hooks), 0);
}

static void end(void)
{
    workerStopAll();
    CHECK_EQ(workerCount(), 0);
    capabilityTableFree(NULL);
}

static void offerOnce(uint32_t number)
{
    spareOffer(capabilities.items[0]);
    while (SEQ_CST_LOAD(&loops) != number)
        spareRetry();
}

TEST(Spare, takesWhatIsOffered)
{
    begin(0, 0);
    for (uint32_t i = 1; i <= OFFERS; i++) {
        offerOnce(i);
        while (spareState().idle == 0) /* on its way back */
            sched_yield();
    }
    SpareState state = spareState();
    CHECK_EQ(state.offered, 0);
    CHECK_EQ(state.threads, 1); /* the one that was idle each time */
    end();
}

TEST(Spare, endsWhenIdle)
{
    begin(0, 1);
    offerOnce(1);
    while (spareState().threads != 0)
        usleep(100);
    offerOnce(2);
    end();
}

/* A bound worker has the capability for so long that its first OS thread, a spare meanwhile, ends.
 * Whoever comes for it later takes that one's place: there is room for one more. */
TEST(Spare, countsThoseBeyondOneACapability)
{
    begin(1, 1);
    CHECK_EQ(workerStartAll(&hooks), 0);
    while (SEQ_CST_LOAD(&ended) == 0)
        usleep(100);
    SEQ_CST_STORE(&held, 1);
    offerOnce(2);
    CHECK_EQ(spareState().threads, 0);
    CHECK(!spareIsExhausted());
    SEQ_CST_STORE(&held, 0);
    end();
}

/* One that cannot begin leaves what was offered to the next. */
TEST(Spare, triesAgain)
{
    begin(1, 0);
    SEQ_CST_STORE(&start_fails, 3);
    offerOnce(1);
    CHECK_EQ(SEQ_CST_LOAD(&started), 4);
    end();
}

TEST(Spare, knowsItsBound)
{
    begin(1, 0);
    CHECK(!spareIsExhausted());
    CHECK_EQ(spareStart(SPARE_MOST + 1, 0, &hooks), -EINVAL);
    end();
}

TEST(Spare, thereMayBeNone)
{
    begin(1, 0);
    spareNone();
    CHECK(spareIsExhausted());
    end();
    begin(1, 0);
    CHECK(!spareIsExhausted());
    end();
}

/* ---- OS threads that take their time to end -------------------------------------------------- */

static pthread_key_t key;
static uint32_t ending; /* the destructor stores, seq_cst */

static int startWithValue(Worker *worker)
{
    CHECK_EQ(pthread_setspecific(key, worker), 0);
    return 0;
}

/* Waits for what the next one does, who has a value as well. */
static void endSlowly(void *value)
{
    (void)value;
    if (SEQ_CST_LOAD(&loops) != 1)
        return;
    SEQ_CST_STORE(&ending, 1);
    while (SEQ_CST_LOAD(&loops) == 1)
        usleep(100);
}

static const WorkerHooks slow_hooks = {startWithValue, loseHook, NULL};

/* Goal: who offers does not wait for an OS thread that ends, which may wait for what is offered.
 * Method: its destructor does. */
TEST(Spare, waitsForNobodysEnd)
{
    CHECK_EQ(pthread_key_create(&key, endSlowly), 0);
    begin(0, 1);
    CHECK_EQ(spareStart(0, 1, &slow_hooks), 0);
    offerOnce(1);
    while (SEQ_CST_LOAD(&ending) == 0)
        usleep(100);
    offerOnce(2);
    end();
    CHECK_EQ(pthread_key_delete(key), 0);
}
