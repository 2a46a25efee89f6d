/* Queue_mutex.c -- row 41 with an array of 1024 behind a mutex and two condition variables. */
#include "Bench.h"

#include <pthread.h>

enum { ROOM = 1024, CORES_MOST = 64, COUNT = 4000000 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t readable, writable;
    uint64_t written, taken, items[ROOM];
} queue = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, {0}};

static void put(uint64_t value)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.written - queue.taken == ROOM)
        pthread_cond_wait(&queue.writable, &queue.lock);
    queue.items[queue.written++ % ROOM] = value;
    pthread_cond_signal(&queue.readable);
    pthread_mutex_unlock(&queue.lock);
}

static void take(uint64_t expected)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.written == queue.taken)
        pthread_cond_wait(&queue.readable, &queue.lock);
    uint64_t value = queue.items[queue.taken++ % ROOM];
    pthread_cond_signal(&queue.writable);
    pthread_mutex_unlock(&queue.lock);
    demand(value == expected ? 0 : -1, "order");
}

static void *putMany(void *env)
{
    (void)env;
    for (uint64_t i = 0; i < COUNT; i++)
        put(i);
    return NULL;
}

int main(int count, char **words)
{
    unsigned cores = parseCores(count, words, CORES_MOST);
    pthread_t writer;
    uint64_t start_ns = readNowNs();
    if (cores == 1) {
        for (uint64_t i = 0; i < COUNT; i++) {
            put(i);
            take(i);
        }
    } else {
        demand(-pthread_create(&writer, NULL, putMany, NULL), "pthread_create");
        for (uint64_t i = 0; i < COUNT; i++)
            take(i);
        pthread_join(writer, NULL);
    }
    printPerUnit("queue", readNowNs() - start_ns, COUNT);
    return 0;
}
