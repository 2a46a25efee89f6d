/* TaskConformance.c -- tasks that wait for fds, on each back-end: data, room, deadlines, closes,
 * interrupts, and a ring of tasks.
 */
#include "testsuite/support/Crowd.h"
#include "testsuite/support/Tasks.h"

enum { PLACES = 50, ROUNDS = 20 };

static int pair[2];

static void *both(void *(*fn)(void *adopted))
{
    Crowd crowd;
    crowdStart(&crowd, 2, 2);
    static bool adopted = true;
    crowdFork(&crowd, fn, NULL, "strangers");
    crowdJoin(&crowd);
    crowdFork(&crowd, fn, &adopted, "adopted");
    crowdJoin(&crowd);
    crowdStop(&crowd);
    return NULL;
}

static Thread *startReader(OneWait *wait, void *adopted)
{
    crowdPair(pair, adopted != NULL);
    *wait = (OneWait){.begin = adopted != NULL ? beginReadSeen : beginRead, .fd = pair[0]};
    Thread *task = oneWaitStart(wait);
    greenUntil(task, ThreadBlockedOnRead);
    return task;
}

static void closePair(void)
{
    closeFd(pair[0]);
    closeFd(pair[1]);
}

static void *data(void *adopted)
{
    for (int i = 0; i < ROUNDS; i++) {
        OneWait wait;
        Thread *task = startReader(&wait, adopted);
        CHECK_EQ(write(pair[1], "x", 1), 1);
        oneWaitEnd(task, &wait);
        CHECK_EQ(wait.status, 0);
        closePair();
    }
    return NULL;
}

/* Goal: data ends a task's wait. */
TEST(Task, isWokenByData)
{
    both(data);
}

static void *hangUp(void *adopted)
{
    OneWait wait;
    Thread *task = startReader(&wait, adopted);
    CHECK_EQ(close(pair[1]), 0);
    oneWaitEnd(task, &wait);
    CHECK_EQ(wait.status, 0);
    closeFd(pair[0]);
    return NULL;
}

/* Goal: so does the peer's end. */
TEST(Task, isWokenByHangUp)
{
    both(hangUp);
}

static void *closes(void *adopted)
{
    OneWait wait;
    Thread *task = startReader(&wait, adopted);
    CHECK_EQ(closeFd(pair[0]), 0);
    oneWaitEnd(task, &wait);
    CHECK_EQ(wait.status, -EBADF);
    closeFd(pair[1]);
    return NULL;
}

/* Goal: closing the fd under a task is told. */
TEST(Task, isToldOfClose)
{
    both(closes);
}

static void *givesUp(void *adopted)
{
    for (int i = 0; i < ROUNDS; i++) {
        OneWait wait;
        Thread *task = startReader(&wait, adopted);
        CHECK_EQ(threadKill(task), 0);
        oneWaitEnd(task, &wait);
        CHECK_EQ(wait.status, -ECANCELED);
        OneWait timed = {.begin = beginRead, .fd = pair[0], .deadline_ns = rtsNow() + MS_NS / 10};
        oneWaitEnd(oneWaitStart(&timed), &timed);
        CHECK_EQ(timed.status, -ETIMEDOUT);
        OneWait after = {.begin = beginRead, .fd = pair[0]}; /* nothing is left behind */
        task = oneWaitStart(&after);
        CHECK_EQ(write(pair[1], "x", 1), 1);
        oneWaitEnd(task, &after);
        CHECK_EQ(after.status, 0);
        closePair();
    }
    return NULL;
}

/* Goal: a wait that is interrupted or too late leaves nothing behind. */
TEST(Task, givesUp)
{
    both(givesUp);
}

typedef struct Place {
    int in, out, left;
} Place;

static TaskVerdict pass(TaskContext *context, void *env)
{
    Place *place = env;
    char byte;
    CHECK_EQ(taskStatus(context), 0);
    while (place->left > 0) {
        ssize_t n = fdRead(place->in, &byte, 1);
        if (n == -EAGAIN) {
            CHECK_EQ(taskWaitRead(context, place->in), 0);
            return TaskBlocked;
        }
        CHECK_EQ(n, 1);
        CHECK_EQ(fdWrite(place->out, &byte, 1), 1);
        place->left--;
    }
    return TaskDone;
}

static void *goesRound(void *adopted)
{
    int pairs[PLACES][2];
    Place places[PLACES];
    Thread *tasks[PLACES];
    char byte = 'x';
    for (int i = 0; i < PLACES; i++)
        crowdPair(pairs[i], adopted != NULL);
    for (int i = 0; i < PLACES; i++) {
        places[i] = (Place){pairs[i][0], pairs[(i + 1) % PLACES][1], ROUNDS};
        tasks[i] = taskMake(pass, &places[i]);
    }
    CHECK_EQ(fdWrite(pairs[0][1], &byte, 1), 1);
    for (int i = 0; i < PLACES; i++)
        greenJoin(tasks[i]);
    for (int i = 0; i < PLACES; i++) {
        closeFd(pairs[i][0]);
        closeFd(pairs[i][1]);
    }
    return NULL;
}

/* Goal: a byte goes round through fifty tasks. */
TEST(Task, ring)
{
    both(goesRound);
}
