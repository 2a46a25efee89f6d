/* OtherScenes.c -- files, signals, children, resizing, managers of one's own, plain OS threads.
 *
 * Tests  testsuite/fault/SystemCallFault.c
 */
#include "testsuite/fault/Scenes.h"

#include "testsuite/support/SignalMask.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- on a green thread ---- */

static int useFile(int fd)
{
    static const char text[] = "fault";
    char read_back[sizeof text];
    struct stat about;
    ssize_t count = fdPwrite(fd, text, sizeof text, 0);
    if (count < 0)
        return (int)count;
    int result = fdFsync(fd);
    result = sceneFirst(result, fdStat(fd, &about));
    if (result != 0)
        return result;
    CHECK_EQ(count, sizeof text);
    CHECK_EQ(about.st_size, sizeof text);
    count = fdPread(fd, read_back, sizeof read_back, 0);
    if (count < 0)
        return (int)count;
    CHECK_EQ(count, sizeof text);
    CHECK_EQ(memcmp(text, read_back, sizeof text), 0);
    return 0;
}

int sceneFiles(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/capri-fault-%d", (int)getpid());
    int fd = fdOpen(path, O_RDWR | O_CREAT | O_TRUNC, 0600); /* one that died may have left it */
    unlink(path);
    if (fd < 0)
        return fd;
    int result = useFile(fd);
    return sceneFirst(result, closeFd(fd));
}

int sceneSignals(void)
{
    const int number = SIGUSR1;
    SignalWatch *watch;
    SignalInfo info;
    int result = signalWatch(&number, 1, &watch);
    if (result != 0)
        return result;
    if (SIGNALS_BLOCKED) /* the reader takes it */
        CHECK_EQ(kill(getpid(), number), 0);
    else /* here: a handler passes it on */
        CHECK_EQ(raise(number), 0);
    result = signalWait(watch, &info);
    if (result == 0)
        CHECK_EQ(info.number, number);
    signalRelease(watch);
    return result;
}

int sceneChildren(void)
{
    char *const arguments[] = {(char *)(uintptr_t) "true", NULL};
    ProcessStatus status;
    Process *process;
    int result = processSpawn("/bin/true", arguments, NULL, &process);
    if (result != 0)
        return result;
    result = processWait(process, &status);
    if (result == 0) {
        CHECK(status.exited);
        CHECK_EQ(status.code, 0);
    }
    processRelease(process);
    return result;
}

int sceneResize(void)
{
    int result = capabilitySetCount(3);
    result = sceneFirst(result, capabilitySetCount(1));
    result = sceneFirst(result, threadDelay(SCENE_SHORT_US));
    return sceneFirst(result, capabilitySetCount(2));
}

/* ---- on the main OS thread ---- */

static int noteByte(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    char byte;
    (void)manager;
    if (events & EventClose)
        *(int *)env = SCENE_REFUSED;
    else if (TEMP_FAILURE_RETRY(recv(key.fd, &byte, 1, MSG_DONTWAIT)) == 1)
        *(int *)env = 1;
    return 0;
}

static int noteTime(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    *(int *)env = 1;
    return 0;
}

/* A foreign loop over the manager, if the back-end lets it. */
static int awaitInLoop(EventManager *manager)
{
    struct pollfd wanted = {.fd = eventManagerFd(manager), .events = POLLIN};
    if (wanted.fd == -ENOTSUP)
        return 0;
    if (wanted.fd < 0)
        return wanted.fd;
    while (poll(&wanted, 1, -1) != 1)
        continue;
    return 0;
}

static int stepManager(EventManager *manager, int ends[2])
{
    int called = 0, over = 0;
    FdKey key;
    int result = registerFd(manager, noteByte, &called, ends[0], EventRead, MultiShot, &key);
    if (result != 0)
        return result;
    CHECK_EQ(send(ends[1], "m", 1, MSG_NOSIGNAL), 1);
    result = awaitInLoop(manager);
    while (called == 0)
        CHECK_GE(eventManagerStep(manager, -1), 0);
    unregisterFd(manager, key);
    result = sceneFirst(result, called < 0 ? called : 0);
    int armed = registerTimeout(manager, SCENE_SHORT_US, noteTime, &over, NULL);
    if (armed != 0)
        return sceneFirst(result, armed);
    result = sceneFirst(result, awaitInLoop(manager));
    while (over == 0)
        CHECK_GE(eventManagerStep(manager, -1), 0);
    return result;
}

int sceneManager(void)
{
    EventManagerConfig config = {.backend = scene_backend};
    EventManager *manager;
    int ends[2];
    int result = eventManagerNew(&config, &manager);
    if (result != 0)
        return result;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    result = stepManager(manager, ends);
    CHECK_EQ(eventManagerCloseFd(manager, ends[0]), 0);
    CHECK_EQ(eventManagerFree(manager), 0);
    close(ends[1]);
    return result;
}

typedef struct Sender {
    int fd;
    TVar *tvar;
} Sender;

static void *sendLater(void *env)
{
    Sender *sender = env;
    int result = threadDelay(SCENE_SHORT_US);
    ssize_t count = fdWriteAll(sender->fd, "o", 1);
    threadDelay(SCENE_SHORT_US);
    tvarWriteIO(sender->tvar, sender);
    return (void *)(intptr_t)sceneFirst(result, count < 0 ? (int)count : 0);
}

/* Wait for the byte; in vain, if the thread that was to send it never ran. */
static int receiveByte(int fd, const Thread *sender)
{
    char byte = 0;
    int result = -ETIMEDOUT;
    while (result == -ETIMEDOUT && threadStatus(sender).state != ThreadFinished)
        result = threadWaitReadUntil(fd, rtsNow() + 10 * SCENE_SHORT_US * INT64_C(1000));
    if (result == -ETIMEDOUT)
        result = threadWaitReadUntil(fd, 0); /* it may have come just before the end */
    if (result != 0)
        return result == -ETIMEDOUT ? -ENODATA : result;
    ssize_t count = fdRead(fd, &byte, 1);
    return count < 0 ? (int)count : count == 1 && byte == 'o' ? 0 : -ENODATA;
}

static int receiveAll(Sender *sender, int fd)
{
    Thread *thread;
    uint64_t seen;
    int result = threadFork(&thread, sendLater, sender);
    if (result != 0)
        return result;
    int received = receiveByte(fd, thread);
    while (tvarReadVersionIO(sender->tvar, &seen) == NULL &&
           threadStatus(thread).state != ThreadFinished)
        tvarAwaitUntil(sender->tvar, seen, rtsNow() + 10 * SCENE_SHORT_US * INT64_C(1000));
    result = sceneJoin(thread, 0);
    if (result == 0)
        CHECK_NE(received, -ENODATA);
    return sceneFirst(result, received);
}

/* An OS thread of the host's waits for an fd and for a variable. */
int sceneOutside(void)
{
    int ends[2];
    Sender sender = {.tvar = tvarNew(NULL)};
    int result = sender.tvar == NULL ? -ENOMEM : fdPipe(ends);
    if (result == 0) {
        sender.fd = ends[1];
        result = sceneFirst(threadDelay(SCENE_SHORT_US), receiveAll(&sender, ends[0]));
        closeFd(ends[1]);
        closeFd(ends[0]);
    }
    tvarFree(sender.tvar);
    return result;
}
