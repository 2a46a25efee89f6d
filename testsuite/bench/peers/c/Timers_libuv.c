/* Timers_libuv.c -- row 14 with libuv: a million uv_timer_t, which the caller owns.
 *
 * libuv keeps them in a binary heap of linked nodes, in whole milliseconds relative to uv_now,
 * which stands still while we arm.  A deadline is cut to its millisecond: libuv has none finer.
 */
#include "TimerRounds.h"
#include <uv.h>

static uv_loop_t *loop;
static uv_timer_t timers[TIMERS];

static void onTimer(uv_timer_t *timer)
{
    (void)timer;
    timers_fired++;
}

static void updateClock(void)
{
    uv_update_time(loop);
}

static void armTimer(int i)
{
    uv_timer_start(&timers[i], onTimer, timer_after_us[i] / 1000, 0);
}

static void runLoop(void)
{
    uv_run(loop, UV_RUN_DEFAULT); /* returns when no handle is active */
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    loop = uv_default_loop();
    for (int i = 0; i < TIMERS; i++)
        uv_timer_init(loop, &timers[i]);
    runRounds(updateClock, armTimer, runLoop);
    return 0;
}
