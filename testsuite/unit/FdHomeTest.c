/* FdHomeTest.c -- which manager an fd lives with. */
#include "capability/FdHome.h"

#include "capability/CapabilityTable.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void begin(uint32_t count)
{
    CHECK_EQ(capabilityTableStart(count, NULL, NULL, NULL), 0);
    CHECK_EQ(fdHomeStart(NULL), 0);
}

static void end(void)
{
    fdHomeFree();
    for (uint32_t i = 0; i < capabilities.count; i++)
        capabilities.items[i]->manager.fds = 0; /* some tests pretend */
    capabilityTableFree(NULL);
}

TEST(FdHome, knowsNothingAtFirst)
{
    begin(2);
    CHECK_EQ(fdHomeLook(0), 0);
    CHECK_EQ(fdHomeLook(-1), 0);
    CHECK_EQ(fdHomeLook(FD_MAX), 0);
    CHECK_EQ(fdHomeManager(0), NULL);
    CHECK_EQ(fdHomeLeave(5), 0);
    end();
}

TEST(FdHome, settlesNearTheFirstWaiterForGood)
{
    begin(3);
    uint32_t word = fdHomeSettle(7, capabilities.items[2]);
    CHECK_EQ(fdHomeManager(word), &capabilities.items[2]->manager);
    CHECK_EQ(fdHomeSettle(7, capabilities.items[1]), word);
    CHECK_EQ(fdHomeLook(7), word);
    CHECK_EQ(fdHomeLook(8), 0);
    CHECK_EQ(fdHomeLeave(7), word);
    CHECK_EQ(fdHomeLook(7), 0);
    CHECK_EQ(fdHomeManager(fdHomeSettle(7, capabilities.items[1])),
             &capabilities.items[1]->manager);
    end();
}

TEST(FdHome, refusesNumbersOutOfRange)
{
    begin(1);
    CHECK_EQ(fdHomeSettle(-1, NULL), 0);
    CHECK_EQ(fdHomeSettle(FD_MAX, NULL), 0);
    CHECK_EQ(fdHomeFresh(FD_MAX, FdAdopted, NULL), -EMFILE);
    CHECK_EQ(fdHomeFresh(-1, FdAdopted, NULL), -EBADF);
    CHECK_EQ(fdHomeAdopt(FD_MAX, FdAdopted, NULL), -EMFILE);
    CHECK_NE(fdHomeSettle(FD_MAX - 1, NULL), 0);
    end();
}

TEST(FdHome, goesRoundWithoutANeighbour)
{
    begin(3);
    int homes[3] = {0};
    for (int fd = 0; fd < 30; fd++)
        for (int i = 0; i < 3; i++)
            homes[i] += fdHomeManager(fdHomeSettle(fd, NULL)) == &capabilities.items[i]->manager;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(homes[i], 10);
    end();
}

/* Goal: who holds more than 60 % of all gets only its share of the rest. */
TEST(FdHome, spreadsWhenOneManagerIsCrowded)
{
    begin(4);
    Capability *near = capabilities.items[0];
    int home = 0;
    near->manager.fds = 63; /* all of them, but too few to matter */
    CHECK_EQ(fdHomeManager(fdHomeSettle(99, near)), &near->manager);
    near->manager.fds = 600;
    capabilities.items[1]->manager.fds = 400;
    CHECK_EQ(fdHomeManager(fdHomeSettle(100, near)), &near->manager); /* 60 % */
    near->manager.fds = 601;
    capabilities.items[1]->manager.fds = 399;
    for (int fd = 200; fd < 240; fd++)
        home += fdHomeManager(fdHomeSettle(fd, near)) == &near->manager;
    CHECK_EQ(home, 10);
    end();
}

TEST(FdHome, keepsKindBitsBesideTheHome)
{
    begin(2);
    CHECK_EQ(fdHomeAdopt(9, FdAdopted, NULL), 0);
    CHECK_EQ(fdHomeKind(fdHomeLook(9)), FdAdopted);
    CHECK_EQ(fdHomeManager(fdHomeLook(9)), NULL);
    uint32_t word = fdHomeSettle(9, capabilities.items[1]);
    CHECK_EQ(fdHomeKind(word), FdAdopted);
    CHECK_EQ(fdHomeManager(word), &capabilities.items[1]->manager);
    CHECK_EQ(fdHomeFresh(9, FdAdopted | FdStream, NULL), 0);
    CHECK_EQ(fdHomeKind(fdHomeLook(9)), FdAdopted | FdStream);
    CHECK_EQ(fdHomeManager(fdHomeLook(9)), NULL);
    end();
}

/* ---- A waiter of an older file is told when the number becomes fresh. ---- */

static int told;

static void tell(WatchNode *node, uint64_t number, int result, void *sink)
{
    (void)node;
    (void)sink;
    CHECK_EQ(number, 17);
    told = result;
}

TEST(FdHome, freshEndsTheWaitsOfThePast)
{
    begin(2);
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    uint32_t word = fdHomeSettle(ends[0], capabilities.items[0]);
    WatchNode node = {.fire = tell, .number = 17};
    CHECK_EQ(
        eventManagerAwait(fdHomeManager(word), ends[0], 0, FdRead, (FdSeen){.who = 1}, &node, NULL),
        0);
    told = 0;
    CHECK_EQ(fdHomeFresh(ends[0], FdAdopted, NULL), 0);
    CHECK_EQ(told, -EBADF);
    close(ends[0]);
    close(ends[1]);
    end();
}

/* ---- Everyone settles the same numbers at once. ---- */

enum { SETTLERS = 3, SETTLED = 3 * 4096 };

static uint32_t settled[SETTLERS][SETTLED];

static void *settleAll(void *argument)
{
    uint32_t *words = argument;
    Capability *near = capabilities.items[(words - settled[0]) / SETTLED];
    for (int fd = 0; fd < SETTLED; fd++)
        words[fd] = fdHomeSettle(fd, near);
    return NULL;
}

TEST(FdHome, everyoneAgreesOnAHome)
{
    begin(SETTLERS);
    pthread_t threads[SETTLERS];
    for (int i = 0; i < SETTLERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, settleAll, settled[i]), 0);
    for (int i = 0; i < SETTLERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    for (int fd = 0; fd < SETTLED; fd++) {
        CHECK_NE(settled[0][fd], 0);
        CHECK_EQ(settled[0][fd], settled[1][fd]);
        CHECK_EQ(settled[0][fd], settled[2][fd]);
    }
    end();
}
