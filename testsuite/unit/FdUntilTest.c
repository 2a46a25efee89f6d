/* FdUntilTest.c -- the `...Until(deadline_ns)` forms of calls on fds: See UntilTest.c. */
#include "testsuite/support/Until.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int ends[2];
static char full[1 << 16];
static char path[64];

/* ---- fds ------------------------------------------------------------------------------------- */

static void makeStreams(void)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK_EQ(fdAdopt(ends[0]), 0);
}
static void makeStrangers(void)
{
    CHECK_EQ(pipe(ends), 0); /* in blocking mode */
}
static void makeStrangeSockets(void)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}
static void fillUp(int fd)
{
    while (send(fd, full, sizeof full, MSG_DONTWAIT) > 0) {
    }
}
static void makeFullStreams(void)
{
    makeStreams();
    fillUp(ends[0]);
}
static void makeFullStrangers(void)
{
    makeStrangers();
    CHECK_EQ(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    while (write(ends[1], full, sizeof full) > 0) {
    }
    CHECK_EQ(fcntl(ends[1], F_SETFL, 0), 0);
}
static void sendByte(void)
{
    CHECK_EQ(write(ends[1], "b", 1), 1);
}
static void emptyOut(void)
{
    while (recv(ends[1], full, sizeof full, MSG_DONTWAIT) > 0) {
    }
}
static void emptyPipe(void)
{
    CHECK_EQ(read(ends[0], full, sizeof full), sizeof full);
}
static void closeEnds(void)
{
    CHECK_EQ(closeFd(ends[0]) + closeFd(ends[1]), 0);
}

static char byte;
static struct iovec part = {&byte, 1};

static struct msghdr message(void)
{
    return (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
}
static int64_t callFdRead(int64_t deadline_ns)
{
    return fdReadUntil(ends[0], &byte, 1, deadline_ns);
}
static int64_t callFdReadv(int64_t deadline_ns)
{
    return fdReadvUntil(ends[0], &part, 1, deadline_ns);
}
static int64_t callFdRecv(int64_t deadline_ns)
{
    return fdRecvUntil(ends[0], full, sizeof full, 0, deadline_ns); /* a short one drains */
}
static int64_t callFdRecvFrom(int64_t deadline_ns)
{
    return fdRecvFromUntil(ends[0], &byte, 1, 0, NULL, NULL, deadline_ns);
}
static int64_t callFdRecvMsg(int64_t deadline_ns)
{
    struct msghdr one = message();
    return fdRecvMsgUntil(ends[0], &one, 0, deadline_ns);
}
static int64_t callFdWrite(int64_t deadline_ns)
{
    return fdWriteUntil(ends[0], &byte, 1, deadline_ns);
}
static int64_t callFdWritePipe(int64_t deadline_ns)
{
    return fdWriteUntil(ends[1], &byte, 1, deadline_ns);
}
static int64_t callFdWriteAll(int64_t deadline_ns)
{
    return fdWriteAllUntil(ends[0], &byte, 1, deadline_ns);
}
static int64_t callFdWritev(int64_t deadline_ns)
{
    return fdWritevUntil(ends[0], &part, 1, deadline_ns);
}
static int64_t callFdSend(int64_t deadline_ns)
{
    return fdSendUntil(ends[0], &byte, 1, 0, deadline_ns);
}
static int64_t callFdSendTo(int64_t deadline_ns)
{
    return fdSendToUntil(ends[0], &byte, 1, 0, NULL, 0, deadline_ns);
}
static int64_t callFdSendMsg(int64_t deadline_ns)
{
    struct msghdr one = message();
    return fdSendMsgUntil(ends[0], &one, 0, deadline_ns);
}
static int64_t callWaitRead(int64_t deadline_ns)
{
    return threadWaitReadUntil(ends[0], deadline_ns);
}
static int64_t callWaitWrite(int64_t deadline_ns)
{
    return threadWaitWriteUntil(ends[0], deadline_ns);
}

/* A local datagram socket, its queue full: no event tells when there is room. */
static struct sockaddr_un named(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "capri-until-%d", (int)getpid());
    return address;
}
static void makeFullDatagrams(void)
{
    struct sockaddr_un address = named();
    ends[0] = socket(AF_UNIX, SOCK_DGRAM, 0);
    ends[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_EQ(bind(ends[1], (struct sockaddr *)&address, sizeof address), 0);
    while (sendto(ends[0], full, 1, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address) ==
           1) {
    }
}
static int64_t callFdSendToNamed(int64_t deadline_ns)
{
    struct sockaddr_un address = named();
    return fdSendToUntil(ends[0], &byte, 1, 0, (struct sockaddr *)&address, sizeof address,
                         deadline_ns);
}

/* A local listener with room for none: connecting waits for an accept. */
static void makeListener(void)
{
    struct sockaddr_un address = named();
    ends[0] = fdListen((struct sockaddr *)&address, sizeof address, 0);
    CHECK_GE(ends[0], 0);
    ends[1] = -1;
}
static void makeFullListener(void)
{
    struct sockaddr_un address = named();
    makeListener();
    ends[1] = fdSocket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(connect(ends[1], (struct sockaddr *)&address, sizeof address), 0);
}
static void acceptOne(void)
{
    CHECK_EQ(closeFd(fdAccept(ends[0], NULL, NULL)), 0);
}
static void connectOne(void)
{
    struct sockaddr_un address = named();
    ends[1] = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(connect(ends[1], (struct sockaddr *)&address, sizeof address), 0);
}
static int64_t callFdAccept(int64_t deadline_ns)
{
    int fd = fdAcceptUntil(ends[0], NULL, NULL, deadline_ns);
    return fd < 0 ? fd : closeFd(fd);
}
static int64_t callFdConnect(int64_t deadline_ns)
{
    struct sockaddr_un address = named();
    int fd = fdSocket(AF_UNIX, SOCK_STREAM, 0);
    int result = fdConnectUntil(fd, (struct sockaddr *)&address, sizeof address, deadline_ns);
    CHECK_EQ(closeFd(fd), 0);
    return result;
}

/* A FIFO opens when it has a peer. */
static void makeFifo(void)
{
    snprintf(path, sizeof path, "/tmp/capri-until-%d", (int)getpid());
    CHECK_EQ(mkfifo(path, 0600), 0);
}
static void openFifo(void)
{
    ends[0] = open(path, O_RDWR | O_NONBLOCK);
    CHECK_GE(ends[0], 0);
}
static void removeFifo(void)
{
    CHECK_EQ(close(ends[0]), 0);
    CHECK_EQ(unlink(path), 0);
}
static int64_t callFdOpen(int64_t deadline_ns)
{
    int fd = fdOpenUntil(path, O_RDONLY, 0, deadline_ns);
    return fd < 0 ? fd : closeFd(fd);
}

static const Form forms[] = {
    {"threadWaitRead", makeStreams, callWaitRead, sendByte, closeEnds, true},
    {"threadWaitRead, any", makeStrangers, callWaitRead, sendByte, closeEnds, true},
    {"threadWaitWrite", makeFullStreams, callWaitWrite, emptyOut, closeEnds, true},
    {"fdRead", makeStreams, callFdRead, sendByte, closeEnds, true},
    {"fdRead, pipe", makeStrangers, callFdRead, sendByte, closeEnds, true},
    {"fdRead, socket", makeStrangeSockets, callFdRead, sendByte, closeEnds, true},
    {"fdReadv", makeStreams, callFdReadv, sendByte, closeEnds, true},
    {"fdRecv", makeStreams, callFdRecv, sendByte, closeEnds, true},
    {"fdRecvFrom", makeStreams, callFdRecvFrom, sendByte, closeEnds, true},
    {"fdRecvMsg", makeStreams, callFdRecvMsg, sendByte, closeEnds, true},
    {"fdWrite", makeFullStreams, callFdWrite, emptyOut, closeEnds, true},
    {"fdWrite, pipe", makeFullStrangers, callFdWritePipe, emptyPipe, closeEnds, true},
    {"fdWriteAll", makeFullStreams, callFdWriteAll, emptyOut, closeEnds, true},
    {"fdWritev", makeFullStreams, callFdWritev, emptyOut, closeEnds, true},
    {"fdSend", makeFullStreams, callFdSend, emptyOut, closeEnds, true},
    {"fdSendTo", makeFullStreams, callFdSendTo, emptyOut, closeEnds, true},
    {"fdSendTo, named", makeFullDatagrams, callFdSendToNamed, emptyOut, closeEnds, true},
    {"fdSendMsg", makeFullStreams, callFdSendMsg, emptyOut, closeEnds, true},
    {"fdAccept", makeListener, callFdAccept, connectOne, closeEnds, true},
    {"fdConnect", makeFullListener, callFdConnect, acceptOne, closeEnds, true},
    {"fdOpen", makeFifo, callFdOpen, openFifo, removeFifo, false},
    {NULL, NULL, NULL, NULL, NULL, false},
};

TEST(FdUntil, onGreenThreads)
{
    greenRun(2, tryForms, (void *)forms);
}

TEST(FdUntil, onOneCapability)
{
    greenRun(1, tryForms, (void *)forms);
}

TEST(FdUntil, onPlainOSThreads)
{
    greenStart(2);
    tryForms((void *)forms);
    greenStop();
}

/* ---- some of their own ----------------------------------------------------------------------- */

static void *writeTooMuch(void *env)
{
    (void)env;
    makeStreams();
    ssize_t n, all = 0;
    static char much[1 << 20];
    n = fdWriteAllUntil(ends[0], much, sizeof much, rtsNow() + 2 * MS_NS);
    CHECK(n > 0 && n < (ssize_t)sizeof much); /* what there was room for */
    CHECK_EQ(fdWriteAllUntil(ends[0], much, 1, 0), -ETIMEDOUT);
    while ((n = recv(ends[1], much, sizeof much, MSG_DONTWAIT)) > 0)
        all += n;
    CHECK_GT(all, 0);
    CHECK_EQ(write(ends[1], "abc", 3), 3);
    CHECK_EQ(fdRecvUntil(ends[0], much, 8, MSG_WAITALL, rtsNow() + 2 * MS_NS), 3);
    CHECK_EQ(memcmp(much, "abc", 3), 0);
    closeEnds();
    return NULL;
}

TEST(FdUntil, whatCameBeforeIsTheAnswer)
{
    greenRun(1, writeTooMuch, NULL);
    greenStart(1);
    writeTooMuch(NULL);
    greenStop();
}

/* A stream that was drained is taken at its word, but not for the last look. */
static void *readDrained(void *env)
{
    (void)env;
    makeStreams();
    for (int i = 0; i < 100; i++) {
        sendByte();
        CHECK_EQ(callFdRecv(0), 1);
        CHECK_EQ(callFdRecv(0), -ETIMEDOUT);
    }
    closeEnds();
    return NULL;
}

TEST(FdUntil, aDrainedStreamIsLookedAt)
{
    greenRun(1, readDrained, NULL);
}

/* Goal: what a pool's OS thread has opened for nobody is closed; a file's calls come back. */
static void *openForNobody(void *env)
{
    struct stat about;
    (void)env;
    makeFifo();
    uint32_t before = fdsOpen();
    CHECK_EQ(callFdOpen(rtsNow() + 2 * MS_NS), -ETIMEDOUT);
    openFifo(); /* the pool's open succeeds now */
    while (fdsOpen() != before + 1)
        threadDelay(200);
    int result = fdStatUntil(ends[0], &about, rtsNow() + 60000 * MS_NS);
    CHECK_EQ(result, 0);
    CHECK(S_ISFIFO(about.st_mode));
    CHECK_EQ(fdOpenUntil("/no/such/file", O_RDONLY, 0, rtsNow() + 60000 * MS_NS), -ENOENT);
    CHECK_EQ(fdStatUntil(-1, &about, rtsNow() + 60000 * MS_NS), -EBADF);
    removeFifo();
    return NULL;
}

TEST(FdUntil, whatIsOpenedTooLateIsClosed)
{
    greenRun(1, openForNobody, NULL);
}
