/* QSemTest.c -- semaphores: units go in order, none is swallowed. */
#include "rts/Thread.h"

#include "testsuite/support/Runtime.h"

static void *countUnits(void *env)
{
    QSem *one = qsemNew(2);
    QSemN *many = qsemnNew(5);
    (void)env;
    CHECK_EQ(qsemWait(one), 0);
    CHECK_EQ(qsemWaitUntil(one, INT64_MIN), 0);
    CHECK_EQ(qsemTryWait(one), -EAGAIN);
    CHECK_EQ(qsemWaitUntil(one, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(qsemSignal(one), 0);
    CHECK_EQ(qsemTryWait(one), 0);
    CHECK_EQ(qsemnWait(many, 0), 0);
    CHECK_EQ(qsemnWait(many, 3), 0);
    CHECK_EQ(qsemnTryWait(many, 3), -EAGAIN);
    CHECK_EQ(qsemnWaitUntil(many, 3, rtsNow() + MS_NS), -ETIMEDOUT);
    CHECK_EQ(qsemnTryWait(many, 2), 0);
    CHECK_EQ(qsemnSignal(many, UINT32_MAX), 0);
    CHECK_EQ(qsemnSignal(many, 1), -EOVERFLOW);
    CHECK_EQ(qsemnWaitUntil(many, UINT32_MAX, INT64_MIN), 0);
    qsemFree(one);
    qsemnFree(many);
    one = qsemNew(UINT32_MAX);
    CHECK_EQ(qsemSignal(one), -EOVERFLOW);
    CHECK_EQ(qsemTryWait(one), 0);
    CHECK_EQ(qsemSignal(one), 0);
    qsemFree(one);
    qsemFree(NULL);
    qsemnFree(NULL);
    return NULL;
}

TEST(QSem, countsUnits)
{
    CHECK_EQ(qsemNew(1), NULL);
    CHECK_EQ(qsemnNew(1), NULL);
    greenRun(1, countUnits, NULL);
    greenStart(1);
    countUnits(NULL);
    greenStop();
}

/* ---- order ----------------------------------------------------------------------------------- */

typedef struct Guest {
    QSem *one;
    QSemN *many;
    uint32_t units;
    int64_t deadline_ns;
    int result;
    Thread *thread;
} Guest;

static void *beGuest(void *env)
{
    Guest *self = env;
    self->result = self->one != NULL ? qsemWaitUntil(self->one, self->deadline_ns)
                                     : qsemnWaitUntil(self->many, self->units, self->deadline_ns);
    return NULL;
}

static void invite(Guest *guest, QSem *one, QSemN *many, uint32_t units, int64_t deadline_ns)
{
    *guest = (Guest){.one = one, .many = many, .units = units, .deadline_ns = deadline_ns};
    guest->thread = greenFork(beGuest, guest);
    greenUntil(guest->thread, ThreadBlockedOnLock);
}

static void expect(Guest *guest, int result)
{
    greenJoin(guest->thread);
    CHECK_EQ(guest->result, result);
}

static bool waits(const Guest *guest)
{
    threadYield();
    return threadStatus(guest->thread).state == ThreadBlockedOnLock;
}

/* The second of three gives up; two units are for the other two. */
static void *swallowNothing(void *env)
{
    Guest guests[3];
    QSem *sem = qsemNew(0);
    (void)env;
    for (int i = 0; i < 3; i++)
        invite(&guests[i], sem, NULL, 1, i == 1 ? rtsNow() + 20 * MS_NS : INT64_MAX - i / 2);
    expect(&guests[1], -ETIMEDOUT);
    CHECK_EQ(qsemSignal(sem), 0);
    CHECK_EQ(qsemTryWait(sem), -EAGAIN); /* handed over */
    expect(&guests[0], 0);
    CHECK(waits(&guests[2]));
    CHECK_EQ(qsemSignal(sem), 0);
    expect(&guests[2], 0);
    qsemFree(sem);
    return NULL;
}

/* Who wants 4 holds up who wants 1, until it has them or gives up. */
static void *keepOrder(void *env)
{
    bool gives_up = env != NULL;
    Guest big, small, other;
    QSemN *sem = qsemnNew(1);
    invite(&big, NULL, sem, 4, gives_up ? rtsNow() + 20 * MS_NS : INT64_MAX);
    invite(&small, NULL, sem, 1, INT64_MAX);
    invite(&other, NULL, sem, 1, INT64_MAX - 1);
    if (!gives_up) {
        CHECK_EQ(qsemnTryWait(sem, 1), -EAGAIN);
        CHECK_EQ(qsemnSignal(sem, 1), 0);
        CHECK(waits(&big) && waits(&small));
        CHECK_EQ(qsemnSignal(sem, 3), 0); /* 5: the big one, and one of the small ones */
    }
    expect(&big, gives_up ? -ETIMEDOUT : 0);
    expect(&small, 0);
    CHECK(waits(&other));
    CHECK_EQ(qsemnSignal(sem, 1), 0);
    expect(&other, 0);
    CHECK_EQ(qsemnTryWait(sem, 1), -EAGAIN);
    invite(&big, NULL, sem, 2, INT64_MAX);
    qsemnFree(sem);
    expect(&big, -EINVAL);
    return NULL;
}

TEST(QSem, keepsTheOrder)
{
    int any;
    greenRun(1, swallowNothing, NULL);
    greenRun(1, keepOrder, NULL);
    greenRun(1, keepOrder, &any);
}
