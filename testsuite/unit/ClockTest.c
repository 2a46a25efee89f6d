/* ClockTest.c -- deadlines are never early and never overflow. */
#include "testsuite/support/IoFixture.h"

TEST(Clock, monotonicGoesForward)
{
    int64_t before = clockRead(&clockMonotonic);
    CHECK_GT(before, 0);
    for (int i = 0; i < 1000; i++) {
        int64_t now = clockRead(&clockMonotonic);
        CHECK_GE(now, before);
        before = now;
    }
}

TEST(Clock, deadlineAddsMicroseconds)
{
    FakeClock fake;
    const Clock *clock = fakeClockInit(&fake, 5000);
    CHECK_EQ(clockDeadline(clock, 1), 6000);
    CHECK_EQ(clockDeadline(clock, 1000000), 1000005000);
    CHECK_EQ(clockDeadline(clock, 0), 5000);
    CHECK_EQ(clockDeadline(clock, -1), 5000);
    CHECK_EQ(clockDeadline(clock, INT64_MIN), 5000);
    CHECK_EQ(fake.reads, 5);
}

TEST(Clock, deadlineSaturates)
{
    FakeClock fake;
    const Clock *clock = fakeClockInit(&fake, 5000);
    CHECK_EQ(clockDeadline(clock, INT64_MAX), DEADLINE_NEVER);
    CHECK_EQ(clockDeadline(clock, INT64_MAX / 1000), DEADLINE_NEVER); /* the sum overflows */
    CHECK_EQ(clockDeadline(clock, INT64_MAX / 1000 - 5), (INT64_MAX / 1000 - 5) * 1000 + 5000);
}
