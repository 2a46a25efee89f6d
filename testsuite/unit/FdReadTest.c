/* FdReadTest.c -- FdRead.c, FdRecv.c, FdCall.c of rts/: what reads return and remember. */
#include "testsuite/support/Green.h"

#include "rts/FdCall.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void *readOne(void *env)
{
    char byte;
    ssize_t n = fdRead(*(int *)env, &byte, 1);
    return (void *)(intptr_t)(n == 1 ? byte : n);
}

static void *readMany(void *env)
{
    char bytes[64];
    return (void *)(intptr_t)fdRead(*(int *)env, bytes, sizeof bytes);
}

/* Parks a read of up to 64 bytes on ends[1], then sends `size`: ends[1] has a home from now on. */
static void readShort(int ends[2], const char *bytes, size_t size)
{
    Thread *reader = greenFork(readMany, &ends[1]);
    greenAwait(reader, ThreadBlockedOnRead);
    CHECK_EQ(fdWrite(ends[0], bytes, size), (ssize_t)size);
    CHECK_EQ(greenJoin(reader), (intptr_t)size);
}

static bool isDrained(int fd)
{
    FdView view = threadWaitView(fd, FdRead);
    return view.slot != NULL && view.edges != 0 && fdSlotIsDrained(view.slot, view.edges);
}

GREEN_TEST(FdRead, returnsWhatIsThere)
{
    int ends[2];
    char buffer[16] = "";
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(fdWrite(ends[1], "hello", 5), 5);
    CHECK_EQ(fdRead(ends[0], buffer, 2), 2);
    CHECK_EQ(fdRead(ends[0], buffer + 2, sizeof buffer - 2), 3);
    CHECK_EQ(strcmp(buffer, "hello"), 0);
    CHECK_EQ(fdRead(ends[0], buffer, 0), 0);
    greenClosePair(ends);
}

GREEN_TEST(FdRead, waitsUntilThereIsSomething)
{
    int ends[2];
    CHECK_EQ(fdPipe(ends), 0);
    Thread *reader = greenFork(readOne, &ends[0]);
    greenAwait(reader, ThreadBlockedOnRead);
    CHECK_EQ(threadStatus(reader).fd, ends[0]);
    CHECK_EQ(fdWrite(ends[1], "x", 1), 1);
    CHECK_EQ(greenJoin(reader), 'x');
    greenClosePair(ends);
}

GREEN_TEST(FdRead, zeroIsTheEnd)
{
    int ends[2];
    char byte;
    CHECK_EQ(fdPipe(ends), 0);
    Thread *reader = greenFork(readOne, &ends[0]);
    greenAwait(reader, ThreadBlockedOnRead);
    CHECK_EQ(closeFd(ends[1]), 0);
    CHECK_EQ(greenJoin(reader), 0);
    CHECK_EQ(fdRead(ends[0], &byte, 1), 0);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(fdRead(ends[0], &byte, 1), -EBADF);
    CHECK_EQ(fdRead(-1, &byte, 1), -EBADF);
}

GREEN_TEST(FdRead, closingWakesTheReader)
{
    int ends[2];
    greenTcpPair(ends);
    Thread *reader = greenFork(readOne, &ends[1]);
    greenAwait(reader, ThreadBlockedOnRead);
    CHECK_EQ(closeFd(ends[1]), 0);
    CHECK_EQ(greenJoin(reader), -EBADF);
    CHECK_EQ(closeFd(ends[0]), 0);
}

/* See Note [Drained streams]: the mark is there after a short read and gone with the next edge. */
GREEN_TEST(FdRead, aShortReadDrainsTcp)
{
    int ends[2];
    char buffer[64];
    greenTcpPair(ends);
    readShort(ends, "abc", 3);
    if (testArg("--backend") == NULL || strcmp(testArg("--backend"), "epoll") == 0)
        CHECK(isDrained(ends[1]));
    CHECK_EQ(fdWrite(ends[0], "defg", 4), 4);
    CHECK_EQ(fdRead(ends[1], buffer, 2), 2); /* a full one proves nothing */
    CHECK(!isDrained(ends[1]));
    CHECK_EQ(fdRead(ends[1], buffer, sizeof buffer), 2);
    CHECK_EQ(fdShutdown(ends[0], SHUT_WR), 0);
    CHECK_EQ(fdRead(ends[1], buffer, sizeof buffer), 0); /* however early the end was seen */
    CHECK_EQ(fdRead(ends[1], buffer, sizeof buffer), 0);
    greenClosePair(ends);
}

GREEN_TEST(FdRead, aShortReadDoesNotDrainLocalSockets)
{
    int ends[2];
    greenLocalPair(SOCK_STREAM, ends);
    readShort(ends, "abc", 3);
    CHECK(!isDrained(ends[1]));
    greenClosePair(ends);
}

GREEN_TEST(FdRead, peekingDoesNotDrain)
{
    int ends[2];
    char buffer[64];
    greenTcpPair(ends);
    readShort(ends, "a", 1);
    CHECK_EQ(fdWrite(ends[0], "bcd", 3), 3);
    CHECK_EQ(fdRecv(ends[1], buffer, 1, 0), 1); /* the edge has come, and this read was not short */
    CHECK_EQ(fdRecv(ends[1], buffer, sizeof buffer, MSG_PEEK), 2);
    CHECK(!isDrained(ends[1]));
    CHECK_EQ(fdRecv(ends[1], buffer, sizeof buffer, MSG_DONTWAIT), 2);
    CHECK_EQ(fdRecv(ends[1], buffer, sizeof buffer, MSG_DONTWAIT), -EAGAIN);
    greenClosePair(ends);
}

GREEN_TEST(FdReadv, fillsTheParts)
{
    int ends[2];
    char first[2], second[8];
    struct iovec parts[2] = {{first, sizeof first}, {second, sizeof second}};
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(fdWrite(ends[1], "abcde", 5), 5);
    CHECK_EQ(fdReadv(ends[0], parts, 2), 5);
    CHECK_EQ(memcmp(first, "ab", 2) + memcmp(second, "cde", 3), 0);
    CHECK_EQ(fdReadv(ends[0], parts, -1), -EINVAL);
    greenClosePair(ends);
}

static void *receiveAll(void *env)
{
    char bytes[8];
    return (void *)(intptr_t)fdRecv(*(int *)env, bytes, sizeof bytes, MSG_WAITALL);
}

GREEN_TEST(FdRecv, waitsForAll)
{
    int ends[2];
    greenTcpPair(ends);
    for (int round = 0; round < 2; round++) {
        Thread *reader = greenFork(receiveAll, &ends[1]);
        greenAwait(reader, ThreadBlockedOnRead);
        CHECK_EQ(fdWrite(ends[0], "abc", 3), 3);
        greenAwait(reader, ThreadBlockedOnRead);
        if (round == 0)
            CHECK_EQ(fdWrite(ends[0], "defgh", 5), 5);
        else
            CHECK_EQ(fdShutdown(ends[0], SHUT_WR), 0);
        CHECK_EQ(greenJoin(reader), round == 0 ? 8 : 3);
    }
    greenClosePair(ends);
}

GREEN_TEST(FdRecv, aDatagramIsAll)
{
    int ends[2];
    char bytes[8];
    greenLocalPair(SOCK_DGRAM, ends);
    CHECK_EQ(fdSend(ends[0], "abc", 3, 0), 3);
    CHECK_EQ(fdRecv(ends[1], bytes, sizeof bytes, MSG_WAITALL), 3);
    greenClosePair(ends);
}

GREEN_TEST(FdRecv, outOfBandNeverWaits)
{
    int ends[2];
    char byte;
    greenTcpPair(ends);
    CHECK_EQ(fdRecv(ends[1], &byte, 1, MSG_OOB), -EINVAL);
    greenClosePair(ends);
}

GREEN_TEST(FdRecvFrom, tellsWhoSent)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {0};
    socklen_t size = sizeof address, from_size = sizeof from;
    char bytes[8];
    int receiver = fdSocket(AF_INET, SOCK_DGRAM, 0), sender = fdSocket(AF_INET, SOCK_DGRAM, 0);
    CHECK_EQ(bind(receiver, (struct sockaddr *)&address, size), 0);
    CHECK_EQ(getsockname(receiver, (struct sockaddr *)&address, &size), 0);
    CHECK_EQ(fdSendTo(sender, "abc", 3, 0, (struct sockaddr *)&address, size), 3);
    CHECK_EQ(fdRecvFrom(receiver, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_size), 3);
    size = sizeof address;
    CHECK_EQ(getsockname(sender, (struct sockaddr *)&address, &size), 0);
    CHECK_EQ(from.sin_port, address.sin_port);
    CHECK_EQ(from_size, sizeof from);
    CHECK_EQ(closeFd(receiver) + closeFd(sender), 0);
}

/* A descriptor travels with a message. */
GREEN_TEST(FdRecvMsg, receivesControlData)
{
    int ends[2], sent = open("/dev/null", O_RDONLY | O_CLOEXEC), received = -1;
    char byte = 'x';
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = ""};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    greenLocalPair(SOCK_STREAM, ends);
    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &sent, sizeof sent);
    CHECK_EQ(fdSendMsg(ends[0], &message, 0), 1);
    memset(&control, 0, sizeof control);
    CHECK_EQ(fdRecvMsg(ends[1], &message, 0), 1);
    memcpy(&received, CMSG_DATA(&control.header), sizeof received);
    CHECK_GE(received, 0);
    CHECK_NE(received, sent);
    CHECK_EQ(close(received) + close(sent), 0);
    greenClosePair(ends);
}
