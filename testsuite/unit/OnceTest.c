/* OnceTest.c -- computed once, by one; who fails is followed by the next. */
#include "rts/Thread.h"

#include "testsuite/support/Runtime.h"

typedef struct Lazy {
    Once *once;
    Barrier *begun; /* met by a computation when it begins, and by who lets it */
    Barrier *go;
    uint32_t calls; /* relaxed add */
    int fail;       /* how many computations fail: atomic add */
} Lazy;

static int compute(void *env, void **value)
{
    Lazy *lazy = env;
    ADD_RELAXED(&lazy->calls, 1);
    if (lazy->begun != NULL) {
        CHECK_GE(barrierWait(lazy->begun), 0);
        CHECK_GE(barrierWait(lazy->go), 0);
    }
    if (lazy->fail > 0) {
        lazy->fail--;
        return -EIO;
    }
    *value = lazy;
    return 0;
}

static int recur(void *env, void **value)
{
    Lazy *lazy = env;
    CHECK_EQ(onceGet(lazy->once, compute, lazy, value), -EDEADLK);
    return -EDOM;
}

static void *getOnce(void *env)
{
    Lazy *lazy = env;
    void *value = NULL;
    int result = onceGet(lazy->once, compute, lazy, &value);
    CHECK_EQ(value, result == 0 ? (void *)lazy : NULL);
    return (void *)(intptr_t)result;
}

static void *alone(void *env)
{
    Lazy lazy = {.once = onceNew(), .fail = 1};
    (void)env;
    CHECK_EQ(onceGet(lazy.once, recur, &lazy, NULL), -EDOM);
    CHECK_EQ(lazy.calls, 0);
    CHECK_EQ((intptr_t)getOnce(&lazy), -EIO);
    CHECK_EQ((intptr_t)getOnce(&lazy), 0);
    CHECK_EQ((intptr_t)getOnce(&lazy), 0);
    CHECK_EQ(onceGetUntil(lazy.once, compute, &lazy, NULL, INT64_MIN), 0);
    CHECK_EQ(lazy.calls, 2);
    onceFree(lazy.once);
    onceFree(NULL);
    return NULL;
}

TEST(Once, computesOnce)
{
    CHECK_EQ(onceNew(), NULL);
    greenRun(1, alone, NULL);
    greenStart(1);
    alone(NULL);
    greenStop();
}

/* `fail` computations fail, each is followed by the next of those who wait. */
static void *wantTogether(void *env)
{
    enum { WANT = 4 };
    Thread *threads[WANT];
    int fails = *(int *)env;
    Lazy lazy = {.once = onceNew(), .begun = barrierNew(2), .go = barrierNew(2), .fail = fails};
    threads[0] = greenFork(getOnce, &lazy);
    CHECK_GE(barrierWait(lazy.begun), 0);
    for (int i = 1; i < WANT; i++) {
        threads[i] = greenFork(getOnce, &lazy);
        greenUntil(threads[i], ThreadBlockedOnLock);
    }
    CHECK_EQ(onceGetUntil(lazy.once, compute, &lazy, NULL, rtsNow() + MS_NS), -ETIMEDOUT);
    for (int i = 0; i < fails; i++) {
        CHECK_GE(barrierWait(lazy.go), 0);
        CHECK_EQ((intptr_t)greenJoin(threads[i]), -EIO); /* told to whose it was, in order */
        CHECK_GE(barrierWait(lazy.begun), 0);
    }
    CHECK_GE(barrierWait(lazy.go), 0);
    for (int i = fails; i < WANT; i++)
        CHECK_EQ((intptr_t)greenJoin(threads[i]), 0);
    CHECK_EQ(lazy.calls, (uint32_t)fails + 1);
    onceFree(lazy.once);
    barrierFree(lazy.begun);
    barrierFree(lazy.go);
    return NULL;
}

TEST(Once, isFollowedByTheNext)
{
    for (int fails = 0; fails < 4; fails++)
        greenRun(1, wantTogether, &fails);
}

TEST(Once, isComputedByOneOfMany)
{
    enum { WANT = 8 };
    greenStart(2);
    for (uint32_t round = 0; round < greenScale(200); round++) {
        Thread *threads[WANT];
        Lazy lazy = {.once = onceNew()};
        for (int i = 0; i < WANT; i++)
            threads[i] = greenFork(getOnce, &lazy);
        CHECK_EQ((intptr_t)getOnce(&lazy), 0);
        for (int i = 0; i < WANT; i++)
            CHECK_EQ((intptr_t)greenJoin(threads[i]), 0);
        CHECK_EQ(lazy.calls, 1);
        onceFree(lazy.once);
    }
    greenStop();
}
