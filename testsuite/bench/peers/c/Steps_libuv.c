/* Steps_libuv.c -- row 46: what a turn of libuv's loop costs that does not wait.
 *
 * The work that is made ready is a timer of no delay: libuv has nothing cheaper that runs once.
 */
#include "Bench.h"

#include <unistd.h>
#include <uv.h>

enum { TURNS = 300000 };

static uint64_t ran;

static void onReadable(uv_poll_t *poll, int status, int events)
{
    error(1, 0, "the pipe is not silent: %p %d %d", (void *)poll, status, events);
}

static void onTimer(uv_timer_t *timer)
{
    (void)timer;
    ran++;
}

static void turnIdle(uv_loop_t *loop)
{
    for (int i = 0; i < TURNS; i++)
        uv_run(loop, UV_RUN_NOWAIT);
}

static void turnTimer(uv_loop_t *loop, uv_timer_t *timer)
{
    uint64_t end = ran + TURNS;
    for (int i = 0; i < TURNS; i++) {
        uv_timer_start(timer, onTimer, 0, 0);
        uv_run(loop, UV_RUN_NOWAIT);
    }
    if (ran != end)
        error(1, 0, "%d turns, %lu timers", TURNS, (unsigned long)(ran + TURNS - end));
}

int main(int argc, char **argv)
{
    uv_loop_t loop;
    uv_poll_t poll;
    uv_timer_t timer;
    int ends[2];
    parseCores(argc, argv, 1);
    demand(pipe(ends), "pipe");
    if (uv_loop_init(&loop) != 0 || uv_poll_init(&loop, &poll, ends[0]) != 0 ||
        uv_poll_start(&poll, UV_READABLE, onReadable) != 0 || uv_timer_init(&loop, &timer) != 0)
        error(1, 0, "libuv");
    turnIdle(&loop);
    uint64_t start_ns = readNowNs();
    turnIdle(&loop);
    printPerUnit("step_idle", readNowNs() - start_ns, TURNS);
    turnTimer(&loop, &timer);
    start_ns = readNowNs();
    turnTimer(&loop, &timer);
    printPerUnit("step_task", readNowNs() - start_ns, TURNS);
    return 0;
}
