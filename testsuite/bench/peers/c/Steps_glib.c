/* Steps_glib.c -- row 46: what a turn of glib's main context costs that does not wait.
 *
 * The work that is made ready is a source of ours whose time has come: it is made once, unlike what
 * g_idle_add makes each time.
 */
#include "Bench.h"

#include <glib-unix.h>
#include <unistd.h>

enum { TURNS = 200000 };

static uint64_t ran;

static gboolean onReadable(gint fd, GIOCondition condition, gpointer env)
{
    (void)env;
    error(1, 0, "the pipe is not silent: %d %d", fd, (int)condition);
    return TRUE;
}

static gboolean dispatch(GSource *source, GSourceFunc fn, gpointer env)
{
    (void)fn;
    (void)env;
    ran++;
    g_source_set_ready_time(source, -1);
    return TRUE;
}

static void turnIdle(void)
{
    for (int i = 0; i < TURNS; i++)
        g_main_context_iteration(NULL, FALSE);
}

static void turnSource(GSource *source)
{
    uint64_t end = ran + TURNS;
    for (int i = 0; i < TURNS; i++) {
        g_source_set_ready_time(source, 0);
        g_main_context_iteration(NULL, FALSE);
    }
    if (ran != end)
        error(1, 0, "%d turns, %lu dispatches", TURNS, (unsigned long)(ran + TURNS - end));
}

int main(int argc, char **argv)
{
    static GSourceFuncs functions = {.dispatch = dispatch};
    GSource *source = g_source_new(&functions, sizeof *source);
    int ends[2];
    parseCores(argc, argv, 1);
    demand(pipe(ends), "pipe");
    g_unix_fd_add(ends[0], G_IO_IN, onReadable, NULL);
    g_source_attach(source, NULL);
    turnIdle();
    uint64_t start_ns = readNowNs();
    turnIdle();
    printPerUnit("step_idle", readNowNs() - start_ns, TURNS);
    turnSource(source);
    start_ns = readNowNs();
    turnSource(source);
    printPerUnit("step_task", readNowNs() - start_ns, TURNS);
    return 0;
}
