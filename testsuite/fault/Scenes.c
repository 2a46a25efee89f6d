/* Scenes.c -- pipes, sockets, closing, time, callbacks, stacks.
 *
 * Tests  testsuite/fault/SystemCallFault.c
 */
#include "testsuite/fault/Scenes.h"

#include "internal/SMP.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CROWD = 70, BIG_STACK = 1 << 20 };

const char *scene_backend;

int sceneFirst(int result, int other)
{
    return result != 0 ? result : other;
}

int sceneJoin(Thread *thread, int result)
{
    void *own = NULL;
    int joined = threadJoin(thread, &own);
    threadRelease(thread);
    return sceneFirst(sceneFirst(result, joined), (int)(intptr_t)own);
}

static void *resultOf(int result)
{
    return (void *)(intptr_t)result;
}

/* ---- pipes, sockets ---- */

typedef struct Reader {
    int fd;
    ssize_t count;
    char byte;
} Reader;

static void *readByte(void *env)
{
    Reader *reader = env;
    reader->count = fdRead(reader->fd, &reader->byte, 1);
    return resultOf(reader->count < 0 ? (int)reader->count : 0);
}

/* A reader on another core waits; a byte comes. */
int scenePipe(void)
{
    int ends[2];
    Thread *thread;
    int result = fdPipe(ends);
    if (result != 0)
        return result;
    Reader reader = {.fd = ends[0]};
    result = threadForkOn(&thread, 1, readByte, &reader);
    if (result == 0) {
        result = threadDelay(SCENE_SHORT_US);
        ssize_t written = fdWriteAll(ends[1], "x", 1);
        closeFd(ends[1]); /* in any case something comes now */
        result = sceneJoin(thread, sceneFirst(result, written < 0 ? (int)written : 0));
        if (result == 0) {
            CHECK_EQ(reader.count, 1);
            CHECK_EQ(reader.byte, 'x');
        }
    } else {
        closeFd(ends[1]);
    }
    closeFd(ends[0]);
    return result;
}

static bool isReadable(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    int ready = poll(&wanted, 1, 0);
    while (ready < 0)
        ready = poll(&wanted, 1, 0);
    return ready == 1;
}

static void *awaitReadable(void *env)
{
    int fd = *(int *)env, result = 0;
    while (result == 0 && !isReadable(fd))
        result = threadWaitRead(fd);
    return resultOf(result);
}

/* An fd of somebody else's, waited for on both cores. */
int sceneForeignFd(void)
{
    int ends[2];
    Thread *threads[2];
    int result = 0, count = 0;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    for (uint32_t i = 0; i < 2 && result == 0; i++) {
        result = threadForkOn(&threads[i], i, awaitReadable, &ends[0]);
        count += result == 0;
    }
    result = sceneFirst(result, threadDelay(SCENE_SHORT_US));
    CHECK_EQ(send(ends[1], "y", 1, MSG_NOSIGNAL), 1);
    for (int i = 0; i < count; i++)
        result = sceneJoin(threads[i], result);
    close(ends[0]);
    close(ends[1]);
    return result;
}

/* ---- closing ---- */

static void *awaitClose(void *env)
{
    int result = 0;
    while (result == 0) /* nothing is ever written: he was told to look again */
        result = threadWaitRead(*(int *)env);
    return resultOf(result == -EBADF ? 0 : result);
}

int sceneClosing(void)
{
    int ends[2];
    Thread *threads[2];
    int count = 0, result = fdPipe(ends);
    if (result != 0)
        return result;
    for (uint32_t i = 0; i < 2 && result == 0; i++) {
        result = threadForkOn(&threads[i], i, awaitClose, &ends[0]);
        count += result == 0;
    }
    for (int i = 0; i < count; i++) {
        for (ThreadState state; (state = threadStatus(threads[i]).state) != ThreadBlockedOnRead &&
                                state != ThreadFinished && state != ThreadBlockedOnStack;)
            threadYield();
    }
    result = sceneFirst(result, closeFd(ends[0]));
    for (int i = 0; i < count; i++)
        result = sceneJoin(threads[i], result);
    closeFd(ends[1]);
    return result;
}

/* ---- time ---- */

static int awaitDelay(void)
{
    TVar *tvar;
    uint64_t seen;
    int64_t before_ns = rtsNow();
    int result = registerDelay(SCENE_SHORT_US, &tvar);
    if (result != 0)
        return result;
    while (result == 0 && tvarReadVersionIO(tvar, &seen) == NULL)
        result = tvarAwait(tvar, seen);
    if (result == 0)
        CHECK_GE(rtsNow() - before_ns, SCENE_SHORT_US * 1000);
    tvarFree(tvar);
    return result;
}

/* A silent fd is waited for in vain; a variable is written by time. */
int sceneTime(void)
{
    int ends[2];
    int result = fdPipe(ends);
    if (result != 0)
        return result;
    int64_t deadline_ns = rtsNow() + SCENE_SHORT_US * 1000;
    result = threadWaitReadUntil(ends[0], deadline_ns);
    CHECK_NE(result, 0);
    if (result == -ETIMEDOUT) {
        CHECK_GE(rtsNow(), deadline_ns);
        result = 0;
    }
    closeFd(ends[0]);
    closeFd(ends[1]);
    return sceneFirst(result, awaitDelay());
}

/* ---- callbacks ---- */

/* Not on the stack: a callback may be under way when its registration has gone. */
static struct {
    uint32_t calls, closes, fired, inside; /* seq_cst */
} told;

static int noteEvents(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    char byte;
    (void)manager;
    (void)env;
    ADD_SEQ_CST(&told.inside, 1);
    if (events & EventClose)
        ADD_SEQ_CST(&told.closes, 1);
    else if (TEMP_FAILURE_RETRY(recv(key.fd, &byte, 1, MSG_DONTWAIT)) == 1)
        ADD_SEQ_CST(&told.calls, 1);
    ADD_SEQ_CST(&told.inside, (uint32_t)-1);
    return 0;
}

static int noteTimeout(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    (void)env;
    ADD_SEQ_CST(&told.fired, 1);
    return 0;
}

static int awaitCalls(EventManager *manager, int ends[2])
{
    FdKey key;
    int result = registerFd(manager, noteEvents, NULL, ends[0], EventRead, MultiShot, &key);
    if (result != 0)
        return result;
    for (uint32_t i = 1; i <= 2 && SEQ_CST_LOAD(&told.closes) == 0; i++) {
        CHECK_EQ(send(ends[1], "z", 1, MSG_NOSIGNAL), 1);
        while (SEQ_CST_LOAD(&told.calls) < i && SEQ_CST_LOAD(&told.closes) == 0)
            result = sceneFirst(result, threadDelay(SCENE_SHORT_US));
    }
    unregisterFd(manager, key);
    while (SEQ_CST_LOAD(&told.inside) != 0)
        threadYield();
    return SEQ_CST_LOAD(&told.closes) != 0 ? SCENE_REFUSED : result;
}

int sceneCallbacks(void)
{
    int ends[2];
    EventManager *manager = capabilityManager();
    SEQ_CST_STORE(&told.calls, 0);
    SEQ_CST_STORE(&told.closes, 0);
    SEQ_CST_STORE(&told.fired, 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    int result = awaitCalls(manager, ends);
    closeFd(ends[0]);
    closeFd(ends[1]);
    int armed = registerTimeout(manager, SCENE_SHORT_US, noteTimeout, NULL, NULL);
    while (armed == 0 && SEQ_CST_LOAD(&told.fired) == 0)
        armed = threadDelay(SCENE_SHORT_US);
    return sceneFirst(result, armed);
}

/* ---- stacks ---- */

static void *delayBriefly(void *env)
{
    (void)env;
    return resultOf(threadDelay(SCENE_SHORT_US));
}

/* More threads than a slab has stacks, and a large one. */
int sceneStacks(void)
{
    Thread *threads[CROWD];
    ThreadAttributes large = {.stack_size = BIG_STACK};
    int count = 0, result = threadForkWith(&threads[0], &large, delayBriefly, NULL);
    for (count = result == 0; result == 0 && count < CROWD; count += result == 0)
        result = threadFork(&threads[count], delayBriefly, NULL);
    for (int i = 0; i < count; i++)
        result = sceneJoin(threads[i], result);
    return result;
}
