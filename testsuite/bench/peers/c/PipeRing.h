/* PipeRing.h -- row 11's ring for the peers in C: 1000 pipes, 100 of which hold one byte.
 *
 * An event: one byte is read from pipe i and written to pipe i + 1.  A read or write that does not
 * move its one byte ends the program, so a count of events is a count of bytes moved.
 */
#ifndef PIPE_RING_H
#define PIPE_RING_H

#include "Bench.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PIPES = 1000, PIPE_BYTES = 100, PIPE_EVENTS = 300 * 1000, PIPE_WARM_UP = 50 * 1000 };

typedef struct PipeRing {
    int read_fds[PIPES];
    int write_fds[PIPES]; /* of the pipe whose other end is read_fds[i] */
} PipeRing;

static inline void openRing(PipeRing *ring)
{
    struct rlimit limit;
    demand(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    demand(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    for (int i = 0; i < PIPES; i++) {
        int ends[2];
        demand(pipe2(ends, O_NONBLOCK | O_CLOEXEC), "pipe2");
        ring->read_fds[i] = ends[0];
        ring->write_fds[i] = ends[1];
    }
}

static inline void putByte(const PipeRing *ring, unsigned i)
{
    if (write(ring->write_fds[i], "", 1) != 1)
        error(1, errno, "write to pipe %u", i);
}

static inline void fillRing(const PipeRing *ring)
{
    for (unsigned i = 0; i < PIPES; i += PIPES / PIPE_BYTES)
        putByte(ring, i);
}

/* One event. */
static inline void passByte(const PipeRing *ring, unsigned i)
{
    char byte;
    if (read(ring->read_fds[i], &byte, 1) != 1)
        error(1, errno, "read from pipe %u", i);
    putByte(ring, i + 1 == PIPES ? 0 : i + 1);
}

/* For the loops that call back once per event: true with the last event. */
static inline int countEvent(void)
{
    static uint64_t count, start_ns;
    count++;
    if (count == PIPE_WARM_UP)
        start_ns = readNowNs();
    if (count != PIPE_WARM_UP + PIPE_EVENTS)
        return 0;
    printPerUnit("pipe_chain", readNowNs() - start_ns, PIPE_EVENTS);
    return 1;
}

#endif
