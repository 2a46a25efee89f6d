/* Clock.c -- monotonic nanoseconds from a replaceable source.
 *
 * Owns    nothing.
 * Before  the kernel's CLOCK_MONOTONIC, which stands still while the machine is suspended.
 * After   iomgr/EventManager.c.
 * Tests   testsuite/unit/ClockTest.c
 */
#include "iomgr/Clock.h"

#include "internal/Assert.h"

#include <stddef.h>
#include <time.h>

static int64_t readMonotonic(void *context)
{
    (void)context;
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        barf("CLOCK_MONOTONIC cannot be read");
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const Clock clockMonotonic = {readMonotonic, NULL};

int64_t clockDeadline(const Clock *clock, int64_t delay_us)
{
    int64_t now = clockRead(clock), delay_ns, deadline;
    ASSERT(now >= 0);
    if (delay_us <= 0)
        return now;
    if (__builtin_mul_overflow(delay_us, INT64_C(1000), &delay_ns) ||
        __builtin_add_overflow(now, delay_ns, &deadline))
        return DEADLINE_NEVER;
    return deadline;
}
