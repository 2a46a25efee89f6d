/* WakeDelay_raw.c -- row 12 by hand: a loop sleeps in epoll_wait, then reads.
 *
 * The pipe is registered once, level-triggered, and read once per event.  The loop sleeps at once
 * when nothing is ready, also where the next message is 3 us away: who does not want that asks with
 * a time-out of 0 again and again.
 */
#include "WakeSender.h"
#include <sys/epoll.h>

static WakeSender sender;
static int epoll;

static void awaitEvent(void)
{
    struct epoll_event events[64];
    if (epoll_wait(epoll, events, 64, -1) != 1)
        error(1, errno, "epoll_wait");
}

int main(int count, char **words)
{
    parseCores(count, words, 1024);
    struct epoll_event event = {.events = EPOLLIN};
    openPipe(&sender);
    epoll = demand(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    demand(epoll_ctl(epoll, EPOLL_CTL_ADD, sender.read_fd, &event), "epoll_ctl");
    receiveAll(&sender, awaitEvent);
    return 0;
}
