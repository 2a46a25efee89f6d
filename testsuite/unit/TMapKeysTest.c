/* TMapKeysTest.c -- what a map's keys are, and who frees keys and values; without jumps. */
#include <capri/tmap.h>

#include "testsuite/support/Famine.h"

static void *V(intptr_t number)
{
    return (void *)number;
}

/* A key or value of ours: how often it was freed. */
typedef struct Thing {
    int name;
    uint32_t freed, copies;
} Thing;

typedef struct Use {
    TMap *map;
    const void *key;
    void *value;
    Thing things[4];
} Use;

static void *insertIt(Transaction *tx, void *env)
{
    Use *it = env;
    return V(tmapInsert(tx, it->map, it->key, it->value));
}

static void *deleteIt(Transaction *tx, void *env)
{
    Use *it = env;
    return V(tmapDelete(tx, it->map, it->key));
}

static void *lookupIt(Transaction *tx, void *env)
{
    Use *it = env;
    void *value = NULL;
    return tmapLookup(tx, it->map, it->key, &value) ? value : V(-1);
}

static void *run(StmAction *action, Use *it, const void *key, void *value)
{
    void *result = NULL;
    it->key = key;
    it->value = value;
    CHECK_EQ(stmAtomically(action, it, &result), 0);
    return result;
}

/* ---- bytes ---- */

static bool checkBytes(void *env, const void *key, void *value)
{
    const TMapBytes *bytes = key;
    CHECK_EQ((intptr_t)bytes->size, (intptr_t)value);
    ++*(int *)env;
    return true;
}

static void *visitBytes(Transaction *tx, void *env)
{
    int count = 0;
    tmapEach(tx, ((Use *)env)->map, checkBytes, &count);
    return V(count);
}

static void *bytes(void *env)
{
    Use it = {.map = tmapNew(&(TMapConfig){.bytes = true})};
    char name[16];
    (void)env;
    TMapBytes key = {name, 0};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 200; i++) { /* 'a' .., of each length; none of them outlives */
            key.size = i % 16;
            memset(name, 'a' + (int)i / 16, sizeof name);
            CHECK_EQ(run(insertIt, &it, &key, V((intptr_t)key.size)),
                     V(round == 0 && (i == 0 || key.size != 0)));
        }
    }
    CHECK_EQ(run(visitBytes, &it, NULL, NULL), V(200 - 12));
    CHECK_EQ(run(lookupIt, &it, &(TMapBytes){"aaa", 3}, NULL), V(3));
    CHECK_EQ(run(lookupIt, &it, &(TMapBytes){NULL, 0}, NULL), V(0));
    CHECK_EQ(run(lookupIt, &it, &(TMapBytes){"aab", 3}, NULL), V(-1));
    CHECK_EQ(run(deleteIt, &it, &(TMapBytes){"bbbbb", 5}, NULL), V(true));
    CHECK_EQ(run(lookupIt, &it, &(TMapBytes){"bbbbb", 5}, NULL), V(-1));
    CHECK_EQ(run(lookupIt, &it, &(TMapBytes){"bbbb", 4}, NULL), V(4));
    tmapFree(it.map);
    return NULL;
}

TEST(TMapKeys, bytesAreCopied)
{
    runCounted(bytes, 1);
}

/* ---- a hash of ours, and things that are freed ---- */

static uint64_t hashThing(const void *key, uint64_t seed)
{
    (void)seed;
    return (uint64_t)((const Thing *)key)->name / 2; /* pairs collide */
}

static bool sameThing(const void *left, const void *right)
{
    return ((const Thing *)left)->name == ((const Thing *)right)->name;
}

static void freeThing(void *thing)
{
    ((Thing *)thing)->freed++;
}

static const TMapConfig things = {
    .hash = hashThing, .equal = sameThing, .free_key = freeThing, .free_value = freeThing};

static void checkFreed(const Use *it, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    runQuiescent();
    CHECK_EQ(it->things[0].freed, a);
    CHECK_EQ(it->things[1].freed, b);
    CHECK_EQ(it->things[2].freed, c);
    CHECK_EQ(it->things[3].freed, d);
}

static void *insertAndThrow(Transaction *tx, void *env)
{
    insertIt(tx, env);
    deleteIt(tx, env);
    stmThrow(tx, -EDOM, NULL);
}

static void *owned(void *env)
{
    Use it = {.map = tmapNew(&things), .things = {{.name = 6}, {.name = 6}, {.name = 7}}};
    Thing *all = it.things;
    (void)env;
    it.key = &all[0];
    it.value = &all[2];
    CHECK_EQ(stmAtomically(insertAndThrow, &it, NULL), -EDOM);
    checkFreed(&it, 0, 0, 0, 0); /* still the caller's */
    CHECK_EQ(run(insertIt, &it, &all[0], &all[2]), V(true));
    CHECK_EQ(run(insertIt, &it, &all[1], &all[2]), V(false)); /* the same value stays */
    checkFreed(&it, 0, 0, 0, 0);
    CHECK_EQ(run(insertIt, &it, &all[1], &all[3]), V(false)); /* and key 0 */
    checkFreed(&it, 0, 0, 1, 0);
    CHECK_EQ(stmAtomically(insertAndThrow, &it, NULL), -EDOM);
    checkFreed(&it, 0, 0, 1, 0);
    CHECK_EQ(run(lookupIt, &it, &all[2], NULL), V(-1)); /* same hash, another name */
    CHECK_EQ(run(deleteIt, &it, &all[1], NULL), V(true));
    checkFreed(&it, 1, 0, 1, 1);
    CHECK_EQ(run(insertIt, &it, &all[1], &all[3]), V(true));
    CHECK_EQ(run(insertIt, &it, &all[2], &all[3]), V(true));
    tmapFree(it.map);
    checkFreed(&it, 1, 1, 2, 3);
    return NULL;
}

TEST(TMapKeys, areFreedOnceNobodyHoldsThem)
{
    runCounted(owned, 1);
}

/* ---- copied by us ---- */

static Thing *stock; /* copies come from here; NULL: none left */

static void *copyThing(const void *key)
{
    Thing *copy = stock;
    if (copy == NULL)
        return NULL;
    copy->name = ((const Thing *)key)->name;
    copy->copies++;
    return copy;
}

static void *copied(void *env)
{
    Use it = {.things = {{.name = 0}, {.name = 5}}};
    TMapConfig config = things;
    (void)env;
    config.copy_key = copyThing;
    config.free_value = NULL;
    it.map = tmapNew(&config);
    it.key = &it.things[1];
    stock = NULL;
    CHECK_EQ(stmAtomically(insertIt, &it, NULL), -ENOMEM);
    stock = &it.things[0];
    CHECK_EQ(stmAtomically(insertAndThrow, &it, NULL), -EDOM);
    checkFreed(&it, 1, 0, 0, 0); /* the copy of what was undone */
    CHECK_EQ(run(insertIt, &it, &it.things[1], V(1)), V(true));
    CHECK_EQ(run(insertIt, &it, &it.things[1], V(2)), V(false)); /* no copy */
    CHECK_EQ(it.things[0].copies, 2);
    CHECK_EQ(run(deleteIt, &it, &it.things[1], NULL), V(true));
    checkFreed(&it, 2, 0, 0, 0);
    tmapFree(it.map);
    checkFreed(&it, 2, 0, 0, 0);
    return NULL;
}

TEST(TMapKeys, copiesAreFreedIfUndone)
{
    runCounted(copied, 1);
}

/* ---- contradictions ---- */

static void *makeBad(Transaction *tx, void *env)
{
    return tmapNewSTM(tx, env);
}

static void *contradict(void *env)
{
    TMapConfig bad[] = {{.hash = hashThing},
                        {.equal = sameThing},
                        {.copy_key = copyThing},
                        {.bytes = true, .free_key = freeThing},
                        {.bytes = true, .hash = hashThing, .equal = sameThing}};
    (void)env;
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQ(tmapNew(&bad[i]), NULL);
        CHECK_EQ(stmAtomically(makeBad, &bad[i], NULL), -EINVAL);
    }
    return NULL;
}

TEST(TMapKeys, contradictionsAreRefused)
{
    runCounted(contradict, 1);
}

/* ---- no memory ---- */

static void *useInside(Transaction *tx, void *env)
{
    Use *it = env;
    TMap *map = tmapNewSTM(tx, &(TMapConfig){.bytes = true, .free_value = freeThing});
    void *value;
    CHECK(tmapInsert(tx, map, &(TMapBytes){"key", 3}, &it->things[0]));
    CHECK(!tmapInsert(tx, map, &(TMapBytes){"key", 3}, &it->things[1]));
    CHECK(tmapInsert(tx, map, &(TMapBytes){"other", 5}, &it->things[2]));
    CHECK(tmapDelete(tx, map, &(TMapBytes){"key", 3}));
    CHECK(tmapLookup(tx, map, &(TMapBytes){"other", 5}, &value));
    CHECK_EQ(value, &it->things[2]);
    tmapFreeSTM(tx, map);
    tmapFreeSTM(tx, NULL);
    return NULL;
}

static void *useAndRetry(Transaction *tx, void *env)
{
    useInside(tx, env);
    stmRetry(tx);
}

static void *useTwice(Transaction *tx, void *env)
{
    return stmOrElse(tx, useAndRetry, env, useInside, env);
}

static void *noMemory(void *env)
{
    TMap *map = NULL;
    for (Famine famine = famineFirst(env); famineNext(&famine);) {
        famineBegin(&famine);
        map = tmapNew(NULL);
        famineEnd(&famine, map != NULL);
        tmapFree(map);
        CHECK(!famine.over || famine.failures >= 1);
    }
    for (Famine famine = famineFirst(env); famineNext(&famine);) {
        Use it = {0};
        famineBegin(&famine);
        int status = stmAtomically(useTwice, &it, NULL);
        famineEnd(&famine, status == 0);
        uint32_t freed = status == 0;
        if (status != 0)
            CHECK_EQ(status, -ENOMEM);
        checkFreed(&it, freed, freed, freed, 0);
        CHECK(!famine.over || famine.failures >= 6);
    }
    return NULL;
}

TEST(TMapKeys, noMemoryChangesNothing)
{
    runCounted(noMemory, 1);
}

/* ---- without jumps ---- */

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (try_status != 0)                                                                       \
            return try_status;                                                                     \
    } while (0)

static bool countPair(void *env, const void *key, void *value)
{
    (void)key, (void)value;
    ++*(size_t *)env;
    return true;
}

static TMapChange setNine(void *env, bool present, void **value)
{
    (void)env;
    CHECK(present);
    *value = V(9);
    return TMapSet;
}

static int useStatuses(Transaction *tx, void *env)
{
    TMap *map;
    void *value = NULL;
    bool yes;
    size_t size, count = 0;
    TMapChange change;
    (void)env;
    TRY(tmapNewStatus(tx, NULL, &map));
    TRY(tmapInsertStatus(tx, map, V(1), V(2), &yes));
    CHECK(yes);
    TRY(tmapInsertIfAbsentStatus(tx, map, V(1), V(3), &value, &yes));
    CHECK(!yes);
    TRY(tmapUpdateStatus(tx, map, V(1), setNine, NULL, &change));
    CHECK_EQ(change, TMapSet);
    TRY(tmapLookupStatus(tx, map, V(1), &value, &yes));
    CHECK_EQ(value, V(9));
    TRY(tmapSizeStatus(tx, map, &size));
    TRY(tmapEachStatus(tx, map, countPair, &count));
    CHECK_EQ(size, count);
    TRY(tmapDeleteStatus(tx, map, V(1), &yes));
    CHECK(yes);
    TRY(tmapFreeStatus(tx, map));
    CHECK_NE(stmRetryStatus(tx), 0);
    CHECK_NE(tmapInsertStatus(tx, map, V(1), V(2), &yes), 0); /* it is over */
    CHECK_NE(tmapLookupStatus(tx, map, V(1), &value, &yes), 0);
    CHECK_NE(tmapDeleteStatus(tx, map, V(1), &yes), 0);
    CHECK_NE(tmapUpdateStatus(tx, map, V(1), setNine, NULL, &change), 0);
    CHECK_NE(tmapSizeStatus(tx, map, &size), 0);
    CHECK_NE(tmapEachStatus(tx, map, countPair, &count), 0);
    CHECK_NE(tmapNewStatus(tx, NULL, &map), 0);
    return 0;
}

static void *statuses(void *env)
{
    (void)env;
    CHECK_EQ(stmAtomicallyStatus(useStatuses, NULL, NULL, 0), -ETIMEDOUT);
    return NULL;
}

TEST(TMapKeys, statuses)
{
    runCounted(statuses, 1);
}
