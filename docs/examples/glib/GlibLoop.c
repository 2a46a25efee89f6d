/* GlibLoop.c -- HostLoop.h by glib: a source for the fd, a source for the ticks. */
#include "HostLoop.h"

#include <glib-unix.h>
#include <glib.h>

static GMainLoop *loop;

static gboolean callReady(gint fd, GIOCondition condition, gpointer ready)
{
    (void)fd;
    (void)condition;
    (*(void (**)(void))ready)();
    return G_SOURCE_CONTINUE;
}

static gboolean callTick(gpointer tick)
{
    (*(void (**)(void))tick)();
    return G_SOURCE_CONTINUE;
}

int hostRun(int fd, void (*ready)(void), void (*tick)(void), unsigned tick_ms)
{
    loop = g_main_loop_new(NULL, FALSE);
    guint sources[2] = {g_unix_fd_add(fd, G_IO_IN, callReady, &ready),
                        g_timeout_add(tick_ms, callTick, &tick)};
    g_main_loop_run(loop);
    g_source_remove(sources[0]);
    g_source_remove(sources[1]);
    g_main_loop_unref(loop);
    return 0;
}

void hostStop(void)
{
    g_main_loop_quit(loop);
}

const char *hostName(void)
{
    return "glib";
}
