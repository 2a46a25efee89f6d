/* TimeoutWordTest.c -- how long it takes until a number comes again, and what happens then.
 */
#include "iomgr/backend/Mock.h"
#include "testsuite/support/IoFixture.h"

#include <capri/timeout.h>

static EventManager manager;
static FakeClock fake;

static int count(EventManager *at, TimeoutKey key, void *env)
{
    (void)at, (void)key;
    ++*(uint32_t *)env;
    return 0;
}

static void openIt(void)
{
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&manager, &backendMock, fakeClockInit(&fake, 1000000), NULL), 0);
    timerManagerSettle(&manager);
}

/* Goal: who has found an entry due, and lost its core, does not fire what has been updated many
 * times since.  Method: the fire that is late is called here. */
TEST(TimeoutWord, aLateFireMeetsManyUpdates)
{
    enum { UPDATES = 1 << 16 };
    uint32_t fired = 0;
    TimeoutKey key;
    openIt();
    CHECK_EQ(registerTimeout(&manager, 100, count, &fired, &key), 0);
    Timeout *record = key.record;
    uint64_t number = RELAXED_LOAD(&record->timer.number);
    for (int i = 0; i < UPDATES; i++)
        CHECK_EQ(updateTimeout(&manager, key, 100), 1);
    record->timer.fire(&record->timer, number, NULL);
    CHECK_EQ(fired, 0);
    fake.now_ns += 100 * 1000;
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 1);
    CHECK_EQ(fired, 1);
    eventManagerClose(&manager);
}

TEST(TimeoutWord, versionsGoRoundWithinAGeneration)
{
    uint64_t word = timeoutWordRegister(timeoutWordRegister(0));
    CHECK_EQ(timeoutWordGeneration(word), 2);
    uint64_t last = word | (TIMEOUT_VERSIONS - 1) << TIMEOUT_NUMBER_SHIFT;
    CHECK_EQ(timeoutWordGeneration(last), 2);
    CHECK_EQ(timeoutWordNext(last), word);
    CHECK_EQ(timeoutWordNext(word), word + (UINT64_C(1) << TIMEOUT_NUMBER_SHIFT));
}

/* Goal: a timeout fires in the generation after the last one, too: its number is not 0. */
TEST(TimeoutWord, generationsGoRound)
{
    uint32_t fired = 0;
    TimeoutKey key, newer;
    openIt();
    CHECK_EQ(registerTimeout(&manager, 100, count, &fired, &key), 0);
    Timeout *record = key.record;
    CHECK_EQ(unregisterTimeout(&manager, key), 1);
    RELAXED_STORE(&record->word, ~UINT64_C(0) << TIMEOUT_GENERATION_SHIFT);
    CHECK_EQ(registerTimeout(&manager, 100, count, &fired, &newer), 0);
    CHECK(newer.record == record && newer.generation == 1);
    CHECK_EQ(updateTimeout(&manager, newer, 200), 1);
    fake.now_ns += 200 * 1000;
    CHECK_EQ(eventManagerPoll(&manager, 0, NULL), 1);
    CHECK_EQ(fired, 1);
    CHECK_EQ(unregisterTimeout(&manager, newer), 0);
    eventManagerClose(&manager);
}
