/* BucketsTest.c -- the table of a TMap: splitting, hints that are old, who disturbs whom. */
#include "rts/stm/Buckets.h"

#include "testsuite/support/Famine.h"

enum { MANY = 3000 };

typedef struct Use {
    Buckets buckets;
    uint64_t hash;
    size_t size;
    uint32_t runs;   /* attempts */
    uint32_t go;     /* relaxed */
    uint64_t others; /* hashes that are changed meanwhile */
    intptr_t visited, most;
} Use;

static bool isThere(Transaction *tx, Use *it, uint64_t hash, BucketPlace *place, uint32_t *index)
{
    CHECK_EQ(bucketsFind(tx, &it->buckets, hash, place), 0);
    for (*index = 0; *index < place->bucket->count; ++*index) {
        if (place->bucket->entries[*index].hash == hash)
            return true;
    }
    return false;
}

static void *addHash(Transaction *tx, void *env)
{
    Use *it = env;
    BucketPlace place;
    Entry entry = {it->hash, NULL, NULL};
    if (bucketsFind(tx, &it->buckets, it->hash, &place) != 0 ||
        bucketsAdd(tx, &it->buckets, &place, &entry) != 0)
        stmLeave(tx);
    return NULL;
}

static void *removeHash(Transaction *tx, void *env)
{
    Use *it = env;
    BucketPlace place;
    uint32_t index;
    CHECK(isThere(tx, it, it->hash, &place, &index));
    if (bucketsRemove(tx, &it->buckets, &place, index) != 0)
        stmLeave(tx);
    return NULL;
}

static void *checkSane(Transaction *tx, void *env)
{
    Use *it = env;
    bool sane;
    if (bucketsSane(tx, &it->buckets, &sane) != 0 || bucketsSize(tx, &it->buckets, &it->size) != 0)
        stmLeave(tx);
    CHECK(sane);
    return NULL;
}

static void add(Use *it, uint64_t hash)
{
    it->hash = hash;
    CHECK_EQ(stmAtomically(addHash, it, NULL), 0);
}

static size_t sizeOf(Use *it)
{
    CHECK_EQ(stmAtomically(checkSane, it, NULL), 0);
    return it->size;
}

static void forget(void *env, const Entry *entry)
{
    (void)entry;
    ++*(size_t *)env;
}

static void closeAll(Use *it)
{
    size_t closed = 0, size = sizeOf(it);
    bucketsClose(&it->buckets, forget, &closed);
    CHECK_EQ(closed, size);
}

/* ---- growing ---- */

static void *findAll(Transaction *tx, void *env)
{
    Use *it = env;
    BucketPlace place;
    uint32_t index;
    for (uint64_t i = 0; i < MANY; i++) {
        CHECK(isThere(tx, it, i, &place, &index));
        CHECK(!isThere(tx, it, i + (1 << 20), &place, &index));
    }
    return NULL;
}

static void *grow(void *env)
{
    Use it = {0};
    (void)env;
    CHECK_EQ(bucketsOpen(&it.buckets), 0);
    CHECK_EQ(sizeOf(&it), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        add(&it, i);
        if (i % 500 == 0)
            CHECK_EQ(sizeOf(&it), i + 1);
    }
    uint32_t level = it.buckets.level;
    CHECK_GE(level, 9); /* 2 * 2^10 entries, or more, per level */
    CHECK_LE(level, 11);
    for (uint32_t hint = 0; hint < BUCKETS_LEVELS; hint++) { /* any hint will do */
        it.buckets.level = hint;
        CHECK_EQ(stmAtomically(findAll, &it, NULL), 0);
    }
    it.buckets.level = level;
    for (it.hash = 0; it.hash < MANY; it.hash += 2)
        CHECK_EQ(stmAtomically(removeHash, &it, NULL), 0);
    CHECK_EQ(sizeOf(&it), MANY / 2);
    closeAll(&it);
    return NULL;
}

TEST(Buckets, splitAndAreFoundByAnyHint)
{
    runCounted(grow, 1);
}

/* Goal: hashes that agree make no more buckets than others would. */
static void *sameHash(void *env)
{
    Use it = {0};
    (void)env;
    CHECK_EQ(bucketsOpen(&it.buckets), 0);
    for (int i = 0; i < 200; i++)
        add(&it, 77);
    CHECK_LE(it.buckets.level, 7);
    CHECK_EQ(sizeOf(&it), 200);
    for (uint64_t i = 0; i < 200; i++)
        add(&it, i << 20); /* agree in all bits that are looked at */
    CHECK_LE(it.buckets.level, 8);
    CHECK_EQ(sizeOf(&it), 400);
    closeAll(&it);
    return NULL;
}

TEST(Buckets, equalHashesMakeOneLongBucket)
{
    runCounted(sameHash, 1);
}

/* ---- undone ---- */

static void *addMany(Transaction *tx, void *env)
{
    Use *it = env;
    for (it->hash = 0; it->hash < 300; it->hash++)
        addHash(tx, it);
    checkSane(tx, it);
    return NULL;
}

static void *addAndThrow(Transaction *tx, void *env)
{
    addMany(tx, env);
    stmThrow(tx, -EDOM, NULL);
}

static void *addAndRetry(Transaction *tx, void *env)
{
    addMany(tx, env);
    stmRetry(tx);
}

static void *addTwice(Transaction *tx, void *env)
{
    return stmOrElse(tx, addAndRetry, env, addMany, env);
}

static void *undone(void *env)
{
    Use it = {0};
    (void)env;
    CHECK_EQ(bucketsOpen(&it.buckets), 0);
    CHECK_EQ(stmAtomically(addAndThrow, &it, NULL), -EDOM);
    CHECK_EQ(sizeOf(&it), 0); /* variables of buckets that are not born stay */
    CHECK_EQ(stmAtomically(addTwice, &it, NULL), 0);
    CHECK_EQ(sizeOf(&it), 300);
    CHECK_EQ(stmAtomically(addAndThrow, &it, NULL), -EDOM);
    CHECK_EQ(sizeOf(&it), 300);
    closeAll(&it);
    return NULL;
}

TEST(Buckets, splitsAreUndone)
{
    runCounted(undone, 1);
}

/* ---- who disturbs whom ---- */

static void *awaitHash(Transaction *tx, void *env)
{
    Use *it = env;
    BucketPlace place;
    uint32_t index;
    it->runs++;
    stmCheck(tx, isThere(tx, it, it->hash, &place, &index));
    return NULL;
}

static void *runAwait(void *env)
{
    CHECK_EQ(stmAtomically(awaitHash, env, NULL), 0);
    return NULL;
}

static void *addOther(Transaction *tx, void *env)
{
    Use other = {.hash = ((Use *)env)->others};
    BucketPlace place;
    Entry entry = {other.hash, NULL, NULL};
    if (bucketsFind(tx, &((Use *)env)->buckets, other.hash, &place) != 0 ||
        bucketsAdd(tx, &((Use *)env)->buckets, &place, &entry) != 0)
        stmLeave(tx);
    return NULL;
}

/* Goal: hashes 1 to 7 of 8 buckets, then growth beyond, do not wake who waits for hash 0. */
static void *wakes(void *env)
{
    Use it = {.hash = 0};
    (void)env;
    CHECK_EQ(bucketsOpen(&it.buckets), 0);
    for (it.others = 8; it.others < 48; it.others++)
        CHECK_EQ(stmAtomically(addOther, &it, NULL), 0);
    Thread *waiter = greenFork(runAwait, &it);
    greenUntil(waiter, ThreadBlockedOnTVar);
    for (it.others = 48; it.others < 1000; it.others++) {
        if (it.others % 8 != 0)
            CHECK_EQ(stmAtomically(addOther, &it, NULL), 0);
    }
    greenUntil(waiter, ThreadBlockedOnTVar);
    CHECK_EQ(it.runs, 1);
    it.others = 0;
    CHECK_EQ(stmAtomically(addOther, &it, NULL), 0);
    greenJoin(waiter);
    CHECK_EQ(it.runs, 2);
    closeAll(&it);
    return NULL;
}

TEST(Buckets, wakeForTheirOwnHashesOnly)
{
    runCounted(wakes, 1);
}

static void *addSlowly(Transaction *tx, void *env)
{
    Use *it = env;
    it->runs++;
    addHash(tx, it);
    if (it->runs == 1)
        RELAXED_STORE(&it->go, 1);
    while (RELAXED_LOAD(&it->go) != 2) /* another commits meanwhile */
        SMP_PAUSE();
    return NULL;
}

static void *runSlowly(void *env)
{
    CHECK_EQ(stmAtomically(addSlowly, env, NULL), 0);
    return NULL;
}

/* Attempts of adding `hash`, while others are added on another core. */
static uint32_t attempts(Use *it, uint64_t hash, uint64_t first, uint64_t end)
{
    Thread *slow;
    it->hash = hash;
    it->runs = 0;
    RELAXED_STORE(&it->go, 0);
    CHECK_EQ(threadForkOn(&slow, 1, runSlowly, it), 0);
    while (RELAXED_LOAD(&it->go) == 0)
        threadYield();
    for (it->others = first; it->others < end; it->others++) {
        if (it->others % 8 != hash % 8 || end == first + 1)
            CHECK_EQ(stmAtomically(addOther, it, NULL), 0);
    }
    RELAXED_STORE(&it->go, 2);
    greenJoin(slow);
    return it->runs;
}

static void *disturb(void *env)
{
    Use it = {0};
    (void)env;
    CHECK_EQ(bucketsOpen(&it.buckets), 0);
    for (it.others = 8; it.others < 48; it.others++)
        CHECK_EQ(stmAtomically(addOther, &it, NULL), 0);
    CHECK_EQ(attempts(&it, 0, 48, 1000), 1); /* growth, too */
    CHECK_EQ(attempts(&it, 1000, 1000, 1001), 2);
    sizeOf(&it);
    closeAll(&it);
    return NULL;
}

static void *pinned(void *env)
{
    Thread *thread;
    CHECK_EQ(threadForkOn(&thread, 0, disturb, env), 0);
    return greenJoin(thread);
}

TEST(Buckets, disturbTheirOwnHashesOnly)
{
    runCounted(pinned, 2);
}

/* ---- no memory ---- */

static void *noMemory(void *env)
{
    Use it = {0};
    int status;
    for (Famine famine = famineFirst(env); famineNext(&famine);) {
        famineBegin(&famine);
        status = bucketsOpen(&it.buckets);
        famineEnd(&famine, status == 0);
        if (status == 0)
            closeAll(&it);
        else
            CHECK_EQ(status, -ENOMEM);
    }
    CHECK_EQ(bucketsOpen(&it.buckets), 0);
    for (uint64_t i = 0; i < greenScale(40) + 10; i++) { /* each splits something, or not */
        for (Famine famine = famineFirst(env); famineNext(&famine);) {
            size_t size = sizeOf(&it);
            it.hash = i * 3;
            famineBegin(&famine);
            status = stmAtomically(addHash, &it, NULL);
            famineEnd(&famine, status == 0);
            CHECK_EQ(sizeOf(&it), size + (status == 0));
            if (status != 0)
                CHECK_EQ(status, -ENOMEM);
            CHECK(!famine.over || famine.failures >= 2);
        }
    }
    closeAll(&it);
    return NULL;
}

TEST(Buckets, noMemoryChangesNothing)
{
    runCounted(noMemory, 1);
}
