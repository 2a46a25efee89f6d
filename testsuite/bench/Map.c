/* Map.c -- row 40: a thread per core uses a map of 65,536 keys at random, half of which are there.
 *
 * map_lookup: lookups alone.  map_mixed: of ten, eight lookups, an insert, a delete.  Wall time per
 * transaction, of all threads together.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>
#include <capri/tmap.h>

enum { KEYS = 65536, CORES_MOST = 64 };

typedef struct Client {
    void *key;
    uint64_t random, count;
} __attribute__((aligned(128))) Client; /* none writes into another's lines */

static TMap *map;  /* constant while threads run */
static bool mixed; /* likewise */

static void *lookup(Transaction *tx, void *env)
{
    Client *client = env;
    void *value = NULL;
    return tmapLookup(tx, map, client->key, &value) ? value : NULL;
}

static void *insert(Transaction *tx, void *env)
{
    Client *client = env;
    tmapInsert(tx, map, client->key, client->key);
    return NULL;
}

static void *delete (Transaction *tx, void *env)
{
    tmapDelete(tx, map, ((Client *)env)->key);
    return NULL;
}

static void *use(void *env)
{
    Client *client = env;
    for (uint64_t i = 0; i < client->count; i++) {
        uint64_t draw = benchDraw(&client->random), kind = mixed ? (draw >> 32) % 10 : 0;
        client->key = (void *)(uintptr_t)(draw % KEYS);
        StmAction *action = kind < 8 ? lookup : kind == 8 ? insert : delete;
        BENCH_CHECK(stmAtomically(action, client, NULL) == 0);
    }
    return NULL;
}

static void useAll(uint64_t count, void *env)
{
    static Client clients[CORES_MOST];
    Thread *threads[CORES_MOST];
    uint32_t cores = capabilityCount();
    (void)env;
    for (uint32_t i = 0; i < cores; i++) {
        clients[i] = (Client){.random = i + 1, .count = count / cores + 1};
        BENCH_CHECK(threadForkOn(&threads[i], i, use, &clients[i]) == 0);
    }
    for (uint32_t i = 0; i < cores; i++) {
        BENCH_CHECK(threadJoin(threads[i], NULL) == 0);
        threadRelease(threads[i]);
    }
}

static void *begin(void *env)
{
    BENCH_CHECK((map = tmapNew(NULL)) != NULL);
    for (uintptr_t i = 0; i < KEYS; i += 2)
        BENCH_CHECK(stmAtomically(insert, &(Client){.key = (void *)i}, NULL) == 0);
    benchPrint("map_lookup", benchRate(useAll, NULL), "ns");
    mixed = true;
    benchPrint("map_mixed", benchRate(useAll, NULL), "ns");
    tmapFree(map);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
