/* PipeChain_libuv.c -- row 11 with libuv: a uv_poll_t per pipe, started once, our read and write.
 *
 * uv_read_start and uv_try_write on a uv_pipe_t make the same system calls and were 10 to 25 %
 * slower, with an allocation callback and a write request for each byte.  libuv's epoll is
 * level-triggered and takes up to 1024 events a wait.
 */
#include "PipeRing.h"
#include <uv.h>

static PipeRing ring;
static uv_poll_t polls[PIPES];

static void onReadable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status < 0)
        error(1, -status, "uv_poll");
    passByte(&ring, (unsigned)(poll - polls));
    if (countEvent())
        uv_stop(poll->loop);
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    uv_loop_t *loop = uv_default_loop();
    openRing(&ring);
    for (int i = 0; i < PIPES; i++)
        if (uv_poll_init(loop, &polls[i], ring.read_fds[i]) != 0 ||
            uv_poll_start(&polls[i], UV_READABLE, onReadable) != 0)
            error(1, 0, "uv_poll");
    fillRing(&ring);
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
