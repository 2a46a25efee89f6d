/* TimerCancel_libuv.c -- row 15 with libuv: with 1000 timers armed, arm one more and stop it.
 *
 * The deadlines are drawn beforehand from the same second as the thousand's.  Times are relative to
 * uv_now, which only the loop moves: no clock is read.
 */
#include "Bench.h"
#include <uv.h>

enum { ARMED = 1000, DEADLINES = 1024, PAIRS = 3 * 1000 * 1000, WARM_UP = 300 * 1000 };

static uv_timer_t armed[ARMED], timer;
static uint64_t after_ms[DEADLINES];

static void onTimer(uv_timer_t *fired)
{
    (void)fired;
    error(1, 0, "a timer fired, but the loop never runs");
}

static void armAndStop(int pairs)
{
    for (int i = 0; i < pairs; i++) {
        uv_timer_start(&timer, onTimer, after_ms[i % DEADLINES], 0);
        uv_timer_stop(&timer);
    }
}

int main(int count, char **words)
{
    uint64_t random = 42;
    uv_loop_t *loop = uv_default_loop();
    parseCores(count, words, 1);
    for (int i = 0; i < ARMED; i++) {
        uv_timer_init(loop, &armed[i]);
        uv_timer_start(&armed[i], onTimer, drawRandom(&random) % 1000, 0);
    }
    for (int i = 0; i < DEADLINES; i++)
        after_ms[i] = drawRandom(&random) % 1000;
    uv_timer_init(loop, &timer);
    armAndStop(WARM_UP);
    uint64_t start_ns = readNowNs();
    armAndStop(PAIRS);
    printPerUnit("timer_cancel", readNowNs() - start_ns, PAIRS);
    return 0;
}
