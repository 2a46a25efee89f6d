/* SleepTest.c -- the moves of lying down and being woken, one by one and against each other. */
#include "capability/Sleep.h"

#include "testsuite/support/Test.h"

#include <pthread.h>

static Idle all;
static Inbox inbox;
static uint32_t state, mode;

static void begin(void)
{
    all = (Idle){0};
    inboxInit(&inbox);
    state = IdleAwake;
    mode = 0;
}

static bool lieDown(uint32_t index)
{
    return sleepLieDown(&all, &state, index, &inbox, &mode, 0);
}

TEST(Sleep, liesDownAndGetsUp)
{
    begin();
    CHECK(lieDown(63));
    CHECK_EQ(state, IdleAsleep);
    CHECK_EQ(all.sleeping, UINT64_C(1) << 63);
    CHECK_EQ(sleepGetUp(&all, &state, 63), IdleAsleep);
    CHECK_EQ(state, IdleAwake);
    CHECK_EQ(all.sleeping, 0);
}

TEST(Sleep, doesNotRestOverAnInbox)
{
    Runnable open, pinned;
    begin();
    inboxPut(&inbox, &open, false);
    CHECK(!lieDown(0));
    sleepGetUp(&all, &state, 0);
    CHECK_EQ(inboxTakeOpen(&inbox), &open);
    inboxPut(&inbox, &pinned, true);
    CHECK(!lieDown(0));
    sleepGetUp(&all, &state, 0);
}

TEST(Sleep, doesNotRestAfterStop)
{
    begin();
    mode = 1;
    CHECK(!lieDown(0));
    sleepGetUp(&all, &state, 0);
}

TEST(Sleep, oneWakerWins)
{
    begin();
    CHECK(!sleepNotify(&state, IdleNotified)); /* awake: nothing to send */
    CHECK(lieDown(5));
    CHECK(sleepNotify(&state, IdleCalled));
    CHECK(!sleepNotify(&state, IdleNotified));
    CHECK(!sleepNotify(&state, IdleCalled));
    CHECK_EQ(sleepGetUp(&all, &state, 5), IdleCalled);
    CHECK(!sleepNotify(&state, IdleNotified));
}

TEST(Sleep, searchersAreBounded)
{
    begin();
    CHECK(sleepSearchBegin(&all, 2));
    CHECK(sleepSearchBegin(&all, 2));
    CHECK(!sleepSearchBegin(&all, 2));
    CHECK(!sleepSearchEnd(&all));
    CHECK(!sleepSearchBegin(&all, 1)); /* one searches: nobody is called */
    CHECK(sleepSearchEnd(&all));
    CHECK(sleepSearchBegin(&all, 1));
    CHECK(sleepSearchEnd(&all));
    CHECK_EQ(all.searching, 0);
}

/* ---- Sender against sleeper. ---- */

enum { CROSSINGS = 30000 };

static uint32_t wakeups;   /* sent and not yet consumed; the stand-in for an eventfd */
static uint32_t taken;     /* receiver stores, sender reads */
static uint32_t crossings; /* constant while the receiver runs */

static void *receive(void *unused)
{
    (void)unused;
    for (uint32_t got = 0; got < crossings;) {
        for (Runnable *at = inboxTakeOpen(&inbox); at != NULL; at = at->next)
            RELEASE_STORE(&taken, ++got);
        bool rest = got < crossings && lieDown(0);
        /* Nobody else ends this sleep: a lost wake-up hangs here, and the time limit fails it. */
        while (rest && SEQ_CST_LOAD(&wakeups) == 0)
            SMP_PAUSE();
        if (RELAXED_LOAD(&state) != IdleAwake && sleepGetUp(&all, &state, 0) != IdleAsleep) {
            while (SEQ_CST_LOAD(&wakeups) == 0) /* it is on its way */
                SMP_PAUSE();
            ADD_SEQ_CST(&wakeups, UINT32_MAX);
        }
    }
    return NULL;
}

/* Goal: whatever is put is taken, without a second look by anybody.  Method: one letter at a time,
 * the sender waits until it was taken; every letter meets the receiver somewhere around lying
 * down. */
TEST(Sleep, noLetterIsLeftWithASleeper)
{
    static Runnable letters[CROSSINGS];
    pthread_t receiver;
    begin();
    wakeups = taken = 0;
    crossings = testUnderValgrind() ? 200 : CROSSINGS;
    CHECK_EQ(pthread_create(&receiver, NULL, receive, NULL), 0);
    for (uint32_t i = 0; i < crossings; i++) {
        for (uint64_t pauses = testRandom() % 16; pauses > 0; pauses--)
            SMP_PAUSE();
        inboxPut(&inbox, &letters[i], false);
        if (sleepNotify(&state, IdleNotified))
            ADD_SEQ_CST(&wakeups, 1);
        while (ACQUIRE_LOAD(&taken) != i + 1)
            SMP_PAUSE();
    }
    CHECK_EQ(pthread_join(receiver, NULL), 0);
    CHECK_EQ(wakeups, 0);
    CHECK_EQ(all.sleeping, 0);
}
