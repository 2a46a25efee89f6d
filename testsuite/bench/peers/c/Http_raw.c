/* Http_raw.c -- rows 8 to 10 and 18: the HTTP server that an expert writes by hand on epoll.
 *
 * One loop per core, each with an epoll instance and a listener of its own; a connection stays with
 * the loop that accepted it.  Edge-triggered and registered once for both directions, and after a
 * short read we do not read until the next edge: a request costs one recv, one send and a share of
 * an epoll_wait, and no other call.  (Level-triggered, the kernel looks at every ready socket once
 * more in the next epoll_wait.)  A connection has memory of its own only while it must keep part of
 * a request, or answers that its client does not take.
 */
#include "Http.h"

#include <sys/epoll.h>

enum { EVENTS = 256 };

/* What a connection keeps from one event to the next. */
typedef struct Rest {
    Answer answer;  /* still to be sent */
    size_t in_size; /* received, not yet answered */
    char in[HTTP_INPUT];
} Rest;

static Rest *rests[HTTP_FDS]; /* by fd, used by its loop alone; almost all are NULL */

static void acceptAll(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.fd = fd};
        if (fd >= HTTP_FDS || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            close(fd);
    }
}

/* Sends and receives until the kernel has nothing more for us; false: the connection is over. */
static bool advance(int fd, Rest *rest, bool ended)
{
    for (bool drained = false;;) {
        while (rest->answer.size > 0) {
            ssize_t sent = send(fd, rest->answer.bytes, rest->answer.size, MSG_NOSIGNAL);
            if (sent < 0)
                return errno == EAGAIN;
            rest->answer.bytes += sent;
            rest->answer.size -= (size_t)sent;
        }
        size_t used, room;
        rest->answer = takeRequests(rest->in, rest->in_size, &used);
        if (used > 0) {
            memmove(rest->in, rest->in + used, rest->in_size -= used);
            continue;
        }
        if (drained || (room = HTTP_INPUT - rest->in_size) == 0)
            return drained;
        ssize_t got = recv(fd, rest->in + rest->in_size, room, 0);
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        rest->in_size += (size_t)got;
        drained = (size_t)got < room && !ended; /* more, or an end, comes with a new edge */
    }
}

static void serveEvent(int fd, bool ended)
{
    Rest here, *kept = rests[fd], *rest = kept != NULL ? kept : &here;
    here.answer.size = here.in_size = 0;
    bool open = advance(fd, rest, ended);
    if (open && kept == NULL && (here.answer.size > 0 || here.in_size > 0)) {
        open = (rests[fd] = malloc(sizeof here)) != NULL;
        if (open)
            *rests[fd] = here;
    } else if (kept != NULL && (!open || (kept->answer.size == 0 && kept->in_size == 0))) {
        free(kept);
        rests[fd] = NULL;
    }
    if (!open)
        close(fd);
}

static void *serve(void *env)
{
    struct epoll_event events[EVENTS];
    int listener = (int)(intptr_t)env, epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        error(1, errno, "epoll");
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                acceptAll(epoll, listener);
            else
                serveEvent(events[i].data.fd, events[i].events & EPOLLRDHUP);
        }
    }
    return NULL;
}

int main(int argc __attribute__((unused)), char **argv)
{
    return serveOnCores(argv, serve);
}
