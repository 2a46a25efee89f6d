/* Map_mutex.c -- row 40 with a chained hash table of fixed size, behind one mutex. */
#include "Bench.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { KEYS = 65536, BUCKETS = 32768, CORES_MOST = 64, COUNT = 4000000 };

typedef struct Node {
    struct Node *next;
    uint64_t key, value;
} Node;

typedef struct Client {
    uint64_t random, count, found;
    bool mixed;
} __attribute__((aligned(128))) Client;

static Node *table[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The place that holds key's node, or NULL at the end of its chain. */
static Node **findPlace(uint64_t key)
{
    Node **place = &table[(key * UINT64_C(0x9E3779B97F4A7C15)) >> 49];
    while (*place != NULL && (*place)->key != key)
        place = &(*place)->next;
    return place;
}

static void lookup(Client *client, uint64_t key)
{
    pthread_mutex_lock(&lock);
    Node *node = *findPlace(key);
    client->found += node != NULL ? node->value : 0;
    pthread_mutex_unlock(&lock);
}

static void insert(uint64_t key)
{
    Node *made = malloc(sizeof *made);
    demand(made != NULL ? 0 : -1, "malloc");
    pthread_mutex_lock(&lock);
    Node **place = findPlace(key);
    if (*place == NULL) {
        *made = (Node){NULL, key, key};
        *place = made;
        made = NULL;
    } else {
        (*place)->value = key;
    }
    pthread_mutex_unlock(&lock);
    free(made);
}

static void discard(uint64_t key)
{
    pthread_mutex_lock(&lock);
    Node **place = findPlace(key), *node = *place;
    if (node != NULL)
        *place = node->next;
    pthread_mutex_unlock(&lock);
    free(node);
}

static void *use(void *env)
{
    Client *client = env;
    for (uint64_t i = 0; i < client->count; i++) {
        uint64_t draw = drawRandom(&client->random), kind = client->mixed ? (draw >> 32) % 10 : 0;
        if (kind < 8)
            lookup(client, draw % KEYS);
        else if (kind == 8)
            insert(draw % KEYS);
        else
            discard(draw % KEYS);
    }
    return NULL;
}

static void useAll(unsigned cores, bool mixed, const char *name)
{
    static Client clients[CORES_MOST];
    pthread_t threads[CORES_MOST];
    uint64_t start_ns = readNowNs();
    for (unsigned i = 0; i < cores; i++) {
        clients[i] = (Client){.random = i + 1, .count = COUNT / cores, .mixed = mixed};
        demand(-pthread_create(&threads[i], NULL, use, &clients[i]), "pthread_create");
    }
    for (unsigned i = 0; i < cores; i++)
        pthread_join(threads[i], NULL);
    printPerUnit(name, readNowNs() - start_ns, COUNT);
}

int main(int count, char **words)
{
    unsigned cores = parseCores(count, words, CORES_MOST);
    for (uint64_t i = 0; i < KEYS; i += 2)
        insert(i);
    useAll(cores, false, "map_lookup");
    useAll(cores, true, "map_mixed");
    return 0;
}
