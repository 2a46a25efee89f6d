/* TMapTest.c -- a map inside of transactions, rule by rule and against a model. */
#include <capri/tmap.h>

#include "testsuite/support/Famine.h"

enum { KEYS = 500, STEPS = 20000 };

static void *V(intptr_t number)
{
    return (void *)number;
}

static bool is_there[KEYS]; /* the model */
static intptr_t stands[KEYS];

typedef struct Use {
    TMap *map;
    intptr_t key, value;
    uint32_t runs;
    intptr_t count, sum, most;
} Use;

/* ---- rules ---- */

static bool addUp(void *env, const void *key, void *value)
{
    Use *it = env;
    it->sum += (intptr_t)key * (intptr_t)value;
    return ++it->count != it->most;
}

static void visitAll(Transaction *tx, Use *it, intptr_t most)
{
    it->sum = it->count = 0;
    it->most = most;
    tmapEach(tx, it->map, addUp, it);
}

static void *useMap(Transaction *tx, void *env)
{
    Use *it = env;
    TMap *map = it->map;
    void *value = NULL;
    CHECK(!tmapLookup(tx, map, V(1), &value));
    CHECK(!tmapDelete(tx, map, V(1)));
    CHECK_EQ(tmapSize(tx, map), 0);
    CHECK(tmapInsert(tx, map, V(1), V(10)));
    CHECK(tmapInsert(tx, map, NULL, NULL)); /* a key and a value like any other */
    CHECK(tmapLookup(tx, map, V(1), &value));
    CHECK_EQ(value, V(10));
    CHECK(tmapLookup(tx, map, NULL, &value));
    CHECK_EQ(value, NULL);
    CHECK(!tmapInsert(tx, map, V(1), V(11)));
    CHECK(!tmapInsertIfAbsent(tx, map, V(1), V(12), &value));
    CHECK_EQ(value, V(11));
    CHECK(!tmapInsertIfAbsent(tx, map, V(1), V(12), NULL));
    CHECK(tmapInsertIfAbsent(tx, map, V(2), V(20), &value));
    CHECK_EQ(tmapSize(tx, map), 3);
    visitAll(tx, it, -1);
    CHECK_EQ(it->count, 3);
    CHECK_EQ(it->sum, 51);
    visitAll(tx, it, 2);
    CHECK_EQ(it->count, 2);
    CHECK(tmapDelete(tx, map, NULL));
    CHECK(!tmapLookup(tx, map, NULL, &value));
    CHECK_EQ(tmapSize(tx, map), 2);
    return NULL;
}

static TMapChange change(void *env, bool present, void **value)
{
    Use *it = env;
    CHECK_EQ(present, it->value != 0);
    CHECK_EQ(*value, V(it->value));
    *value = V(it->value + 1);
    it->value = (intptr_t)*value;
    return (TMapChange)it->count;
}

static void *updateMap(Transaction *tx, void *env)
{
    Use *it = env;
    void *value = NULL;
    it->value = 0;
    for (int i = 1; i <= 3; i++) { /* inserts, then replaces */
        it->count = TMapSet;
        CHECK_EQ(tmapUpdate(tx, it->map, V(7), change, it), TMapSet);
        CHECK(tmapLookup(tx, it->map, V(7), &value));
        CHECK_EQ(value, V(i));
    }
    it->count = TMapKeep;
    CHECK_EQ(tmapUpdate(tx, it->map, V(7), change, it), TMapKeep);
    CHECK(tmapLookup(tx, it->map, V(7), &value));
    CHECK_EQ(value, V(3));
    it->value = 3;
    it->count = TMapRemove;
    CHECK_EQ(tmapUpdate(tx, it->map, V(7), change, it), TMapRemove);
    CHECK(!tmapLookup(tx, it->map, V(7), &value));
    it->value = 0;
    CHECK_EQ(tmapUpdate(tx, it->map, V(7), change, it), TMapRemove); /* it is not there */
    CHECK_EQ(tmapSize(tx, it->map), 2);
    return NULL;
}

static void *noUpdate(Transaction *tx, void *env)
{
    tmapUpdate(tx, ((Use *)env)->map, V(1), NULL, NULL);
    return NULL;
}

static void *noVisit(Transaction *tx, void *env)
{
    tmapEach(tx, ((Use *)env)->map, NULL, NULL);
    return NULL;
}

static void *rules(void *env)
{
    Use it = {.map = tmapNew(NULL)};
    (void)env;
    CHECK_EQ(stmAtomically(useMap, &it, NULL), 0);
    CHECK_EQ(stmAtomically(updateMap, &it, NULL), 0);
    CHECK_EQ(stmAtomically(noUpdate, &it, NULL), -EINVAL);
    CHECK_EQ(stmAtomically(noVisit, &it, NULL), -EINVAL);
    tmapFree(it.map);
    tmapFree(NULL);
    return NULL;
}

TEST(TMap, rules)
{
    CHECK_EQ(tmapNew(NULL), NULL);
    runCounted(rules, 1);
    greenStart(1);
    rules(NULL); /* on a plain OS thread */
    greenStop();
}

/* ---- against a model ---- */

static void checkKey(Transaction *tx, TMap *map, intptr_t key)
{
    void *value = NULL;
    CHECK_EQ(tmapLookup(tx, map, V(key), &value), is_there[key]);
    if (is_there[key])
        CHECK_EQ(value, V(stands[key]));
}

static bool checkPair(void *env, const void *key, void *value)
{
    CHECK_LT((uintptr_t)key, KEYS);
    CHECK(is_there[(uintptr_t)key]);
    CHECK_EQ(value, V(stands[(uintptr_t)key]));
    ++*(intptr_t *)env;
    return true;
}

static void *checkAll(Transaction *tx, void *env)
{
    intptr_t count = 0, visited = 0;
    for (intptr_t key = 0; key < KEYS; key++) {
        checkKey(tx, env, key);
        count += is_there[key];
    }
    CHECK_EQ(tmapSize(tx, env), (size_t)count);
    tmapEach(tx, env, checkPair, &visited);
    CHECK_EQ(visited, count);
    return NULL;
}

static void *stepMap(Transaction *tx, void *env)
{
    intptr_t steps = (intptr_t)(testRandom() % 40);
    for (intptr_t i = 0; i < steps; i++) {
        intptr_t key = (intptr_t)(testRandom() % KEYS), value = (intptr_t)(testRandom() % 1000);
        bool was = is_there[key];
        switch (testRandom() % 4) {
        case 0:
            CHECK_EQ(tmapInsert(tx, env, V(key), V(value)), !was);
            stands[key] = value;
            is_there[key] = true;
            break;
        case 1:
            CHECK_EQ(tmapInsertIfAbsent(tx, env, V(key), V(value), NULL), !was);
            stands[key] = was ? stands[key] : value;
            is_there[key] = true;
            break;
        case 2:
            CHECK_EQ(tmapDelete(tx, env, V(key)), was);
            is_there[key] = false;
            break;
        default:
            checkKey(tx, env, key);
        }
    }
    return NULL;
}

static void *stepAndRetry(Transaction *tx, void *env)
{
    static bool was_there[KEYS];
    static intptr_t stood[KEYS];
    memcpy(was_there, is_there, sizeof is_there);
    memcpy(stood, stands, sizeof stands);
    stepMap(tx, env);
    memcpy(is_there, was_there, sizeof is_there);
    memcpy(stands, stood, sizeof stands);
    stmRetry(tx);
}

static void *stepTwice(Transaction *tx, void *env)
{
    stmOrElse(tx, stepAndRetry, env, stepMap, env);
    return checkAll(tx, env);
}

static void *model(void *env)
{
    TMap *map = tmapNew(NULL);
    (void)env;
    for (uint32_t i = 0; i < greenScale(STEPS / 20); i++)
        CHECK_EQ(stmAtomically(i % 10 == 0 ? stepTwice : stepMap, map, NULL), 0);
    CHECK_EQ(stmAtomically(checkAll, map, NULL), 0);
    tmapFree(map);
    return NULL;
}

TEST(TMap, doesWhatAModelDoes)
{
    runCounted(model, 1);
}

/* ---- in the middle ---- */

static void *insertAndThrow(Transaction *tx, void *env)
{
    Use *it = env;
    for (intptr_t key = 0; key < 200; key++)
        tmapInsert(tx, it->map, V(key), V(key));
    CHECK(tmapDelete(tx, it->map, V(5)));
    CHECK_EQ(tmapSize(tx, it->map), 199);
    stmThrow(tx, -EDOM, NULL);
}

static void *checkEmpty(Transaction *tx, void *env)
{
    Use *it = env;
    visitAll(tx, it, -1);
    CHECK_EQ(it->count, 0);
    CHECK_EQ(tmapSize(tx, it->map), 0);
    return NULL;
}

/* A visit may change the map. */
static bool removeVisited(void *env, const void *key, void *value)
{
    void **both = env;
    (void)value;
    CHECK(tmapDelete(both[0], both[1], key));
    return true;
}

static void *removeAll(Transaction *tx, void *env)
{
    Use *it = env;
    for (intptr_t key = 0; key < 200; key++)
        tmapInsert(tx, it->map, V(key), V(key));
    tmapEach(tx, it->map, removeVisited, (void *[]){tx, it->map});
    return checkEmpty(tx, env);
}

static TMapChange fillUp(void *env, bool present, void **value)
{
    void **both = env;
    CHECK(!present);
    for (intptr_t key = 0; key < 200; key++) /* its bucket is another one now */
        tmapInsert(both[0], both[1], V(key), V(key));
    *value = V(77);
    return TMapSet;
}

static void *updateAndFill(Transaction *tx, void *env)
{
    Use *it = env;
    void *value = NULL;
    tmapUpdate(tx, it->map, V(7), fillUp, (void *[]){tx, it->map});
    CHECK(tmapLookup(tx, it->map, V(7), &value));
    CHECK_EQ(value, V(77));
    CHECK_EQ(tmapSize(tx, it->map), 200);
    return NULL;
}

static void *undone(void *env)
{
    Use it = {.map = tmapNew(NULL)};
    (void)env;
    CHECK_EQ(stmAtomically(insertAndThrow, &it, NULL), -EDOM);
    CHECK_EQ(stmAtomically(checkEmpty, &it, NULL), 0);
    CHECK_EQ(stmAtomically(removeAll, &it, NULL), 0);
    CHECK_EQ(stmAtomically(checkEmpty, &it, NULL), 0);
    CHECK_EQ(stmAtomically(updateAndFill, &it, NULL), 0);
    tmapFree(it.map);
    return NULL;
}

TEST(TMap, isUndoneAndChangedWhileInUse)
{
    runCounted(undone, 1);
}

/* ---- waiting ---- */

static void *awaitKey(Transaction *tx, void *env)
{
    Use *it = env;
    void *value = NULL;
    it->runs++;
    stmCheck(tx, tmapLookup(tx, it->map, V(it->key), &value));
    return value;
}

static void *runAwait(void *env)
{
    void *value = NULL;
    CHECK_EQ(stmAtomically(awaitKey, env, &value), 0);
    return value;
}

static void *insertOne(Transaction *tx, void *env)
{
    Use *it = env;
    tmapInsert(tx, it->map, V(it->key), V(it->value));
    return NULL;
}

static void insert(TMap *map, intptr_t key)
{
    Use it = {.map = map, .key = key, .value = key + 1};
    CHECK_EQ(stmAtomically(insertOne, &it, NULL), 0);
}

static void *waiting(void *env)
{
    Use it = {.map = tmapNew(NULL), .key = -1};
    (void)env;
    for (intptr_t key = 0; key < 1000; key++)
        insert(it.map, key);
    Thread *waiter = greenFork(runAwait, &it);
    greenUntil(waiter, ThreadBlockedOnTVar);
    for (intptr_t key = 0; key < 1000; key++) {
        insert(it.map, key); /* another value */
        greenUntil(waiter, ThreadBlockedOnTVar);
    }
    CHECK_LE(it.runs, 1 + 20); /* as many as are in its bucket */
    insert(it.map, -1);
    CHECK_EQ(greenJoin(waiter), NULL);
    tmapFree(it.map);
    return NULL;
}

TEST(TMap, wakesForTheBucketOnly)
{
    runCounted(waiting, 1);
}

/* ---- many at once: inserts of different keys on two cores ---- */

static void *insertMany(void *env)
{
    Use *it = env;
    for (intptr_t i = 0; i < (intptr_t)greenScale(KEYS); i++)
        insert(it->map, it->key + 2 * i);
    return NULL;
}

static void *checkMany(Transaction *tx, void *env)
{
    Use *it = env;
    void *value = NULL;
    intptr_t count = 2 * (intptr_t)greenScale(KEYS);
    CHECK_EQ(tmapSize(tx, it->map), (size_t)count);
    for (intptr_t key = 0; key < count; key++) {
        CHECK(tmapLookup(tx, it->map, V(key), &value));
        CHECK_EQ(value, V(key + 1));
    }
    return NULL;
}

static void *both(void *env)
{
    Use uses[2] = {{.map = tmapNew(NULL), .key = 0}, {.key = 1}};
    Thread *threads[2];
    (void)env;
    uses[1].map = uses[0].map;
    for (uint32_t i = 0; i < 2; i++)
        CHECK_EQ(threadForkOn(&threads[i], i, insertMany, &uses[i]), 0);
    for (int i = 0; i < 2; i++)
        greenJoin(threads[i]);
    CHECK_EQ(stmAtomically(checkMany, &uses[0], NULL), 0);
    tmapFree(uses[0].map);
    return NULL;
}

TEST(TMap, growsUnderTwoCores)
{
    runCounted(both, 2);
}
