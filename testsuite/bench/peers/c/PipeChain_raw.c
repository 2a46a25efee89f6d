/* PipeChain_raw.c -- row 11 by hand: epoll, each pipe registered once, up to 256 events a wait.
 *
 * pipe_chain     level-triggered: reads one byte, asks nothing more.  This is what others pay too.
 * pipe_chain_et  edge-triggered: all there is must be taken at once, so it reads with room to spare
 *                (a short read has emptied the pipe) and writes each byte on its own.
 * With two cores each thread has an epoll instance and half of the ring, so that all but two pipes
 * stay on one core.
 */
#include "PipeRing.h"
#include <pthread.h>
#include <stdbool.h>
#include <sys/epoll.h>

enum { THREADS = 2, EVENTS = 256 };

typedef struct Loop {
    _Alignas(64) uint64_t count; /* events so far: written by its thread, read by the first */
    int epoll;
    bool edge;
    pthread_t thread;
} Loop;

static PipeRing ring;
static Loop loops[THREADS];
static unsigned loop_count;
static bool stop; /* the first thread tells the others */

/* Edge-triggered: the number of bytes that were there. */
static unsigned passBytes(unsigned i)
{
    char bytes[PIPE_BYTES + 1];
    ssize_t count = read(ring.read_fds[i], bytes, sizeof bytes);
    if (count < 1)
        error(1, errno, "read from pipe %u", i);
    for (ssize_t rest = count; rest > 0; rest--)
        putByte(&ring, i + 1 == PIPES ? 0 : i + 1);
    return (unsigned)count;
}

static inline __attribute__((always_inline)) void runUntil(Loop *loop, bool edge, uint64_t end)
{
    struct epoll_event events[EVENTS];
    while (loop->count < end && !__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        int ready = demand(epoll_wait(loop->epoll, events, EVENTS, -1), "epoll_wait");
        uint64_t done = 0;
        for (int e = 0; e < ready; e++)
            if (edge)
                done += passBytes(events[e].data.u32);
            else
                passByte(&ring, events[e].data.u32), done++;
        __atomic_store_n(&loop->count, loop->count + done, __ATOMIC_RELAXED);
    }
}

static void runLoop(Loop *loop, uint64_t end)
{
    if (loop->edge)
        runUntil(loop, true, end);
    else
        runUntil(loop, false, end);
}

static void *runThread(void *argument)
{
    runLoop(argument, UINT64_MAX);
    return NULL;
}

static void openLoops(bool edge)
{
    for (unsigned i = 0; i < loop_count; i++)
        loops[i] =
            (Loop){.epoll = demand(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"), .edge = edge};
    for (unsigned i = 0; i < PIPES; i++) {
        struct epoll_event event = {.events = EPOLLIN | (edge ? EPOLLET : 0), .data.u32 = i};
        demand(
            epoll_ctl(loops[i * loop_count / PIPES].epoll, EPOLL_CTL_ADD, ring.read_fds[i], &event),
            "epoll_ctl");
    }
}

static uint64_t countAll(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < loop_count; i++)
        sum += __atomic_load_n(&loops[i].count, __ATOMIC_RELAXED);
    return sum;
}

/* The other threads may wait for events when they are to stop: a byte too many wakes each. */
static void stopOthers(void)
{
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 1; i < loop_count; i++) {
        putByte(&ring, i * PIPES / loop_count);
        pthread_join(loops[i].thread, NULL);
    }
    stop = false;
}

static void measure(const char *name, bool edge)
{
    openRing(&ring);
    openLoops(edge);
    fillRing(&ring);
    for (unsigned i = 1; i < loop_count; i++)
        if (pthread_create(&loops[i].thread, NULL, runThread, &loops[i]) != 0)
            error(1, 0, "pthread_create");
    runLoop(&loops[0], PIPE_WARM_UP);
    uint64_t start_ns = readNowNs(), start_count = countAll();
    runLoop(&loops[0], PIPE_WARM_UP + PIPE_EVENTS / loop_count);
    uint64_t end_ns = readNowNs(), end_count = countAll();
    stopOthers();
    printPerUnit(name, end_ns - start_ns, end_count - start_count);
}

int main(int count, char **words)
{
    loop_count = parseCores(count, words, THREADS);
    measure("pipe_chain", false);
    measure("pipe_chain_et", true); /* the first ring stays as it is: nobody waits for it */
    return 0;
}
