/* HeapId.c -- the numbers that timer heaps are known by, and what others tell a heap by number.
 *
 * Owns    the set of numbers; the counters.
 * Before  iomgr/TimerHeap.c.
 * Tests   testsuite/unit/TimerHeapTest.c
 */
#include "iomgr/HeapId.h"

#include "internal/Assert.h"
#include "internal/SMP.h"

#include <pthread.h>

enum { HEAP_IDS = 65536, COUNTERS = 256 };

typedef struct DeadCount {
    uint32_t dead; /* anyone, relaxed */
} CACHE_ALIGNED DeadCount;

static DeadCount dead_counts[COUNTERS];
static pthread_mutex_t ids_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t ids_used[HEAP_IDS / 64] = {1}; /* ids_lock; 0 is nobody's */
static uint32_t ids_last;                      /* ids_lock */

uint32_t heapIdTake(void)
{
    uint32_t id = 0;
    pthread_mutex_lock(&ids_lock);
    for (uint32_t i = 0; i < HEAP_IDS && id == 0; i++) {
        ids_last = (ids_last + 1) % HEAP_IDS;
        if ((ids_used[ids_last / 64] >> (ids_last % 64) & 1) == 0)
            id = ids_last;
    }
    if (id != 0)
        ids_used[id / 64] |= UINT64_C(1) << (id % 64);
    pthread_mutex_unlock(&ids_lock);
    return id;
}

void heapIdGive(uint32_t id)
{
    pthread_mutex_lock(&ids_lock);
    ASSERT(ids_used[id / 64] >> (id % 64) & 1);
    ids_used[id / 64] &= ~(UINT64_C(1) << (id % 64));
    pthread_mutex_unlock(&ids_lock);
}

void heapIdSurvive(void)
{
    ids_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

uint32_t *heapIdDead(uint64_t id)
{
    return &dead_counts[id % COUNTERS].dead;
}
