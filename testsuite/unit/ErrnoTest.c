/* ErrnoTest.c -- capri/errno.h names the errno of the OS thread one is on now. */
#include "testsuite/support/Runtime.h"

#include <capri/errno.h>

#include <fcntl.h>

TEST(Errno, isTheOneOfTheOsThread)
{
    errno = 0;
    CHECK_EQ(errnoLocation(), __errno_location());
    CHECK_EQ(close(-1), -1);
    CHECK_EQ(errno, EBADF);
    errno = 42;
    CHECK_EQ(*__errno_location(), 42);
}

/* ---- after a move ---------------------------------------------------------------------------- */

/* Two threads, each pinned to a capability of its own, answer in turn; who is woken by an answer
 * goes on where it was given. */
static TVar *requests[2], *answers;
static bool over; /* the roaming thread stores before its last requests */

static void *answerHere(void *env)
{
    TVar *request = env;
    for (uint64_t seen = 0;;) {
        CHECK_EQ(tvarAwait(request, seen), 0);
        tvarReadVersionIO(request, &seen);
        if (RELAXED_LOAD(&over))
            return NULL;
        CHECK_EQ(tvarWriteIO(answers, NULL), 0);
    }
}

static void goTo(int capability)
{
    uint64_t seen;
    tvarReadVersionIO(answers, &seen);
    CHECK_EQ(tvarWriteIO(requests[capability], NULL), 0);
    CHECK_EQ(tvarAwait(answers, seen), 0);
}

/* One function holds all of it, so that a compiler is tempted to fetch the address but once.
 * Returns the line that went wrong, or 0. */
static void *failAndMove(void *env)
{
    uint32_t wanted = *(uint32_t *)env;
    for (uint32_t round = 0, moves = 0; moves < wanted; round++) {
        int before = threadCapability();
        errno = 0;
        if (close(-1) != -1 || errno != EBADF)
            return (void *)(intptr_t)__LINE__;
        goTo((int)(round % 2));
        errno = 0;
        if (open("/no such file", O_RDONLY | O_CLOEXEC) != -1 || errno != ENOENT)
            return (void *)(intptr_t)__LINE__;
        int *here = &errno;
        errno = (int)(round % 100) + 1;
        if (*errnoLocation() != (int)(round % 100) + 1)
            return (void *)(intptr_t)__LINE__;
        int after = threadCapability();
        moves += after != before;
        goTo((int)(round % 2 == 0));
        int last = threadCapability();
        moves += last != after;
        if (last != after && &errno == here)
            return (void *)(intptr_t)__LINE__; /* another OS thread, and yet the same errno */
    }
    RELAXED_STORE(&over, true);
    CHECK_EQ(tvarWriteIO(requests[0], NULL), 0);
    CHECK_EQ(tvarWriteIO(requests[1], NULL), 0);
    return NULL;
}

TEST(Errno, isRightAfterMoving)
{
    uint32_t wanted = greenScale(100);
    Thread *pinned[2];
    greenStart(2);
    over = false;
    answers = tvarNew(NULL);
    for (uint32_t i = 0; i < 2; i++) {
        requests[i] = tvarNew(NULL);
        CHECK_EQ(threadForkOn(&pinned[i], i, answerHere, requests[i]), 0);
    }
    CHECK_EQ((intptr_t)greenJoin(greenFork(failAndMove, &wanted)), 0);
    for (int i = 0; i < 2; i++) {
        greenJoin(pinned[i]);
        tvarFree(requests[i]);
    }
    tvarFree(answers);
    greenStop();
}
