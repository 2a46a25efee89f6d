/* Green.h -- tests whose bodies run on a green thread, and the pairs of connected fds they need.
 *
 *     GREEN_TEST(FdRead, waits) { ... CHECK_EQ(fdRead(fd, buffer, 1), 1); ... }
 *
 * Each test starts a runtime with 2 capabilities (--backend chooses how it polls), runs its body,
 * waits for all threads and shuts the runtime down: a thread left behind makes it hang.
 */
#ifndef TESTSUITE_GREEN_H
#define TESTSUITE_GREEN_H

#include "testsuite/support/Test.h"

#include <capri/capri.h>

#include <netinet/in.h>
#include <string.h>

#define GREEN_TEST(noun, what)                                                                     \
    static void green_##noun##_##what(void);                                                       \
    TEST(noun, what)                                                                               \
    {                                                                                              \
        greenRun(green_##noun##_##what);                                                           \
    }                                                                                              \
    static void green_##noun##_##what(void)

static inline void *greenBody(void *env)
{
    void (**body)(void) = env;
    (*body)();
    return NULL;
}

static inline void greenRun(void (*body)(void))
{
    RtsConfig config = {.capabilities = 2, .backend = testArg("--backend")};
    Thread *thread;
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(threadFork(&thread, greenBody, &body), 0);
    CHECK_EQ(threadJoin(thread, NULL), 0);
    threadRelease(thread);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}

static inline Thread *greenFork(ThreadFn *fn, void *env)
{
    Thread *thread = NULL;
    CHECK_EQ(threadFork(&thread, fn, env), 0);
    return thread;
}

/* Waits for its end; returns its result. */
static inline intptr_t greenJoin(Thread *thread)
{
    void *result = NULL;
    CHECK_EQ(threadJoin(thread, &result), 0);
    threadRelease(thread);
    return (intptr_t)result;
}

/* Until thread is parked for `state`. */
static inline void greenAwait(Thread *thread, ThreadState state)
{
    while (threadStatus(thread).state != state)
        CHECK_EQ(threadYield(), 0);
}

/* A listener on a port of the kernel's choice. */
static inline int greenListen(struct sockaddr_in *address, int backlog)
{
    socklen_t size = sizeof *address;
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = fdListen((struct sockaddr *)address, size, backlog);
    CHECK_GE(fd, 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

/* Two adopted ends of one TCP connection. */
static inline void greenTcpPair(int ends[2])
{
    struct sockaddr_in address;
    int listener = greenListen(&address, 8);
    ends[0] = fdSocket(AF_INET, SOCK_STREAM, 0);
    CHECK_GE(ends[0], 0);
    CHECK_EQ(fdConnect(ends[0], (struct sockaddr *)&address, sizeof address), 0);
    ends[1] = fdAccept(listener, NULL, NULL);
    CHECK_GE(ends[1], 0);
    CHECK_EQ(closeFd(listener), 0);
}

/* Two adopted ends of a local socket. */
static inline void greenLocalPair(int type, int ends[2])
{
    CHECK_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_EQ(fdAdopt(ends[0]), 0);
    CHECK_EQ(fdAdopt(ends[1]), 0);
}

static inline void greenClosePair(int ends[2])
{
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(closeFd(ends[1]), 0);
}

#endif
