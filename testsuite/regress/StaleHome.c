/* StaleHome.c -- an older home still believes that it watches a number: nobody may rely on that.
 *
 * A waiter that read a number's home just before the number was closed and opened again registers
 * the new file in the old home, finds the home changed, and goes.  The old home believes from then
 * on that it watches the number, and is not told of the next close.  When the number comes back to
 * it with a third file, a thread it remembers must not wait without asking the kernel: that would
 * be for ever. The late waiter's steps are made by hand here, in the order that hurts.
 */
#include "testsuite/support/Crowd.h"

#include "capability/CapabilityTable.h"
#include "capability/FdHome.h"

enum { NUMBER = 200, TURNS = 3 };

static int peers[TURNS]; /* main, before `turn` */
static uint32_t turn;    /* main stores, the reader reads: how many files were opened for it */

static void ignoreFire(WatchNode *node, uint64_t number, int result, void *sink)
{
    (void)node;
    (void)number;
    (void)result;
    (void)sink;
}

/* One thread, always on capability 0, reads one byte of each file. */
static void *readTurns(void *env)
{
    for (uint32_t i = 1; i <= TURNS; i += 2) {
        char byte = 0;
        while (ACQUIRE_LOAD(&turn) < i)
            CHECK_EQ(threadDelay(100), 0);
        CHECK_EQ(fdRead(NUMBER, &byte, 1), 1);
        CHECK_EQ(byte, 'x');
    }
    return env;
}

static void *waitElsewhere(void *env)
{
    CHECK_EQ(threadWaitReadUntil(NUMBER, rtsNow() + 1000), -ETIMEDOUT);
    return env;
}

static void openFile(uint32_t index)
{
    int pair[2];
    crowdPair(pair, false);
    CHECK_EQ(fcntl(pair[0], F_DUPFD_CLOEXEC, NUMBER), NUMBER);
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(fdAdopt(NUMBER), 0);
    peers[index] = pair[1];
}

static void closeFile(uint32_t index)
{
    CHECK_EQ(closeFd(NUMBER), 0);
    CHECK_EQ(close(peers[index]), 0);
}

/* What a waiter does that has read home 0 in time and comes late. */
static void registerLate(void)
{
    EventManager *old_home = &capabilities.items[0]->manager;
    FdSeen seen = {.who = UINT32_MAX - 1};
    WatchNode node = {.fire = ignoreFire, .number = 1};
    CHECK_EQ(eventManagerAwait(old_home, NUMBER, FdAdopted, FdRead, seen, &node, NULL), 0);
    eventManagerForget(old_home, NUMBER, FdRead, &node, NULL);
}

TEST(StaleHome, isAskedAgain)
{
    Crowd crowd, elsewhere;
    if (testArg("--backend") != NULL && strcmp(testArg("--backend"), "epoll") != 0)
        SKIP("edge-triggered registration is epoll's");
    crowdStart(&crowd, 2, 1);
    elsewhere = (Crowd){.threads = calloc(1, sizeof(Thread *)), .room = 1};
    Thread *reader = crowdForkOn(&crowd, 0, readTurns, NULL, "reader");

    openFile(0); /* lives on capability 0, which remembers the reader */
    RELEASE_STORE(&turn, 1);
    crowdAwaitState(reader, ThreadBlockedOnRead, NUMBER);
    CHECK_EQ(send(peers[0], "x", 1, 0), 1);
    crowdAwaitState(reader, ThreadBlockedOnDelay, -1);
    closeFile(0);

    openFile(1); /* lives on capability 1 */
    crowdForkOn(&elsewhere, 1, waitElsewhere, NULL, "elsewhere");
    crowdJoin(&elsewhere);
    registerLate();
    closeFile(1);

    openFile(2); /* lives on capability 0 again */
    RELEASE_STORE(&turn, 3);
    crowdAwaitState(reader, ThreadBlockedOnRead, NUMBER);
    CHECK_EQ(send(peers[2], "x", 1, 0), 1);
    crowdJoin(&crowd);
    closeFile(2);
    free(elsewhere.threads);
    crowdStop(&crowd);
}
