/* FdAdoptTest.c -- rts/FdAdopt.c: what an fd from elsewhere is, and who waits for it meanwhile. */
#include "testsuite/support/Green.h"

#include "rts/FdAdopt.h"
#include "rts/FdCall.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t kindOf(int fd)
{
    return fdHomeKind(fdHomeLook(fd));
}

GREEN_TEST(FdAdopt, setsNonBlocking)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(fdAdopt(ends[0]), 0);
    CHECK_EQ(fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(closeFd(ends[0]) + close(ends[1]), 0);
    CHECK_EQ(fdAdopt(ends[0]), -EBADF);
    CHECK_EQ(fdAdopt(-1), -EBADF);
}

/* See Note [What is a stream]. */
GREEN_TEST(FdAdopt, tellsStreamsApart)
{
    int pipes[2], packets[2], local[2];
    char name[] = "/tmp/capri-adopt-XXXXXX";
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), file = mkstemp(name);
    CHECK_EQ(pipe2(pipes, O_CLOEXEC) + pipe2(packets, O_CLOEXEC | O_DIRECT), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, local), 0);
    CHECK_EQ(fdAdoptKind(pipes[0]), FdAdopted);
    CHECK_EQ(fdAdoptKind(packets[0]), FdAdopted);
    CHECK_EQ(fdAdoptKind(local[0]), FdAdopted | FD_KIND_SOCKET);
    CHECK_EQ(fdAdoptKind(tcp), FdAdopted | FdStream | FD_KIND_SOCKET);
    CHECK_EQ(fdAdoptKind(udp), FdAdopted | FD_KIND_SOCKET);
    CHECK_EQ(fdAdoptKind(file), FdAdopted | FD_KIND_FILE);
    CHECK_EQ(fdAdopt(tcp), 0);
    CHECK_EQ(kindOf(tcp), FdAdopted | FdStream | FD_KIND_SOCKET);
    CHECK_EQ(close(pipes[0]) + close(pipes[1]) + close(packets[0]) + close(packets[1]), 0);
    CHECK_EQ(close(local[0]) + close(local[1]) + close(udp) + close(file) + unlink(name), 0);
    CHECK_EQ(closeFd(tcp), 0);
}

/* Needs a kernel with the tls module; elsewhere there is nothing to tell apart. */
GREEN_TEST(FdAdopt, kernelTlsIsNoStream)
{
    int ends[2];
    greenTcpPair(ends);
    int refused = setsockopt(ends[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls");
    uint32_t kind = fdAdoptKind(ends[0]);
    greenClosePair(ends);
    if (refused != 0)
        SKIP("no kernel TLS");
    CHECK_EQ(kind, FdAdopted | FD_KIND_SOCKET);
}

static void *readByte(void *env)
{
    char byte;
    ssize_t n = fdRead(*(int *)env, &byte, 1);
    return (void *)(intptr_t)(n == 1 ? byte : n);
}

/* Adopted while somebody waits: who waits goes on waiting, and hears of what comes. */
GREEN_TEST(FdAdopt, keepsItsWaiters)
{
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    for (int round = 0; round < 3; round++) { /* again is allowed */
        Thread *reader = greenFork(readByte, &ends[1]);
        greenAwait(reader, ThreadBlockedOnRead);
        CHECK_EQ(fdAdopt(ends[1]), 0);
        CHECK_EQ(fdAdopt(ends[0]), 0);
        CHECK_EQ(fdWrite(ends[0], "x", 1), 1);
        CHECK_EQ(greenJoin(reader), 'x');
    }
    greenClosePair(ends);
}

/* Stale kinds do not survive closing: the number of a stream becomes that of a datagram socket. */
GREEN_TEST(FdAdopt, forgetsWhatWasClosed)
{
    int ends[2];
    greenTcpPair(ends);
    CHECK_NE(kindOf(ends[0]) & FdStream, 0);
    CHECK_EQ(closeFd(ends[0]), 0);
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(dup3(udp, ends[0], O_CLOEXEC), ends[0]);
    CHECK_EQ(fdAdopt(ends[0]), 0);
    CHECK_EQ(kindOf(ends[0]), FdAdopted | FD_KIND_SOCKET);
    CHECK_EQ(close(udp), 0);
    greenClosePair(ends);
}
