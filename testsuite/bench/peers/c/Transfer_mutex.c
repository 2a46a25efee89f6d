/* Transfer_mutex.c -- row 32 with a pthread mutex around the two variables. */
#include "Bench.h"

#include <pthread.h>

enum { COUNT = 20000000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile long from, to; /* under lock */

static void moveOften(long count)
{
    for (long i = 0; i < count; i++) {
        pthread_mutex_lock(&lock);
        from = from - 1;
        to = to + 1;
        pthread_mutex_unlock(&lock);
    }
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    moveOften(COUNT / 10);
    uint64_t start_ns = readNowNs();
    moveOften(COUNT);
    printPerUnit("transfer", readNowNs() - start_ns, COUNT);
    return 0;
}
