/* WokenThenClosed.c -- a reader is woken by an event, and before it runs its fd is closed and the
 * number is another file's: it must get -EBADF, and must not take the newcomer's bytes.
 *
 * Everything happens on one capability, so the order is certain: the reader is queued while main
 * goes on, and main runs the poll that wakes it by yielding from a second thread.
 */
#include "testsuite/support/Crowd.h"

#include "capability/CapabilityTable.h"

typedef struct Scene {
    int pair[2];
    ssize_t told;
    char byte;
} Scene;

static void *readByte(void *env)
{
    Scene *scene = env;
    scene->told = fdRead(scene->pair[0], &scene->byte, 1);
    return NULL;
}

static void *closeUnderReader(void *env)
{
    Scene *scene = env;
    int fresh[2];
    Thread *reader;
    CHECK_EQ(threadFork(&reader, readByte, scene), 0);
    crowdAwaitState(reader, ThreadBlockedOnRead, scene->pair[0]);
    threadYield(); /* its wait is committed */
    CHECK_EQ(send(scene->pair[1], "a", 1, 0), 1);
    /* The poll that brings the event; it queues the reader, which cannot run before we park. */
    Capability *here = capabilities.items[0];
    CHECK_EQ(eventManagerPoll(&here->manager, 0, here), 1);
    int number = scene->pair[0];
    CHECK_EQ(closeFd(number), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fresh), 0);
    int newcomer = fresh[0] == number ? fresh[1] : fresh[0];
    CHECK(fresh[0] == number || fresh[1] == number);
    CHECK_EQ(send(newcomer, "b", 1, 0), 1);
    CHECK_EQ(threadJoin(reader, NULL), 0);
    threadRelease(reader);
    CHECK_EQ(scene->told, -EBADF);
    char byte = 0;
    CHECK_EQ(recv(number, &byte, 1, MSG_DONTWAIT), 1); /* it is all there */
    CHECK_EQ(byte, 'b');
    CHECK_EQ(close(fresh[0]) + close(fresh[1]) + close(scene->pair[1]), 0);
    return NULL;
}

TEST(WokenThenClosed, readerLeavesTheNumberAlone)
{
    Scene scene;
    Crowd crowd;
    crowdStart(&crowd, 1, 1);
    crowdPair(scene.pair, true);
    crowdFork(&crowd, closeUnderReader, &scene, "closer");
    crowdJoin(&crowd);
    crowdStop(&crowd);
}
