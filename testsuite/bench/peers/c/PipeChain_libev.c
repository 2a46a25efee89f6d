/* PipeChain_libev.c -- row 11 with libev: one ev_io per pipe, started once, read and write by hand.
 *
 * The back-end is named, so that LIBEV_FLAGS cannot change it; libev's epoll is level-triggered and
 * doubles its event buffer when one wait has filled it.  One loop is one thread.
 */
#include "PipeRing.h"
#include <ev.h>

static PipeRing ring;
static ev_io watchers[PIPES];

static void onReadable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    passByte(&ring, (unsigned)(watcher - watchers));
    if (countEvent())
        ev_break(loop, EVBREAK_ALL);
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop == NULL)
        error(1, errno, "ev_loop_new");
    openRing(&ring);
    for (int i = 0; i < PIPES; i++) {
        ev_io_init(&watchers[i], onReadable, ring.read_fds[i], EV_READ);
        ev_io_start(loop, &watchers[i]);
    }
    fillRing(&ring);
    ev_run(loop, 0);
    return 0;
}
