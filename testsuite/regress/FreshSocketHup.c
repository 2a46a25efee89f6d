/* FreshSocketHup.c -- a fresh TCP socket says OUT|HUP: fdConnect must not take that for an answer.
 *
 * The first park registers a socket; if that is before connect(2), the kernel reports a hang-up and
 * writability that have nothing to do with the connection.  fdConnect confirms by getpeername.
 */
#include "testsuite/support/Crowd.h"

#include <netinet/in.h>
#include <poll.h>

enum { BACKLOG_FILLERS = 8 };

static struct sockaddr_in loopback(in_port_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listenHere(struct sockaddr_in *address, int backlog)
{
    socklen_t size = sizeof *address;
    *address = loopback(0);
    int fd = fdListen((struct sockaddr *)address, sizeof *address, backlog);
    CHECK_GE(fd, 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static bool isConnected(int fd)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

/* A socket that has been registered, and has fired, before it is connected. */
static int registeredSocket(void)
{
    int fd = fdSocket(AF_INET, SOCK_STREAM, 0);
    CHECK_GE(fd, 0);
    struct pollfd fresh = {.fd = fd, .events = POLLOUT};
    CHECK_EQ(poll(&fresh, 1, 0), 1);
    CHECK(fresh.revents & POLLHUP); /* the fact this program is about */
    CHECK_EQ(threadWaitWrite(fd), 0);
    CHECK_EQ(threadWaitRead(fd), 0);
    return fd;
}

static void *connectAndTalk(void *env)
{
    struct sockaddr_in address;
    (void)env;
    int listener = listenHere(&address, 10), fd = registeredSocket();
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), 0);
    CHECK(isConnected(fd));
    int accepted = fdAccept(listener, NULL, NULL);
    CHECK_GE(accepted, 0);
    /* The hang-up of the past does not make later waits return at once. */
    int64_t deadline_ns = rtsNow() + 20000000;
    int result;
    while ((result = threadWaitReadUntil(fd, deadline_ns)) == 0)
        CHECK_LT(rtsNow(), deadline_ns + 10 * CROWD_SECOND_NS);
    CHECK_EQ(result, -ETIMEDOUT);
    char byte = 0;
    CHECK_EQ(fdWrite(accepted, "x", 1), 1);
    CHECK_EQ(fdRead(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(closeFd(fd), 0);
    CHECK_EQ(closeFd(accepted), 0);
    CHECK_EQ(closeFd(listener), 0);
    return NULL;
}

TEST(FreshSocketHup, connectsAndTalks)
{
    Crowd crowd;
    crowdStart(&crowd, 2, 1);
    crowdFork(&crowd, connectAndTalk, NULL, "connector");
    crowdJoin(&crowd);
    crowdStop(&crowd);
}

static void *connectToNobody(void *env)
{
    struct sockaddr_in address;
    (void)env;
    CHECK_EQ(closeFd(listenHere(&address, 1)), 0);
    int fd = registeredSocket();
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), -ECONNREFUSED);
    CHECK(!isConnected(fd));
    CHECK_EQ(closeFd(fd), 0);
    return NULL;
}

TEST(FreshSocketHup, refusalIsTold)
{
    Crowd crowd;
    crowdStart(&crowd, 2, 1);
    crowdFork(&crowd, connectToNobody, NULL, "connector");
    crowdJoin(&crowd);
    crowdStop(&crowd);
}

/* ---- a connection that takes its time ---- */

static struct sockaddr_in crowded; /* set before the connector starts */

static void *connectLate(void *env)
{
    int fd = registeredSocket();
    (void)env;
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&crowded, sizeof crowded), 0);
    CHECK(isConnected(fd));
    CHECK_EQ(closeFd(fd), 0);
    return NULL;
}

/* A listener whose queue is full drops the SYN; the kernel sends it again a second later. */
TEST(FreshSocketHup, waitsForTheRealAnswer)
{
    int fillers[BACKLOG_FILLERS];
    Crowd crowd;
    crowdStart(&crowd, 2, 1);
    int listener = listenHere(&crowded, 0);
    for (int i = 0; i < BACKLOG_FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        CHECK_GE(fillers[i], 0);
        CHECK(connect(fillers[i], (struct sockaddr *)&crowded, sizeof crowded) == 0 ||
              errno == EINPROGRESS);
    }
    Thread *connector = crowdFork(&crowd, connectLate, NULL, "connector");
    crowdAwaitState(connector, ThreadBlockedOnWrite, -1);
    int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    while (threadStatus(connector).state != ThreadFinished) {
        int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (accepted >= 0)
            close(accepted);
        else
            crowdPause(1000000);
        CHECK_LT(rtsNow(), deadline_ns);
    }
    crowdJoin(&crowd);
    for (int i = 0; i < BACKLOG_FILLERS; i++)
        close(fillers[i]);
    CHECK_EQ(closeFd(listener), 0);
    crowdStop(&crowd);
}
