/* FdWriteTest.c -- rts/FdWrite.c, rts/FdSend.c: partial writes, full buffers, broken sockets. */
#include "testsuite/support/Green.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum { LARGE = 1 << 20 };

typedef struct Sink {
    int fd;
    size_t size;
    unsigned char next; /* bytes count upwards, modulo 251 */
} Sink;

/* Reads to the end, checking each byte. */
static void *drainSink(void *env)
{
    Sink *sink = env;
    unsigned char buffer[3000];
    ssize_t n;
    while ((n = fdRead(sink->fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            CHECK_EQ(buffer[i], sink->next);
            sink->next = (unsigned char)((sink->next + 1) % 251);
        }
        sink->size += (size_t)n;
    }
    return (void *)(intptr_t)n;
}

static unsigned char *makeLarge(void)
{
    unsigned char *bytes = malloc(LARGE);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (unsigned char)(i % 251);
    return bytes;
}

static void writeThrough(int in, int out)
{
    Sink sink = {.fd = in};
    unsigned char *bytes = makeLarge();
    Thread *reader = greenFork(drainSink, &sink);
    CHECK_EQ(fdWriteAll(out, bytes, LARGE), LARGE);
    CHECK_EQ(fdWriteAll(out, bytes, 0), 0);
    CHECK_EQ(closeFd(out), 0);
    CHECK_EQ(greenJoin(reader), 0);
    CHECK_EQ(sink.size, LARGE);
    CHECK_EQ(closeFd(in), 0);
    free(bytes);
}

GREEN_TEST(FdWriteAll, goesThroughASmallPipe)
{
    int ends[2];
    CHECK_EQ(fdPipe(ends), 0);
    writeThrough(ends[0], ends[1]);
}

GREEN_TEST(FdWriteAll, goesThroughTcp)
{
    int ends[2];
    greenTcpPair(ends);
    writeThrough(ends[0], ends[1]);
}

GREEN_TEST(FdWriteAll, goesThroughALocalSocket)
{
    int ends[2];
    greenLocalPair(SOCK_STREAM, ends);
    writeThrough(ends[0], ends[1]);
}

GREEN_TEST(FdWrite, writesInPartWhenThereIsNoRoom)
{
    int ends[2];
    unsigned char *bytes = makeLarge();
    CHECK_EQ(fdPipe(ends), 0);
    ssize_t n = fdWrite(ends[1], bytes, LARGE);
    CHECK_GT(n, 0);
    CHECK_LT(n, LARGE);
    greenClosePair(ends);
    free(bytes);
}

/* A signal would end the program: SIGPIPE is not ignored here. */
GREEN_TEST(FdWrite, aBrokenSocketIsAnError)
{
    int ends[2];
    struct iovec parts[2] = {{"a", 1}, {"b", 1}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    greenLocalPair(SOCK_STREAM, ends);
    CHECK_EQ(closeFd(ends[1]), 0);
    CHECK_EQ(fdWrite(ends[0], "x", 1), -EPIPE);
    CHECK_EQ(fdWritev(ends[0], parts, 2), -EPIPE);
    CHECK_EQ(fdSend(ends[0], "x", 1, 0), -EPIPE);
    CHECK_EQ(fdSendMsg(ends[0], &message, 0), -EPIPE);
    CHECK_EQ(fdWriteAll(ends[0], "x", 1), -EPIPE);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(fdWrite(ends[0], "x", 1), -EBADF);
}

GREEN_TEST(FdWrite, aBrokenStrangerIsAnErrorToo)
{
    int ends[2];
    struct iovec parts[2] = {{"a", 1}, {"b", 1}};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_EQ(close(ends[1]), 0);
    CHECK_EQ(fdWrite(ends[0], "x", 1), -EPIPE);
    CHECK_EQ(fdWritev(ends[0], parts, 2), -EPIPE);
    CHECK_EQ(close(ends[0]), 0);
    CHECK_EQ(fdWrite(ends[0], "x", 1), -EBADF);
}

GREEN_TEST(FdWritev, writesTheParts)
{
    int ends[2];
    char buffer[8];
    struct iovec parts[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(fdWritev(ends[1], parts, 3), 5);
    CHECK_EQ(fdRead(ends[0], buffer, sizeof buffer), 5);
    CHECK_EQ(memcmp(buffer, "abcde", 5), 0);
    CHECK_EQ(fdWritev(ends[1], parts, 0), 0);
    CHECK_EQ(fdWritev(ends[1], parts, -1), -EINVAL);
    if (!testUnderValgrind()) /* it reads all the parts there are said to be */
        CHECK_EQ(fdWritev(ends[1], parts, 100000),
                 -EINVAL); /* the kernel's limit is the caller's */
    greenClosePair(ends);
}

GREEN_TEST(FdSend, tryingOnceSaysSo)
{
    int ends[2];
    char bytes[4096] = "";
    ssize_t n;
    greenLocalPair(SOCK_STREAM, ends);
    while ((n = fdSend(ends[0], bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        continue;
    CHECK_EQ(n, -EAGAIN);
    greenClosePair(ends);
}

typedef struct Post {
    int fd;
    struct sockaddr_un to;
    int count;
} Post;

static void *postDatagrams(void *env)
{
    Post *post = env;
    for (int i = 0; i < post->count; i++) {
        char byte = (char)i;
        ssize_t n = fdSendTo(post->fd, &byte, 1, 0, (struct sockaddr *)&post->to, sizeof post->to);
        CHECK_EQ(n, 1);
    }
    return NULL;
}

/* See Note [Unix datagrams to a named peer]: nothing polls, and yet every datagram arrives. */
GREEN_TEST(FdSendTo, waitsForANamedPeer)
{
    Post post = {
        .fd = fdSocket(AF_UNIX, SOCK_DGRAM, 0), .to = {.sun_family = AF_UNIX}, .count = 100};
    int receiver = fdSocket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(post.to.sun_path + 1, sizeof post.to.sun_path - 1, "capri-post-%d", getpid());
    CHECK_EQ(bind(receiver, (struct sockaddr *)&post.to, sizeof post.to), 0);
    Thread *sender = greenFork(postDatagrams, &post);
    greenAwait(sender,
               ThreadBlockedOnDelay); /* the queue is full: 11 by default, 513 at most here */
    for (int i = 0; i < post.count; i++) {
        char byte = 0x7f;
        CHECK_EQ(fdRead(receiver, &byte, 1), 1);
        CHECK_EQ(byte, (char)i);
    }
    greenJoin(sender);
    CHECK_EQ(closeFd(receiver) + closeFd(post.fd), 0);
}
