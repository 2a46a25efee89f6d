/* ConditionTest.c -- conditions: no signal is missed, the mutex is held on every return. */
#include "rts/Mutex.h"

#include "testsuite/support/Runtime.h"

typedef struct Shop {
    Mutex *mutex;
    Condition *filled, *emptied;
    uint32_t items, most; /* under the mutex */
    uint32_t rounds;      /* constant */
    uint32_t ready;       /* seq_cst */
} Shop;

static void openShop(Shop *shop, uint32_t rounds)
{
    *shop = (Shop){.mutex = mutexNew(),
                   .filled = conditionNew(),
                   .emptied = conditionNew(),
                   .most = 2,
                   .rounds = rounds};
}

static void closeShop(Shop *shop)
{
    mutexFree(shop->mutex);
    conditionFree(shop->filled);
    conditionFree(shop->emptied);
    conditionFree(NULL);
}

static void *misuse(void *env)
{
    Shop shop;
    (void)env;
    openShop(&shop, 0);
    CHECK_EQ(conditionWait(shop.filled, shop.mutex), -EPERM);
    CHECK_EQ(conditionSignal(shop.filled), 0);
    CHECK_EQ(conditionBroadcast(shop.filled), 0);
    CHECK_EQ(mutexLock(shop.mutex), 0);
    for (int i = 0; i < 3; i++) {
        int64_t deadline_ns = i == 0 ? INT64_MIN : rtsNow() + i * 200000;
        CHECK_EQ(conditionWaitUntil(shop.filled, shop.mutex, deadline_ns), -ETIMEDOUT);
        CHECK_GE(rtsNow(), deadline_ns);
        CHECK_EQ(mutexLock(shop.mutex), -EDEADLK); /* it is held again */
    }
    CHECK_EQ(mutexUnlock(shop.mutex), 0);
    closeShop(&shop);
    return NULL;
}

TEST(Condition, wantsTheMutexHeld)
{
    greenRun(1, misuse, NULL);
    greenStart(1);
    misuse(NULL);
    greenStop();
}

static void *fill(void *env)
{
    Shop *shop = env;
    for (uint32_t i = 0; i < shop->rounds; i++) {
        CHECK_EQ(mutexLock(shop->mutex), 0);
        while (shop->items == shop->most)
            CHECK_EQ(conditionWait(shop->emptied, shop->mutex), 0);
        shop->items++;
        CHECK_EQ(mutexUnlock(shop->mutex), 0);
        CHECK_GE(conditionSignal(shop->filled), 0);
    }
    return NULL;
}

static void *empty(void *env)
{
    Shop *shop = env;
    for (uint32_t i = 0; i < shop->rounds; i++) {
        CHECK_EQ(mutexLock(shop->mutex), 0);
        while (shop->items == 0)
            CHECK_EQ(conditionWaitUntil(shop->filled, shop->mutex, INT64_MAX - (i & 1)), 0);
        shop->items--;
        CHECK_EQ(mutexUnlock(shop->mutex), 0);
        CHECK_GE(conditionSignal(shop->emptied), 0);
    }
    return NULL;
}

static void trade(uint32_t capabilities_wanted, bool plain)
{
    Shop shop;
    greenStart(capabilities_wanted);
    openShop(&shop, greenScale(plain ? 500 : 3000));
    Thread *green[] = {greenFork(fill, &shop), greenFork(empty, &shop), greenFork(fill, &shop)};
    if (plain)
        osJoin(osFork(empty, &shop));
    else
        greenJoin(greenFork(empty, &shop));
    for (int i = 0; i < 3; i++)
        greenJoin(green[i]);
    CHECK_EQ(shop.items, 0);
    closeShop(&shop);
    greenStop();
}

TEST(Condition, missesNoSignal)
{
    trade(1, false);
    trade(2, false);
    trade(2, true);
}

/* ---- broadcast, freeing, cancelling ---------------------------------------------------------- */

static void *awaitAny(void *env)
{
    Shop *shop = env;
    CHECK_EQ(mutexLock(shop->mutex), 0);
    shop->ready++;
    int result = conditionWait(shop->filled, shop->mutex);
    CHECK_EQ(mutexUnlock(shop->mutex), 0); /* held, whatever the result */
    return (void *)(intptr_t)result;
}

static void *wakeAll(void *env)
{
    enum { WAITERS = 4 };
    Thread *threads[WAITERS];
    Shop shop;
    (void)env;
    for (int round = 0; round < 2; round++) {
        openShop(&shop, 0);
        for (int i = 0; i < WAITERS; i++) {
            threads[i] = greenFork(awaitAny, &shop);
            greenUntil(threads[i], ThreadBlockedOnLock);
        }
        if (round == 0) {
            CHECK_EQ(conditionSignal(shop.filled), 1);
            CHECK_EQ((intptr_t)greenJoin(threads[0]), 0); /* the oldest */
            CHECK_EQ(conditionBroadcast(shop.filled), WAITERS - 1);
        } else {
            conditionFree(shop.filled);
            CHECK_EQ((intptr_t)greenJoin(threads[0]), -EINVAL);
            shop.filled = NULL;
        }
        for (int i = 1; i < WAITERS; i++)
            CHECK_EQ((intptr_t)greenJoin(threads[i]), round == 0 ? 0 : -EINVAL);
        closeShop(&shop);
    }
    return NULL;
}

TEST(Condition, wakesOneOrAll)
{
    greenRun(1, wakeAll, NULL);
}

/* Whoever waits when its mutex is freed is told so, though the memory be another object's. */
static void *awaitFreed(void *env)
{
    Shop *shop = env;
    CHECK_EQ(mutexLock(shop->mutex), 0);
    shop->ready = 1;
    return (void *)(intptr_t)conditionWaitUntil(shop->filled, shop->mutex, INT64_MAX - shop->most);
}

/* Who has the mutex after him finds him waiting. */
static void findWaiting(Shop *shop)
{
    for (uint32_t ready = 0; ready == 0; threadYield()) {
        CHECK_EQ(mutexLock(shop->mutex), 0);
        ready = shop->ready;
        CHECK_EQ(mutexUnlock(shop->mutex), 0);
    }
}

static void freeUnder(Thread *green, pthread_t plain, Shop *shop, bool reused)
{
    void *memory = shop->mutex, *value = NULL;
    findWaiting(shop);
    mutexFree(shop->mutex);
    shop->mutex = NULL;
    MVar *mvar = reused ? mvarNew(shop) : NULL;
    CHECK_EQ(mvar, reused ? memory : NULL);
    CHECK_EQ(conditionSignal(shop->filled), 1);
    CHECK_EQ((intptr_t)(green != NULL ? greenJoin(green) : osJoin(plain)), -EINVAL);
    if (reused)
        CHECK_EQ(mvarTryTake(mvar, &value), 0);
    CHECK_EQ(value, reused ? shop : NULL);
    mvarFree(mvar);
}

static void *freeTheMutex(void *env)
{
    for (uint32_t way = 0; way < 4; way++) {
        Shop shop;
        openShop(&shop, 0);
        shop.most = way % 2; /* with a deadline, or without */
        freeUnder(greenFork(awaitFreed, &shop), 0, &shop, way >= 2);
        closeShop(&shop);
    }
    return env;
}

TEST(Condition, isToldThatTheMutexIsFreed)
{
    greenRun(1, freeTheMutex, NULL);
    greenStart(1);
    for (int reused = 0; reused < 2; reused++) {
        Shop shop;
        openShop(&shop, 0);
        freeUnder(NULL, osFork(awaitFreed, &shop), &shop, reused);
        closeShop(&shop);
    }
    greenStop();
}

static void *awaitCancelled(void *env)
{
    CHECK_EQ((intptr_t)awaitAny(env), -ECANCELED);
    return NULL;
}

static void *awaitOutside(void *env)
{
    Shop *shop = env;
    CHECK_EQ(mutexLock(shop->mutex), 0);
    shop->ready++;
    CHECK_EQ(conditionWait(shop->filled, shop->mutex), -ECANCELED); /* that is the end of it */
    return NULL;
}

TEST(Condition, cancellingGivesTheMutexBack)
{
    enum { WAITERS = 6 };
    Shop shop;
    greenStart(2);
    openShop(&shop, 0);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(threadFork(NULL, awaitCancelled, &shop), 0);
    pthread_t plain = osFork(awaitOutside, &shop);
    for (uint32_t ready = 0; ready != WAITERS + 1;) {
        CHECK_EQ(mutexLock(shop.mutex), 0);
        ready = shop.ready;
        CHECK_EQ(mutexUnlock(shop.mutex), 0);
    }
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    osJoin(plain);
}
