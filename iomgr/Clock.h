/* Clock.h -- monotonic nanoseconds from a replaceable source.
 *
 * Deadlines everywhere are int64_t nanoseconds of this clock; DEADLINE_NEVER waits for ever.
 */
#ifndef IOMGR_CLOCK_H
#define IOMGR_CLOCK_H

#include <stdint.h>

#define DEADLINE_NEVER INT64_MAX

/* A clock: read(context) gives nanoseconds that never go back.  Anything may stand in (a test's, a
 * simulator's); clockMonotonic is CLOCK_MONOTONIC. */
typedef struct Clock {
    int64_t (*read)(void *context);
    void *context;
} Clock;

extern const Clock clockMonotonic;

static inline int64_t clockRead(const Clock *clock)
{
    return clock->read(clock->context);
}

/* clockDeadline -- now + delay_us, saturating at DEADLINE_NEVER; delay_us <= 0 gives now. */
int64_t clockDeadline(const Clock *clock, int64_t delay_us);

#endif
