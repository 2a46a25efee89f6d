/* EventForkTest.c -- the child of a fork has no Events, whoever waited in the parent.
 *
 * not-under: tsan asan qemu
 */
#include "rts/stm/Event.h"

#include "testsuite/support/Forked.h"
#include "testsuite/support/Select.h"

static void *byteLater(void *env)
{
    CHECK_EQ(threadDelay(2000), 0);
    CHECK_EQ(write(*(int *)env, "x", 1), 1);
    return NULL;
}

static void *forkBeside(void *env)
{
    int ends[2], fresh[2];
    (void)env;
    makePair(ADOPTED, ends);
    Wait it = {.fd = ends[0]};
    Thread *thread = greenFork(waitForAny, &it);
    greenUntil(thread, ThreadBlockedOnTVar);
    pid_t child = forkFlushed();
    if (child == 0) {
        CHECK_EQ(eventLiving(), 0);
        CHECK(!eventIsAwaited());
        makePair(ADOPTED, fresh);
        Thread *writer = greenFork(byteLater, &fresh[1]);
        CHECK_EQ(waitForAny(&(Wait){.fd = fresh[0]}), V(1));
        greenJoin(writer);
        CHECK_EQ(eventLiving(), 0);
        exit(CODE);
    }
    expectExit(child, CODE);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    CHECK_EQ(greenJoin(thread), V(1));
    closePair(ends);
    return NULL;
}

TEST(EventFork, theChildHasNone)
{
    greenRun(2, forkBeside, NULL);
}
