/* FdSocketTest.c -- making sockets and pipes, listening, accepting, connecting, shutting down. */
#include "testsuite/support/Green.h"

#include "rts/FdCall.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

static uint32_t kindOf(int fd)
{
    return fdHomeKind(fdHomeLook(fd));
}

/* Adopted, non-blocking, close-on-exec. */
static bool isOurs(int fd)
{
    return (kindOf(fd) & FdAdopted) != 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 &&
           (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static int countFds(void)
{
    DIR *all = opendir("/proc/self/fd");
    int count = 0;
    CHECK(all != NULL);
    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

/* An abstract address nobody else has. */
static struct sockaddr_un localAddress(void)
{
    static int serial;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "capri-%d-%d", getpid(), serial++);
    return address;
}

GREEN_TEST(FdSocket, knowsWhatItMakes)
{
    int tcp = fdSocket(AF_INET, SOCK_STREAM, 0), udp = fdSocket(AF_INET, SOCK_DGRAM, 0);
    int local = fdSocket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(isOurs(tcp) && isOurs(udp) && isOurs(local));
    CHECK_EQ(kindOf(tcp), FdAdopted | FdStream | FD_KIND_SOCKET);
    CHECK_EQ(kindOf(udp), FdAdopted | FD_KIND_SOCKET);
    CHECK_EQ(kindOf(local), FdAdopted | FD_KIND_SOCKET);
    CHECK_EQ(fdSocket(12345, SOCK_STREAM, 0), -EAFNOSUPPORT);
    CHECK_EQ(closeFd(tcp) + closeFd(udp) + closeFd(local), 0);
    CHECK_EQ(kindOf(tcp), 0);
}

GREEN_TEST(FdPipe, makesTwoEnds)
{
    int ends[2];
    CHECK_EQ(fdPipe(ends), 0);
    CHECK(isOurs(ends[0]) && isOurs(ends[1]));
    CHECK_EQ(kindOf(ends[0]), FdAdopted | FdStream);
    CHECK_EQ(kindOf(ends[1]), FdAdopted);
    greenClosePair(ends);
}

GREEN_TEST(FdListen, saysWhyNot)
{
    struct sockaddr_in address;
    int before = countFds(), fd = greenListen(&address, 8);
    CHECK(isOurs(fd));
    CHECK_EQ(fdListen((struct sockaddr *)&address, sizeof address, 8), -EADDRINUSE);
    CHECK_EQ(fdListen((struct sockaddr *)&address, 3, 8), -EINVAL);
    CHECK_EQ(fdListen(NULL, 0, 8), -EINVAL);
    CHECK_EQ(closeFd(fd), 0);
    CHECK_EQ(countFds(), before);
}

GREEN_TEST(FdListenMany, shareOnePort)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in bound[3];
    int fds[3];
    CHECK_EQ(fdListenMany((struct sockaddr *)&address, sizeof address, 8, 3, fds), 0);
    for (int i = 0; i < 3; i++) {
        socklen_t size = sizeof bound[i];
        CHECK_EQ(getsockname(fds[i], (struct sockaddr *)&bound[i], &size), 0);
        CHECK_NE(bound[i].sin_port, 0);
        CHECK_EQ(bound[i].sin_port, bound[0].sin_port);
        CHECK_EQ(closeFd(fds[i]), 0);
    }
}

/* Local sockets cannot share an address: the second one fails, and the first is given back. */
GREEN_TEST(FdListenMany, allOrNone)
{
    struct sockaddr_un local = localAddress();
    struct sockaddr_in address;
    int before = countFds(), fds[2], busy = greenListen(&address, 8);
    CHECK_LT(fdListenMany((struct sockaddr *)&local, sizeof local, 8, 2, fds), 0);
    CHECK_EQ(fdListenMany((struct sockaddr *)&address, sizeof address, 8, 2, fds), -EADDRINUSE);
    CHECK_EQ(fdListenMany((struct sockaddr *)&address, sizeof address, 8, 0, fds), -EINVAL);
    CHECK_EQ(closeFd(busy), 0);
    CHECK_EQ(countFds(), before);
}

/* See Note [A connection's kind]. */
GREEN_TEST(FdAccept, aConnectionIsWhatItsListenerIs)
{
    struct sockaddr_in address, peer, own;
    struct sockaddr_un local = localAddress();
    socklen_t peer_size = sizeof peer, own_size = sizeof own;
    int listener = greenListen(&address, 8), client = fdSocket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(fdConnect(client, (struct sockaddr *)&address, sizeof address), 0);
    int server = fdAccept(listener, (struct sockaddr *)&peer, &peer_size);
    CHECK(isOurs(server));
    CHECK_EQ(kindOf(server), FdAdopted | FdStream | FD_KIND_SOCKET);
    CHECK_EQ(getsockname(client, (struct sockaddr *)&own, &own_size), 0);
    CHECK_EQ(peer.sin_port, own.sin_port);
    CHECK_EQ(closeFd(listener) + closeFd(client) + closeFd(server), 0);

    listener = fdListen((struct sockaddr *)&local, sizeof local, 8);
    client = fdSocket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(fdConnect(client, (struct sockaddr *)&local, sizeof local), 0);
    server = fdAccept(listener, NULL, NULL);
    CHECK_EQ(kindOf(server), FdAdopted | FD_KIND_SOCKET);
    CHECK_EQ(closeFd(listener) + closeFd(client) + closeFd(server), 0);
}

static void *acceptOne(void *env)
{
    return (void *)(intptr_t)fdAccept(*(int *)env, NULL, NULL);
}

/* A listener in blocking mode that nobody adopted. */
GREEN_TEST(FdAccept, acceptsFromAStranger)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&address, size) + listen(listener, 8), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    Thread *acceptor = greenFork(acceptOne, &listener);
    greenAwait(acceptor, ThreadBlockedOnRead);
    int client = fdSocket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(fdConnect(client, (struct sockaddr *)&address, size), 0);
    int server = (int)greenJoin(acceptor);
    CHECK(isOurs(server));
    CHECK_EQ(kindOf(server), FdAdopted | FdStream | FD_KIND_SOCKET);
    CHECK_EQ(fcntl(listener, F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(close(listener), 0);
    CHECK_EQ(closeFd(client) + closeFd(server), 0);
}

GREEN_TEST(FdConnect, saysThatNobodyListens)
{
    struct sockaddr_in address;
    int listener = greenListen(&address, 8), fd = fdSocket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(closeFd(listener), 0);
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), -ECONNREFUSED);
    CHECK_EQ(closeFd(fd), 0);
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), -EBADF);
}

/* The kernel may say 0 once more after a connection that took its time. */
GREEN_TEST(FdConnect, onceIsEnough)
{
    struct sockaddr_in address;
    int listener = greenListen(&address, 8), fd = fdSocket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int again = fdConnect(fd, (struct sockaddr *)&address, sizeof address);
    CHECK(again == 0 || again == -EISCONN);
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), -EISCONN);
    CHECK_EQ(closeFd(fd) + closeFd(listener), 0);
}

/* A socket in blocking mode that nobody adopted; its time-out is its own again afterwards. */
GREEN_TEST(FdConnect, connectsAStranger)
{
    struct sockaddr_in address;
    struct timeval timeout = {-1, -1};
    socklen_t size = sizeof timeout;
    int listener = greenListen(&address, 8), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, &size), 0);
    CHECK_EQ(timeout.tv_sec + timeout.tv_usec, 0);
    CHECK_EQ(close(fd) + closeFd(listener), 0);
}

typedef struct Dial {
    struct sockaddr_un to;
    int fd;
} Dial;

static void *connectLocal(void *env)
{
    Dial *dial = env;
    return (void *)(intptr_t)fdConnect(dial->fd, (struct sockaddr *)&dial->to, sizeof dial->to);
}

/* See Note [Full backlog]: with a backlog of 0 one connection waits, the second is told EAGAIN. */
GREEN_TEST(FdConnect, waitsForRoomInTheBacklog)
{
    Dial first = {.to = localAddress(), .fd = fdSocket(AF_UNIX, SOCK_STREAM, 0)};
    Dial second = {.to = first.to, .fd = fdSocket(AF_UNIX, SOCK_STREAM, 0)};
    int listener = fdListen((struct sockaddr *)&first.to, sizeof first.to, 0);
    CHECK_GE(listener, 0);
    CHECK_EQ((intptr_t)connectLocal(&first), 0);
    Thread *waiting = greenFork(connectLocal, &second);
    greenAwait(waiting, ThreadBlockedOnDelay);
    int one = fdAccept(listener, NULL, NULL);
    CHECK_GE(one, 0);
    CHECK_EQ(greenJoin(waiting), 0);
    int two = fdAccept(listener, NULL, NULL);
    CHECK_GE(two, 0);
    CHECK_EQ(closeFd(one) + closeFd(two) + closeFd(listener), 0);
    CHECK_EQ(closeFd(first.fd) + closeFd(second.fd), 0);
}

static void *readByte(void *env)
{
    char byte;
    return (void *)(intptr_t)fdRead(*(int *)env, &byte, 1);
}

GREEN_TEST(FdShutdown, endsAReader)
{
    int ends[2];
    greenTcpPair(ends);
    Thread *reader = greenFork(readByte, &ends[1]);
    greenAwait(reader, ThreadBlockedOnRead);
    CHECK_EQ(fdShutdown(ends[1], SHUT_RD), 0);
    CHECK_EQ(greenJoin(reader), 0);
    CHECK_EQ(fdShutdown(ends[1], 99), -EINVAL);
    greenClosePair(ends);
    CHECK_EQ(fdShutdown(ends[1], SHUT_RD), -EBADF);
}

/* Before rtsInit fds can be made and used; nothing is adopted then. */
TEST(FdSocket, worksWithoutARuntime)
{
    int ends[2];
    char byte;
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(fdAdopt(ends[0]), -ENXIO);
    CHECK_EQ(fdWrite(ends[1], "x", 1), 1);
    CHECK_EQ(fdRead(ends[0], &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(close(ends[0]) + close(ends[1]), 0);
}
