/* Timers_libev.c -- row 14 with libev: a million ev_timer, which the caller owns.
 *
 * libev keeps them in a 4-heap whose entries hold the time, so that it rarely looks at a watcher.
 * Times are relative to ev_now, which stands still while we arm.
 */
#include "TimerRounds.h"
#include <ev.h>

static struct ev_loop *loop;
static ev_timer timers[TIMERS];

static void onTimer(struct ev_loop *same, ev_timer *timer, int events)
{
    (void)same, (void)timer, (void)events;
    timers_fired++;
}

static void updateClock(void)
{
    ev_now_update(loop);
}

static void armTimer(int i)
{
    ev_timer_set(&timers[i], timer_after_us[i] * 1e-6, 0.0);
    ev_timer_start(loop, &timers[i]);
}

static void runLoop(void)
{
    ev_run(loop, 0); /* returns when no watcher is active */
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    if ((loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV)) == NULL)
        error(1, errno, "ev_loop_new");
    for (int i = 0; i < TIMERS; i++)
        ev_init(&timers[i], onTimer);
    runRounds(updateClock, armTimer, runLoop);
    return 0;
}
