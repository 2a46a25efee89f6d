/* Chat.c -- a chat server: a thread for each connection, a room that is an MVar, Chans for what is
 * said; it ends in order on SIGINT or SIGTERM.
 *
 *     chat [--port N] [--capabilities N] [--check CLIENTS | --rude CLIENTS]
 *
 * A client's first line is its name (telnet 127.0.0.1 7008); what follows is told to everybody.
 * --check: on a port of its own, with clients of its own; exits with 1 if they heard it wrong.
 * --rude: likewise, with clients that speak and do not read.
 *
 * not-under: qemu tsan
 * ThreadSanitizer puts off a signal handler while its OS thread sleeps.
 */
#include "Check.h"
#include "Room.h"

#include <capri/capri.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CAPRI_WITH_JEMALLOC
#include <capri/jemalloc.h>
#endif

typedef struct Chat {
    uint16_t port;
    int check, rude, listener, wrong; /* check, rude: how many clients, 0: none */
} Chat;

static void *serveOne(void *env)
{
    roomServe((int)(intptr_t)env);
    return NULL;
}

static void *acceptAll(void *env)
{
    const Chat *chat = env;
    for (;;) {
        int connection = fdAccept(chat->listener, NULL, NULL);
        if (connection == -EBADF || connection == -ECANCELED)
            return NULL; /* closed: the end */
        if (connection < 0)
            threadDelay(10 * 1000); /* out of fds, say: those that are there go on */
        else if (threadFork(NULL, serveOne, (void *)(intptr_t)connection) != 0)
            closeFd(connection);
    }
}

static void *runCheck(void *env)
{
    Chat *chat = env;
    chat->wrong =
        chat->check != 0 ? checkRun(chat->port, chat->check) : checkRude(chat->port, chat->rude);
    return NULL;
}

static int listenOn(Chat *chat)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(chat->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    chat->listener = fdListen((struct sockaddr *)&address, sizeof address, 128);
    if (chat->listener < 0)
        return chat->listener;
    getsockname(chat->listener, (struct sockaddr *)&address, &size);
    chat->port = ntohs(address.sin_port);
    return 0;
}

/* Serve until a signal comes, then end in order: no newcomers, then who is there. */
static int serveUntil(Chat *chat, SignalWatch *watch)
{
    Thread *acceptor, *checker = NULL;
    int failed = threadFork(&acceptor, acceptAll, chat);
    if (failed != 0)
        return failed;
    if (chat->check != 0 || chat->rude != 0)
        failed = threadFork(&checker, runCheck, chat);
    if (failed == 0)
        failed = signalWait(watch, NULL);
    closeFd(chat->listener);
    threadJoin(acceptor, NULL);
    threadRelease(acceptor);
    roomEnd();
    if (checker != NULL) {
        threadJoin(checker, NULL);
        threadRelease(checker);
    }
    return failed;
}

static void *run(void *env)
{
    Chat *chat = env;
    const int numbers[] = {SIGINT, SIGTERM};
    SignalWatch *watch = NULL;
    int failed = roomOpen();
    if (failed == 0)
        failed = signalWatch(numbers, 2, &watch);
    if (failed == 0)
        failed = listenOn(chat);
    if (failed == 0) {
        printf("chat on 127.0.0.1:%d\n", chat->port);
        fflush(stdout);
        failed = serveUntil(chat, watch);
    }
    if (failed != 0)
        fprintf(stderr, "chat: %s\n", strerror(-failed));
    signalRelease(watch);
    return failed == 0 ? NULL : chat;
}

int main(int argc, char **argv)
{
    Chat chat = {.port = 7008};
    RtsConfig config = {0};
    void *failed = &chat;
    for (int i = 1; i + 1 < argc; i += 2) {
        int value = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--port") == 0)
            chat.port = (uint16_t)value;
        else if (strcmp(argv[i], "--capabilities") == 0)
            config.capabilities = (uint32_t)value;
        else if (strcmp(argv[i], "--check") == 0)
            chat.check = value;
        else if (strcmp(argv[i], "--rude") == 0)
            chat.rude = value;
    }
    if (chat.check != 0 || chat.rude != 0)
        chat.port = 0; /* any */
#ifdef CAPRI_WITH_JEMALLOC
    config.allocator = jemallocAllocator();
#endif
    int stopped = rtsMain(&config, run, &chat, &failed);
    return stopped != 0 || failed != NULL || chat.wrong != 0;
}
