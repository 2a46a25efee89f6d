/* PipeChainCallbacks.c -- row 23: row 11's ring, one callback a pipe, a standalone manager.
 *
 * No runtime: the manager runs on the program's own OS thread.  Level-triggered as the peers'
 * watchers are: each event is a read of one byte and a write of one.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/event.h>

#include <fcntl.h>
#include <unistd.h>

enum { PIPES = 1000, ACTIVE = 100, EVENTS = 300 * 1000, WARM_UP = 50 * 1000 };

typedef struct Link {
    int in, out;
} Link;

static Link links[PIPES];
static EventManager *manager;
static uint64_t count;
static int64_t start_ns;

static int passOn(EventManager *where, FdKey key, uint32_t events, void *env)
{
    const Link *link = env;
    char byte;
    BENCH_CHECK(events == EventRead && key.fd == link->in);
    BENCH_CHECK(read(link->in, &byte, 1) == 1 && write(link->out, &byte, 1) == 1);
    count++;
    if (count == WARM_UP)
        start_ns = benchNow();
    if (count == WARM_UP + EVENTS) {
        benchPrint("pipe_chain", (double)(benchNow() - start_ns) / EVENTS, "ns");
        eventManagerStop(where);
    }
    return 0;
}

static void openRing(void)
{
    for (int i = 0; i < PIPES; i++) {
        int ends[2];
        BENCH_CHECK(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
        links[i].in = ends[0];
        links[(i + PIPES - 1) % PIPES].out = ends[1];
    }
}

int main(void)
{
    BENCH_CHECK(eventManagerNew(NULL, &manager) == 0);
    openRing();
    for (int i = 0; i < PIPES; i++)
        BENCH_CHECK(
            registerFd(manager, passOn, &links[i], links[i].in, EventRead, MultiShot, NULL) == 0);
    for (int i = 0; i < PIPES; i += PIPES / ACTIVE)
        BENCH_CHECK(write(links[i].out, "", 1) == 1);
    BENCH_CHECK(eventManagerRun(manager) == 0);
    BENCH_CHECK(eventManagerFree(manager) == 0);
    return 0;
}
