/* Serve.c -- green threads in somebody else's main loop: an echo server inside glib.
 *
 *     glib [--port N]     serve until SIGINT; a line each second says how many are connected
 *     glib --check N      serve N clients of its own, and end: 0 if each got its bytes back
 *
 * The loop sleeps over rtsFd() beside its own sources, and calls rtsStep when that is readable.
 * There is one OS thread: what the loop's callbacks and the green threads share needs no lock.
 */
#include "HostLoop.h"

#include <capri/capri.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { TICK_MS = 100, TICKS_PER_LINE = 10, ROUNDS = 20, SIZE = 512, RETRY_US = 10 * 1000 };

static struct {
    int listener;
    struct sockaddr_in address;
    unsigned connected, served, ticks;
    unsigned clients, failed, over; /* --check */
} state;

/* ---- green threads ---- */

static void *echo(void *env)
{
    char buffer[SIZE];
    int fd = (int)(intptr_t)env;
    ssize_t n;
    state.connected++;
    while ((n = fdRead(fd, buffer, sizeof buffer)) > 0 && fdWriteAll(fd, buffer, (size_t)n) >= 0)
        state.served++;
    state.connected--;
    closeFd(fd);
    return NULL;
}

static void *acceptAll(void *env)
{
    int fd;
    while ((fd = fdAccept(state.listener, NULL, NULL)) != -EBADF && fd != -ECANCELED) {
        if (fd < 0)
            threadDelay(RETRY_US); /* out of fds, say: those that are there go on */
        else if (threadFork(NULL, echo, (void *)(intptr_t)fd) != 0)
            closeFd(fd);
    }
    closeFd(state.listener);
    return env;
}

static void *awaitSignal(void *env)
{
    SignalWatch *watch;
    int number = SIGINT;
    if (signalWatch(&number, 1, &watch) == 0) {
        if (signalWait(watch, NULL) == 0)
            hostStop();
        signalRelease(watch);
    }
    return env;
}

static bool isEchoed(int fd, int round)
{
    char sent[SIZE], got[SIZE];
    size_t have = 0;
    memset(sent, round, sizeof sent);
    if (fdWriteAll(fd, sent, sizeof sent) < 0)
        return false;
    while (have < sizeof got) {
        ssize_t n = fdRead(fd, got + have, sizeof got - have);
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return memcmp(sent, got, sizeof got) == 0;
}

static void *check(void *env)
{
    int fd = fdSocket(AF_INET, SOCK_STREAM, 0);
    bool good =
        fd >= 0 && fdConnect(fd, (struct sockaddr *)&state.address, sizeof state.address) == 0;
    for (int i = 0; good && i < ROUNDS; i++)
        good = isEchoed(fd, i) && threadDelay(1000) == 0;
    if (fd >= 0)
        closeFd(fd);
    state.failed += !good;
    if (++state.over == state.clients)
        hostStop();
    return env;
}

/* ---- the loop's callbacks ---- */

static void step(void)
{
    int result = rtsStep(0); /* 1: more is ready; the fd says so, and the loop comes back */
    if (result < 0) {
        fprintf(stderr, "rtsStep: %d\n", result);
        hostStop();
    }
}

static void tick(void)
{
    if (++state.ticks % TICKS_PER_LINE == 0 && state.clients == 0)
        printf("%u connected, %u pieces sent back\n", state.connected, state.served);
}

/* ---- */

static int listenOn(int port)
{
    socklen_t size = sizeof state.address;
    state.address = (struct sockaddr_in){.sin_family = AF_INET,
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                         .sin_port = htons((uint16_t)port)};
    state.listener = fdListen((struct sockaddr *)&state.address, size, 1024);
    if (state.listener < 0)
        return state.listener;
    if (getsockname(state.listener, (struct sockaddr *)&state.address, &size) != 0)
        return -1;
    printf("listening on port %d, in a loop of %s\n", ntohs(state.address.sin_port), hostName());
    fflush(stdout);
    return 0;
}

static int serve(int port)
{
    int fd = rtsFd(), failed = fd < 0 ? fd : listenOn(port);
    if (failed == 0)
        failed = threadFork(NULL, acceptAll, NULL);
    if (failed == 0 && state.clients == 0)
        failed = threadFork(NULL, awaitSignal, NULL);
    for (unsigned i = 0; failed == 0 && i < state.clients; i++)
        failed = threadFork(NULL, check, NULL);
    return failed != 0 ? failed : hostRun(fd, step, tick, TICK_MS);
}

int main(int argc, char **argv)
{
    RtsConfig config = {.stepped = true};
    struct rlimit files;
    int port = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            port = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--check") == 0)
            state.clients = (unsigned)atoi(argv[i + 1]);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int failed = rtsInit(&config);
    if (failed == 0)
        failed = serve(port);
    if (failed != 0)
        fprintf(stderr, "cannot serve: %d\n", failed);
    rtsShutdown(Cancel, INT64_MAX); /* the threads that wait end here, by steps of its own */
    if (state.clients != 0)
        printf("%u of %u clients got their bytes back\n", state.over - state.failed, state.clients);
    return failed != 0 || state.failed != 0 || state.over != state.clients;
}
