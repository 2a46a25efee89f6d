/* MapStorm.c -- a TMap under green threads and a plain OS thread: it is what a model of itself says
 * in every single attempt, tokens that move between its keys are conserved, and nothing is freed
 * too early, twice or never.
 */
#include "internal/SMP.h"
#include "testsuite/support/Crowd.h"

#include <capri/capri.h>

enum { THREADS = 6, KEYS = 192, TOKENS = 64 };

static uint64_t seed_index; /* relaxed add */

static uint64_t drawSeed(void)
{
    return crowdSeed(ADD_RELAXED(&seed_index, 1));
}

static void *V(uintptr_t number)
{
    return (void *)number;
}

/* ---- a map and its model ---- */

static struct {
    TMap *map;
    TArray *model; /* NULL, or what stands under the key */
    int64_t end_ns;
    uint64_t attempts; /* relaxed add */
    uint64_t freed;    /* values; relaxed add */
    uint64_t made;     /* likewise */
} maps;

/* Values are memory, so that a tool sees one that is used too late. */
typedef struct Value {
    uintptr_t key, check;
} Value;

static void freeValue(void *env)
{
    Value *value = env;
    CHECK_EQ(value->check, ~value->key);
    value->check = 0;
    ADD_RELAXED(&maps.freed, 1);
    free(value);
}

static void freeUnused(void *value)
{
    freeValue(value);
}

static Value *makeValue(Transaction *tx, uintptr_t key)
{
    Value *value = malloc(sizeof *value);
    CHECK(value != NULL);
    *value = (Value){key, ~key};
    ADD_RELAXED(&maps.made, 1);
    stmOnAbort(tx, freeUnused, value);
    return value;
}

static void checkKey(Transaction *tx, uintptr_t key)
{
    void *value = NULL, *model = tarrayRead(tx, maps.model, key);
    char name[24];
    TMapBytes bytes = {name, (size_t)snprintf(name, sizeof name, "key %zu", (size_t)key)};
    bool found = tmapLookup(tx, maps.map, &bytes, &value);
    CHECK_EQ(found, model != NULL);
    if (found) {
        CHECK_EQ(value, model);
        CHECK_EQ(((Value *)value)->key, key);
        CHECK_EQ(((Value *)value)->check, ~key);
    }
}

static void changeKey(Transaction *tx, uintptr_t key, bool put)
{
    char name[24];
    TMapBytes bytes = {name, (size_t)snprintf(name, sizeof name, "key %zu", (size_t)key)};
    void *model = tarrayRead(tx, maps.model, key);
    if (put) {
        Value *value = makeValue(tx, key);
        CHECK_EQ(tmapInsert(tx, maps.map, &bytes, value), model == NULL);
        tarrayWrite(tx, maps.model, key, value);
    } else {
        CHECK_EQ(tmapDelete(tx, maps.map, &bytes), model != NULL);
        tarrayWrite(tx, maps.model, key, NULL);
    }
}

static bool countPair(void *env, const void *key, void *value)
{
    (void)key;
    CHECK_EQ(((Value *)value)->check, ~((Value *)value)->key);
    ++*(size_t *)env;
    return true;
}

static void *checkAll(Transaction *tx, void *env)
{
    size_t count = 0, modelled = 0;
    (void)env;
    for (size_t i = 0; i < KEYS; i++)
        modelled += tarrayRead(tx, maps.model, i) != NULL;
    tmapEach(tx, maps.map, countPair, &count);
    CHECK_EQ(count, modelled);
    CHECK_EQ(tmapSize(tx, maps.map), modelled);
    return NULL;
}

static void *changeSome(Transaction *tx, void *env)
{
    uint64_t seed = *(uint64_t *)env;
    for (uint64_t n = 1 + crowdDraw(&seed, 4); n > 0; n--)
        changeKey(tx, crowdDraw(&seed, KEYS), crowdDraw(&seed, 2) == 0);
    if (crowdDraw(&seed, 8) == 0)
        stmThrow(tx, -EDOM, NULL);
    if (crowdDraw(&seed, 8) == 0)
        stmRetry(tx);
    return NULL;
}

static void *checkSome(Transaction *tx, void *env)
{
    uint64_t seed = *(uint64_t *)env;
    for (uint64_t n = 1 + crowdDraw(&seed, 6); n > 0; n--)
        checkKey(tx, crowdDraw(&seed, KEYS));
    return NULL;
}

static void *stepMap(Transaction *tx, void *env)
{
    ADD_RELAXED(&maps.attempts, 1);
    stmOrElse(tx, changeSome, env, checkSome, env);
    return checkSome(tx, env);
}

static void *stepMaps(void *env)
{
    uint64_t seed = drawSeed();
    (void)env;
    for (uint32_t i = 0; rtsNow() < maps.end_ns; i++) {
        uint64_t step = seed + i;
        if (i % 64 == 0) {
            CHECK_EQ(stmAtomically(checkAll, NULL, NULL), 0);
        } else {
            int status = stmAtomically(stepMap, &step, NULL);
            CHECK(status == 0 || status == -EDOM);
        }
    }
    return NULL;
}

static void *openMaps(void *env)
{
    (void)env;
    maps.map = tmapNew(&(TMapConfig){.bytes = true, .free_value = freeValue});
    maps.model = tarrayNew(KEYS, NULL);
    CHECK(maps.map != NULL && maps.model != NULL);
    return NULL;
}

static void *mapStorm(void *env)
{
    Thread *threads[THREADS];
    openMaps(env);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(threadFork(&threads[i], stepMaps, NULL), 0);
    stepMaps(NULL);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(threadJoin(threads[i], NULL), 0);
        threadRelease(threads[i]);
    }
    CHECK_EQ(stmAtomically(checkAll, NULL, NULL), 0);
    tmapFree(maps.map);
    tarrayFree(maps.model);
    return NULL;
}

/* fn on a plain OS thread, which forks green ones. */
static void runStorm(ThreadFn *fn, double part)
{
    RtsConfig config = {.capabilities = 1 + (uint32_t)(testRandom() % 4)};
    CHECK_EQ(rtsInit(&config), 0);
    maps.end_ns = rtsNow() + (int64_t)(testSeconds() * part * 1e9);
    fn(NULL);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}

TEST(MapStorm, mapIsItsModelInEveryAttempt)
{
    runStorm(mapStorm, 0.4);
    CHECK_EQ(maps.freed, maps.made);
    printf("%llu attempts, %llu values\n", (unsigned long long)maps.attempts,
           (unsigned long long)maps.made);
}

/* ---- tokens that move between keys of a growing and emptying map ---- */

static struct {
    TMap *map;
    uint64_t moves; /* relaxed add */
} tokens;

typedef struct Move {
    uintptr_t from, to;
    uint64_t sum;
    size_t count;
    bool moved;
} Move;

static void *moveToken(Transaction *tx, void *env)
{
    Move *it = env;
    void *token = NULL, *other = NULL;
    it->moved = false;
    if (!tmapLookup(tx, tokens.map, V(it->from), &token) ||
        !tmapInsertIfAbsent(tx, tokens.map, V(it->to), token, &other))
        return NULL;
    CHECK(tmapDelete(tx, tokens.map, V(it->from)));
    it->moved = true;
    return NULL;
}

static bool addToken(void *env, const void *key, void *value)
{
    Move *it = env;
    (void)key;
    it->sum += (uintptr_t)value;
    it->count++;
    return true;
}

static void *countTokens(Transaction *tx, void *env)
{
    Move *it = env;
    it->sum = it->count = 0;
    tmapEach(tx, tokens.map, addToken, it);
    CHECK_EQ(it->count, TOKENS);
    CHECK_EQ(it->sum, TOKENS * (TOKENS - 1) / 2);
    if (it->from % 2 == 0)
        CHECK_EQ(tmapSize(tx, tokens.map), TOKENS);
    return NULL;
}

static void *moveTokens(void *env)
{
    uint64_t seed = drawSeed(), moves = 0;
    uintptr_t span = TOKENS * 2;
    (void)env;
    for (uint32_t i = 0; rtsNow() < maps.end_ns; i++) {
        Move it = {.from = crowdDraw(&seed, span), .to = crowdDraw(&seed, span)};
        CHECK_EQ(stmAtomically(i % 32 == 0 ? countTokens : moveToken, &it, NULL), 0);
        moves += it.moved;
    }
    ADD_RELAXED(&tokens.moves, moves);
    return NULL;
}

static void *placeTokens(Transaction *tx, void *env)
{
    (void)env;
    for (uintptr_t i = 0; i < TOKENS; i++)
        CHECK(tmapInsert(tx, tokens.map, V(i), V(i)));
    return NULL;
}

static void *tokenStorm(void *env)
{
    Thread *threads[THREADS];
    tokens.map = tmapNew(NULL);
    CHECK_EQ(stmAtomically(placeTokens, NULL, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(threadFork(&threads[i], moveTokens, NULL), 0);
    moveTokens(env);
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(threadJoin(threads[i], NULL), 0);
        threadRelease(threads[i]);
    }
    CHECK_EQ(stmAtomically(countTokens, &(Move){0}, NULL), 0);
    tmapFree(tokens.map);
    return NULL;
}

TEST(MapStorm, tokensAreConserved)
{
    runStorm(tokenStorm, 0.3);
    printf("%llu moves\n", (unsigned long long)tokens.moves);
}
