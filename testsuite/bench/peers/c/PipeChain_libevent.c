/* PipeChain_libevent.c -- row 11 with libevent: one persistent event per pipe, our read and write.
 *
 * No lock (one thread is one base), no environment; level-triggered epoll, whose event buffer
 * doubles when one wait has filled it.  Bufferevents would copy each byte twice.
 */
#include "PipeRing.h"
#include <event2/event.h>

static PipeRing ring;
static struct event_base *base;

static void onReadable(evutil_socket_t fd, short what, void *argument)
{
    const int *slot = argument;
    (void)fd, (void)what;
    passByte(&ring, (unsigned)(slot - ring.read_fds));
    if (countEvent())
        event_base_loopbreak(base);
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    if ((base = event_base_new_with_config(config)) == NULL)
        error(1, errno, "event_base_new");
    openRing(&ring);
    for (int i = 0; i < PIPES; i++) {
        struct event *event =
            event_new(base, ring.read_fds[i], EV_READ | EV_PERSIST, onReadable, &ring.read_fds[i]);
        if (event == NULL || event_add(event, NULL) != 0)
            error(1, errno, "event_new");
    }
    fillRing(&ring);
    event_base_dispatch(base);
    return 0;
}
