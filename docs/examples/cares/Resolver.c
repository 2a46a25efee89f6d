/* Resolver.c -- c-ares says which sockets it waits for, and how long; we say when. */
#include "Resolver.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

enum { RETRY_US = 10 * 1000 };

typedef struct Socket Socket;
struct Socket {
    Resolver *resolver;
    Socket *next;
    ares_socket_t fd;
    Watch *read, *write;
    bool reads, writes; /* what c-ares waits for */
};

struct Resolver {
    Loop *loop;
    ares_channel channel;
    Alarm *alarm;
    Socket *sockets;
    bool short_of; /* memory, say: some socket that c-ares waits for is not watched */
};

/* The kernel watches it no longer: the alarm tries again. */
static void loseWatch(Resolver *resolver, Watch **at)
{
    watchFree(*at);
    *at = NULL;
    resolver->short_of = true;
}

/* c-ares may free the socket. */
static void onReadable(void *env, uint32_t events)
{
    Socket *socket = env;
    Resolver *resolver = socket->resolver;
    if (events & EventClose)
        loseWatch(resolver, &socket->read);
    else
        ares_process_fd(resolver->channel, socket->fd, ARES_SOCKET_BAD);
    resolverAsked(resolver);
}

static void onWritable(void *env, uint32_t events)
{
    Socket *socket = env;
    Resolver *resolver = socket->resolver;
    if (events & EventClose)
        loseWatch(resolver, &socket->write);
    else
        ares_process_fd(resolver->channel, ARES_SOCKET_BAD, socket->fd);
    resolverAsked(resolver);
}

static void watch(Socket *socket, Watch **at, bool wanted, uint32_t events, WatchFn *fn)
{
    if (!wanted) {
        watchFree(*at);
        *at = NULL;
    } else if (*at == NULL &&
               watchNew(socket->resolver->loop, socket->fd, events, fn, socket, at)) {
        socket->resolver->short_of = true; /* the alarm tries again */
    }
}

static void watchSocket(Socket *socket)
{
    watch(socket, &socket->read, socket->reads, EventRead, onReadable);
    watch(socket, &socket->write, socket->writes, EventWrite, onWritable);
}

/* c-ares' hook; with neither, it is about to close the socket. */
static void noteSocket(void *env, ares_socket_t fd, int reads, int writes)
{
    Resolver *resolver = env;
    Socket **at = &resolver->sockets;
    while (*at != NULL && (*at)->fd != fd)
        at = &(*at)->next;
    Socket *socket = *at;
    if (socket == NULL) {
        if (!reads && !writes)
            return;
        socket = calloc(1, sizeof *socket);
        if (socket == NULL)
            return; /* its queries time out, and are asked again */
        socket->resolver = resolver;
        socket->fd = fd;
        *at = socket;
    }
    socket->reads = reads != 0;
    socket->writes = writes != 0;
    watchSocket(socket);
    if (!reads && !writes) {
        *at = socket->next;
        free(socket);
    }
}

static void onAlarm(void *env)
{
    Resolver *resolver = env;
    resolver->short_of = false;
    for (Socket *socket = resolver->sockets; socket != NULL; socket = socket->next)
        watchSocket(socket);
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    resolverAsked(resolver);
}

int resolverAsked(Resolver *resolver)
{
    struct timeval most = {.tv_sec = 0, .tv_usec = RETRY_US}, left;
    const struct timeval *next =
        ares_timeout(resolver->channel, resolver->short_of ? &most : NULL, &left);
    if (next == NULL) {
        alarmStop(resolver->alarm);
        return 0;
    }
    return alarmSet(resolver->alarm, (int64_t)next->tv_sec * 1000000 + next->tv_usec);
}

ares_channel resolverChannel(const Resolver *resolver)
{
    return resolver->channel;
}

Resolver *resolverNew(Loop *loop, struct ares_options *options, int mask, int *failed)
{
    Resolver *resolver = calloc(1, sizeof *resolver);
    *failed = -ENOMEM;
    if (resolver == NULL)
        return NULL;
    resolver->loop = loop;
    resolver->alarm = alarmNew(loop, onAlarm, resolver);
    if (resolver->alarm != NULL) {
        options->sock_state_cb = noteSocket;
        options->sock_state_cb_data = resolver;
        *failed = ares_init_options(&resolver->channel, options, mask | ARES_OPT_SOCK_STATE_CB);
    }
    if (*failed == 0)
        return resolver;
    alarmFree(resolver->alarm);
    free(resolver);
    return NULL;
}

void resolverFree(Resolver *resolver)
{
    ares_destroy(resolver->channel); /* ends every socket by the hook */
    alarmFree(resolver->alarm);
    free(resolver);
}
