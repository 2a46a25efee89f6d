/* ShutConformance.c -- what is shut for reading ends receiving and accepting, as calls that block
 * are ended; on every back-end (--backend NAME).
 */
#include "testsuite/support/Green.h"

#include <errno.h>
#include <pthread.h>
#include <sys/un.h>
#include <unistd.h>

enum { KINDS = 4 };

/* Sockets that only their own shutdown marks: to calls that do not block they say EAGAIN then. */
static int makeBound(int domain, int type)
{
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sa_family_t local = AF_UNIX; /* the kernel chooses a name */
    int fd = socket(domain, type | SOCK_CLOEXEC, 0);
    CHECK_GE(fd, 0);
    if (domain == AF_UNIX)
        CHECK_EQ(bind(fd, (struct sockaddr *)(void *)&local, sizeof local), 0);
    else
        CHECK_EQ(bind(fd, (struct sockaddr *)&inet, sizeof inet), 0);
    return fd;
}

static int far = -1;

static int make(int kind, bool adopted)
{
    int fd = kind == 0 ? makeBound(AF_INET, SOCK_DGRAM)
                       : makeBound(AF_UNIX, kind == 1 ? SOCK_DGRAM : SOCK_STREAM);
    if (kind == 2)
        CHECK_EQ(listen(fd, 5), 0);
    if (kind == 3) {
        int ends[2];
        close(fd);
        CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
        fd = ends[0];
        far = ends[1];
    }
    if (adopted)
        CHECK_EQ(fdAdopt(fd), 0);
    return fd;
}

/* Unconnected it is ENOTCONN, and shut all the same. */
static void shut(int fd)
{
    int result = fdShutdown(fd, SHUT_RD);
    CHECK(result == 0 || result == -ENOTCONN);
}

typedef struct Reader {
    int kind, fd;
    int64_t deadline_ns; /* 0: none */
    ssize_t result;
} Reader;

static void take(Reader *reader)
{
    char bytes[8];
    if (reader->deadline_ns != 0)
        reader->result = reader->kind == 2
                             ? fdAcceptUntil(reader->fd, NULL, NULL, reader->deadline_ns)
                             : fdRecvUntil(reader->fd, bytes, sizeof bytes, 0, reader->deadline_ns);
    else
        reader->result = reader->kind == 2 ? fdAccept(reader->fd, NULL, NULL)
                                           : fdRecv(reader->fd, bytes, sizeof bytes, 0);
}

static void *takeHere(void *env)
{
    take(env);
    return NULL;
}

static int endOf(int kind)
{
    return kind == 2 ? -EINVAL : 0;
}

static void finish(const Reader *reader)
{
    CHECK_EQ(closeFd(reader->fd), 0);
    if (reader->kind == 3)
        CHECK_EQ(close(far), 0);
}

static void eachKind(bool adopted, void (*check)(int kind, bool adopted))
{
    for (int kind = 0; kind < KINDS; kind++)
        check(kind, adopted);
}

static void endsWaiting(int kind, bool adopted)
{
    Reader reader = {.kind = kind, .fd = make(kind, adopted)};
    Thread *thread = greenFork(takeHere, &reader);
    greenAwait(thread, ThreadBlockedOnRead);
    shut(reader.fd);
    greenJoin(thread);
    CHECK_EQ(reader.result, endOf(kind));
    take(&reader); /* and whoever comes later */
    CHECK_EQ(reader.result, endOf(kind));
    reader.deadline_ns = INT64_MAX - 1;
    take(&reader);
    CHECK_EQ(reader.result, endOf(kind));
    finish(&reader);
}

/* Goal: who waits when the socket is shut gets what a call that blocks would get. */
GREEN_TEST(Shut, endsWaiting)
{
    eachKind(true, endsWaiting);
}

/* Goal: likewise where nothing is adopted, and the caller waits before it calls. */
GREEN_TEST(Shut, endsWaitingOfStrangers)
{
    eachKind(false, endsWaiting);
}

static void endsTimed(int kind, bool adopted)
{
    Reader reader = {.kind = kind, .fd = make(kind, adopted), .deadline_ns = INT64_MAX - 1};
    Thread *thread = greenFork(takeHere, &reader);
    greenAwait(thread, ThreadBlockedOnRead);
    shut(reader.fd);
    greenJoin(thread);
    CHECK_EQ(reader.result, endOf(kind));
    finish(&reader);
}

/* Goal: a deadline changes nothing. */
GREEN_TEST(Shut, endsWaitingWithDeadline)
{
    eachKind(true, endsTimed);
    eachKind(false, endsTimed);
}

static void *runPlain(void *env)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, takeHere, env), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return NULL;
}

static void endsPlain(int kind, bool adopted)
{
    Reader reader = {.kind = kind, .fd = make(kind, adopted)};
    shut(reader.fd);
    runPlain(&reader);
    CHECK_EQ(reader.result, endOf(kind));
    reader.deadline_ns = INT64_MAX - 1;
    runPlain(&reader);
    CHECK_EQ(reader.result, endOf(kind));
    finish(&reader);
}

/* Goal: likewise on a plain OS thread. */
GREEN_TEST(Shut, endsPlainThreads)
{
    eachKind(true, endsPlain);
    eachKind(false, endsPlain);
}

static TaskVerdict takeStep(TaskContext *context, void *env)
{
    Reader *reader = env;
    take(reader);
    if (reader->result != -EAGAIN)
        return TaskDone;
    CHECK_EQ(taskWaitRead(context, reader->fd), 0);
    return TaskBlocked;
}

static void endsTask(int kind, bool adopted)
{
    Reader reader = {.kind = kind, .fd = make(kind, adopted)};
    Thread *task = NULL;
    CHECK_EQ(taskNew(&task, NULL, takeStep, &reader), 0);
    greenAwait(task, ThreadBlockedOnRead);
    shut(reader.fd);
    greenJoin(task);
    CHECK_EQ(reader.result, endOf(kind));
    CHECK_EQ(taskNew(&task, NULL, takeStep, &reader), 0);
    greenJoin(task);
    CHECK_EQ(reader.result, endOf(kind));
    finish(&reader);
}

/* Goal: likewise in tasks. */
GREEN_TEST(Shut, endsTasks)
{
    eachKind(true, endsTask);
    eachKind(false, endsTask);
}

/* ---- what came before the end, and what is none ---------------------------------------------- */

static void sendTo(int fd, const char *text)
{
    struct sockaddr_in to;
    socklen_t size = sizeof to;
    int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&to, &size), 0);
    CHECK_EQ(sendto(sender, text, strlen(text), 0, (struct sockaddr *)&to, size),
             (ssize_t)strlen(text));
    close(sender);
}

/* Goal: what is there comes first; the end brings neither address nor control data along. */
GREEN_TEST(Shut, givesWhatCameFirst)
{
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    char bytes[8], control[64];
    struct iovec part = {bytes, sizeof bytes};
    int fd = make(0, true);
    Reader reader = {.fd = fd};
    Thread *thread = greenFork(takeHere, &reader);
    greenAwait(thread, ThreadBlockedOnRead);
    sendTo(fd, "one"); /* the loopback has delivered it when this returns */
    sendTo(fd, "two");
    shut(fd);
    greenJoin(thread);
    CHECK_EQ(reader.result, 3);
    CHECK_EQ(fdRecvFrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size), 3);
    CHECK_EQ(memcmp(bytes, "two", 3), 0);
    CHECK_EQ(size, sizeof from);
    CHECK_EQ(fdRecvFrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size), 0);
    CHECK_EQ(size, 0);
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof from,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control,
                             .msg_flags = -1};
    CHECK_EQ(fdRecvMsg(fd, &message, 0), 0);
    CHECK_EQ(message.msg_namelen, 0);
    CHECK_EQ(message.msg_controllen, 0);
    CHECK_EQ(message.msg_flags, 0);
    CHECK_EQ(fdRead(fd, bytes, sizeof bytes), 0);
    CHECK_EQ(fdReadv(fd, &part, 1), 0);
    CHECK_EQ(fdRecv(fd, bytes, sizeof bytes, MSG_DONTWAIT), -EAGAIN); /* the kernel's own answer */
    CHECK_EQ(closeFd(fd), 0);
}

/* Goal: the end of a datagram socket's peer is not its own end: it waits, and hears of a deadline,
 * an interrupt, and others. */
GREEN_TEST(Shut, peersEndIsNone)
{
    int ends[2];
    char bytes[8];
    greenLocalPair(SOCK_DGRAM, ends);
    Reader reader = {.fd = ends[0]};
    Thread *thread = greenFork(takeHere, &reader);
    greenAwait(thread, ThreadBlockedOnRead);
    CHECK_EQ(fdShutdown(ends[1], SHUT_RD), 0);
    CHECK_EQ(fdRecvUntil(ends[0], bytes, sizeof bytes, 0, rtsNow()), -ETIMEDOUT);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    greenJoin(thread);
    CHECK_EQ(reader.result, 1);
    CHECK_EQ(fdShutdown(ends[1], SHUT_WR), 0);
    CHECK_EQ(fdRecvUntil(ends[0], bytes, sizeof bytes, 0, rtsNow()), -ETIMEDOUT);
    thread = greenFork(takeHere, &reader);
    greenAwait(thread, ThreadBlockedOnRead);
    CHECK_EQ(threadKill(thread), 0);
    greenJoin(thread);
    CHECK_EQ(reader.result, -ECANCELED);
    greenClosePair(ends);
}

/* Goal: a socket that is connected anew after its end waits again. */
GREEN_TEST(Shut, connectedAnewItWaits)
{
    struct sockaddr_in address;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    int listener = greenListen(&address, 8), fd = fdSocket(AF_INET, SOCK_STREAM, 0);
    char byte;
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int peer = fdAccept(listener, NULL, NULL);
    Reader reader = {.fd = fd};
    Thread *thread = greenFork(takeHere, &reader);
    greenAwait(thread, ThreadBlockedOnRead);
    CHECK_EQ(closeFd(peer), 0);
    greenJoin(thread);
    CHECK_EQ(reader.result, 0);
    CHECK_EQ(connect(fd, &none, sizeof none), 0);
    CHECK_EQ(fdConnect(fd, (struct sockaddr *)&address, sizeof address), 0);
    peer = fdAccept(listener, NULL, NULL);
    CHECK_EQ(fdRecvUntil(fd, &byte, 1, 0, rtsNow()), -ETIMEDOUT);
    thread = greenFork(takeHere, &reader);
    greenAwait(thread, ThreadBlockedOnRead);
    CHECK_EQ(fdWrite(peer, "x", 1), 1);
    greenJoin(thread);
    CHECK_EQ(reader.result, 1);
    CHECK_EQ(closeFd(peer), 0);
    CHECK_EQ(closeFd(fd), 0);
    CHECK_EQ(closeFd(listener), 0);
}
