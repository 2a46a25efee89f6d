/* TaskQueueTest.c -- tasks and threads in one MVar's queue: each keeps its turn, whoever leaves. */
#include "rts/MVar.h"
#include "testsuite/support/Tasks.h"

#include <stdio.h>
#include <string.h>

enum { GUESTS = 6 };

#define LONG_NS (INT64_C(3600) * 1000 * 1000 * 1000)

/* One who waits at the MVar: a thread or a task, with a deadline that does not come or without. */
typedef struct Guest {
    MVar *box;
    Thread *thread;
    bool is_task, is_timed, puts;
    OneWait wait; /* a task's */
    int result;   /* a thread's, as is: */
    void *got;
} Guest;

static void *waitGreen(void *env)
{
    Guest *guest = env;
    int64_t deadline_ns = guest->is_timed ? rtsNow() + LONG_NS : INT64_MAX;
    guest->result = guest->puts ? mvarPutUntil(guest->box, guest, deadline_ns)
                                : mvarTakeUntil(guest->box, &guest->got, deadline_ns);
    return guest;
}

static void invite(Guest *guest, MVar *box, uint32_t number, bool puts)
{
    *guest =
        (Guest){.box = box, .puts = puts, .is_task = number % 3 != 0, .is_timed = number % 2 != 0};
    if (guest->is_task) {
        guest->wait =
            (OneWait){.begin = puts ? beginPut : beginTake, .mvar = box, .value = guest, .fd = -1};
        if (guest->is_timed)
            guest->wait.deadline_ns = rtsNow() + LONG_NS;
        guest->thread = oneWaitStart(&guest->wait);
    } else {
        guest->thread = greenFork(waitGreen, guest);
    }
    greenUntil(guest->thread, ThreadBlockedOnMVar);
    CHECK(mvarSane(box));
}

/* Its wait is over, with that result. */
static void seeOff(Guest *guest, int result, void *got)
{
    if (guest->is_task) {
        oneWaitEnd(guest->thread, &guest->wait);
        CHECK_EQ(guest->wait.status, result);
        CHECK_EQ(guest->wait.got, got);
    } else {
        CHECK_EQ(greenJoin(guest->thread), guest);
        CHECK_EQ(guest->result, result);
        CHECK_EQ(guest->got, got);
    }
    CHECK(mvarSane(guest->box));
}

/* Bit i of `leave`: guest i gives up, in this order or the other; the others are served in turn. */
static void serveRest(bool puts, uint32_t leave, bool backwards)
{
    static Guest guests[GUESTS];
    MVar *box = puts ? mvarNew(&guests) : mvarNewEmpty();
    void *last = &guests;
    for (uint32_t i = 0; i < GUESTS; i++)
        invite(&guests[i], box, i, puts);
    for (uint32_t i = 0; i < GUESTS; i++) {
        Guest *guest = &guests[backwards ? GUESTS - 1 - i : i];
        if ((leave >> (guest - guests) & 1) == 0)
            continue;
        CHECK_EQ(threadKill(guest->thread), 0);
        seeOff(guest, -ECANCELED, NULL);
    }
    for (uint32_t i = 0; i < GUESTS; i++) {
        void *taken = NULL;
        if ((leave >> i & 1) != 0)
            continue;
        if (puts) {
            CHECK_EQ(mvarTryTake(box, &taken), 0);
            CHECK_EQ(taken, last);
            last = &guests[i];
        } else {
            CHECK_EQ(mvarTryPut(box, &guests[i]), 0);
        }
        seeOff(&guests[i], 0, puts ? NULL : &guests[i]);
    }
    CHECK_EQ(mvarIsEmpty(box), !puts);
    mvarFree(box);
}

static void *greenTurns(void *env)
{
    (void)env;
    for (int puts = 0; puts < 2; puts++) {
        for (uint32_t leave = 0; leave < 1u << GUESTS; leave++) {
            serveRest(puts != 0, leave, false);
            serveRest(puts != 0, leave, true);
        }
    }
    return NULL;
}

/* Goal: whoever leaves, be it a task or a thread, the others keep their order, and what was brought
 * stays with who brought it.  Method: every subset leaves. */
TEST(TaskQueue, everybodyKeepsItsTurn)
{
    greenRun(1, greenTurns, NULL);
}

static void *greenFreed(void *env)
{
    (void)env;
    static Guest guests[GUESTS];
    MVar *box = mvarNewEmpty();
    for (uint32_t i = 0; i < GUESTS; i++)
        invite(&guests[i], box, i, false);
    mvarFree(box);
    for (uint32_t i = 0; i < GUESTS; i++) {
        guests[i].box = mvarNewEmpty(); /* for the walker */
        seeOff(&guests[i], -EINVAL, NULL);
        mvarFree(guests[i].box);
    }
    return NULL;
}

/* Goal: freeing the MVar ends all waits. */
TEST(TaskQueue, freedUnderThem)
{
    greenRun(1, greenFreed, NULL);
}

static void *greenReaders(void *env)
{
    (void)env;
    MVar *box = mvarNewEmpty();
    OneWait take = {.begin = beginTake, .mvar = box};
    OneWait first = {.begin = beginPeek, .mvar = box};
    OneWait second = {.begin = beginPeek, .mvar = box, .deadline_ns = rtsNow() + LONG_NS};
    OneWait *waits[] = {&take, &first, &second};
    Thread *tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = oneWaitStart(waits[i]);
        greenUntil(tasks[i], ThreadBlockedOnMVar);
        CHECK(mvarSane(box));
    }
    CHECK_EQ(mvarTryPut(box, &take), 0);
    CHECK(mvarIsEmpty(box));
    for (int i = 0; i < 3; i++) {
        oneWaitEnd(tasks[i], waits[i]);
        CHECK_EQ(waits[i]->status, 0);
        CHECK_EQ(waits[i]->got, &take);
    }
    mvarFree(box);
    return NULL;
}

/* Goal: readers go first, and all of them get a copy. */
TEST(TaskQueue, readersGoFirst)
{
    greenRun(1, greenReaders, NULL);
}

static void *greenDescribed(void *env)
{
    (void)env;
    static Guest guests[GUESTS];
    MVar *box = mvarNewEmpty();
    char wanted[64], words[128];
    int length = snprintf(wanted, sizeof wanted, "BlockedOnMVar %p", (void *)box);
    for (uint32_t i = 0; i < GUESTS; i++) {
        invite(&guests[i], box, i, false);
        threadDescribe(guests[i].thread, words, sizeof words);
        CHECK_EQ(strncmp(words, wanted, (size_t)length), 0);
        CHECK_EQ(strstr(words, " until +") != NULL, guests[i].is_timed);
    }
    for (uint32_t i = 0; i < GUESTS; i++) {
        CHECK_EQ(mvarTryPut(box, &guests[i]), 0);
        seeOff(&guests[i], 0, &guests[i]);
    }
    mvarFree(box);
    return NULL;
}

/* Goal: a task in a queue is described as a thread is. */
TEST(TaskQueue, described)
{
    greenRun(1, greenDescribed, NULL);
}
