/* EpollLoop.c -- HostLoop.h by epoll and a timerfd, where there is no glib. */
#include "HostLoop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static bool stopped;

static int serve(int host, int ticks, void (*ready)(void), void (*tick)(void))
{
    while (!stopped) {
        struct epoll_event event;
        uint64_t expired;
        if (epoll_wait(host, &event, 1, -1) != 1)
            continue;
        if (event.data.fd != ticks)
            ready();
        else if (read(ticks, &expired, sizeof expired) == (ssize_t)sizeof expired)
            tick();
    }
    return 0;
}

int hostRun(int fd, void (*ready)(void), void (*tick)(void), unsigned tick_ms)
{
    struct timespec every = {tick_ms / 1000, (long)(tick_ms % 1000) * 1000000};
    struct itimerspec setting = {every, every};
    int result = -1, host = epoll_create1(EPOLL_CLOEXEC);
    int ticks = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct epoll_event first = {.events = EPOLLIN, .data.fd = fd};
    struct epoll_event second = {.events = EPOLLIN, .data.fd = ticks};
    stopped = false;
    if (host >= 0 && ticks >= 0 && timerfd_settime(ticks, 0, &setting, NULL) == 0 &&
        epoll_ctl(host, EPOLL_CTL_ADD, fd, &first) == 0 &&
        epoll_ctl(host, EPOLL_CTL_ADD, ticks, &second) == 0)
        result = serve(host, ticks, ready, tick);
    close(ticks);
    close(host);
    return result;
}

void hostStop(void)
{
    stopped = true;
}

const char *hostName(void)
{
    return "epoll";
}
