/* TimerCancel_libev.c -- row 15 with libev: with 1000 timers armed, arm one more and stop it.
 *
 * The deadlines are drawn beforehand from the same second as the thousand's.  Times are relative to
 * ev_now, which only the loop moves: no clock is read.
 */
#include "Bench.h"
#include <ev.h>

enum { ARMED = 1000, DEADLINES = 1024, PAIRS = 15 * 1000 * 1000, WARM_UP = 1000 * 1000 };

static struct ev_loop *loop;
static ev_timer armed[ARMED], timer;
static double after_s[DEADLINES];

static void onTimer(struct ev_loop *same, ev_timer *fired, int events)
{
    (void)same, (void)fired, (void)events;
    error(1, 0, "a timer fired, but the loop never runs");
}

static void armAndStop(int pairs)
{
    for (int i = 0; i < pairs; i++) {
        ev_timer_set(&timer, after_s[i % DEADLINES], 0.0);
        ev_timer_start(loop, &timer);
        ev_timer_stop(loop, &timer);
    }
}

int main(int count, char **words)
{
    uint64_t random = 42;
    parseCores(count, words, 1);
    if ((loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV)) == NULL)
        error(1, errno, "ev_loop_new");
    for (int i = 0; i < ARMED; i++) {
        ev_timer_init(&armed[i], onTimer, (double)(drawRandom(&random) % 1000000) * 1e-6, 0.0);
        ev_timer_start(loop, &armed[i]);
    }
    for (int i = 0; i < DEADLINES; i++)
        after_s[i] = (double)(drawRandom(&random) % 1000000) * 1e-6;
    ev_init(&timer, onTimer);
    armAndStop(WARM_UP);
    uint64_t start_ns = readNowNs();
    armAndStop(PAIRS);
    printPerUnit("timer_cancel", readNowNs() - start_ns, PAIRS);
    return 0;
}
