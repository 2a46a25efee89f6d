/* Stack.c -- guarded stacks, kept warm: caches and the depot.
 *
 * Owns    StackCache, the depot of warm batches.
 * Before  rts/Schedule.c: a thread's first run.   After  rts/context/Slab.c: the memory.
 * Tests   testsuite/unit/StackTest.c
 *
 * See Note [Stack life].
 */
#include "rts/context/Stack.h"

#include "rts/context/Slab.h"

#include "internal/SpinLock.h"

enum { BATCH = STACK_CACHE_MOST / 2 };

static struct {
    SpinLock lock;
    Stack *newest; /* under lock: batches of default-sized stacks, linked by Stack.batch */
} depot;

static void depotPut(Stack *batch, uint32_t count, int64_t now_ns)
{
    batch->count = count;
    batch->since_ns = now_ns;
    spinLock(&depot.lock);
    batch->batch = depot.newest;
    depot.newest = batch;
    spinUnlock(&depot.lock);
}

static Stack *depotTake(void)
{
    spinLock(&depot.lock);
    Stack *batch = depot.newest;
    if (batch != NULL)
        depot.newest = batch->batch;
    spinUnlock(&depot.lock);
    return batch;
}

int stackPoolStart(size_t default_size)
{
    depot.lock = (SpinLock)SPIN_LOCK_INIT;
    depot.newest = NULL;
    return slabStart(default_size);
}

void stackPoolEnd(void)
{
    depot.newest = NULL;
    slabEnd();
}

static Stack *takeFromDepot(StackCache *cache)
{
    Stack *batch = depotTake();
    if (batch == NULL)
        return slabTake(0);
    cache->warm = batch->next;
    RELAXED_STORE(&cache->count, batch->count - 1);
    return batch;
}

Stack *stackTakeSlow(StackCache *cache, size_t size)
{
    Stack *stack = cache->warm;
    if (size > stackDefaultSize()) {
        stack = slabTake(size);
    } else if (stack != NULL) {
        cache->warm = stack->next;
        RELAXED_STORE(&cache->count, cache->count - 1);
    } else {
        stack = takeFromDepot(cache);
    }
    if (stack != NULL)
        COUNT(&cache->bound, 1);
    return stack;
}

/* Move the older half of a full cache into the depot. */
static void shrinkCache(StackCache *cache, int64_t now_ns)
{
    Stack *last = cache->warm;
    for (uint32_t i = 1; i < cache->count - BATCH; i++)
        last = last->next;
    Stack *batch = last->next;
    last->next = NULL;
    RELAXED_STORE(&cache->count, cache->count - BATCH);
    depotPut(batch, BATCH, now_ns);
}

void stackGiveSlow(StackCache *cache, Stack *stack, int64_t now_ns)
{
    if (!stack->standard) {
        slabGive(stack);
        return;
    }
    stack->next = cache->warm;
    cache->warm = stack;
    COUNT(&cache->count, 1);
    if (cache->count > STACK_CACHE_MOST)
        shrinkCache(cache, now_ns);
}

void stackCacheDrain(StackCache *cache, int64_t now_ns)
{
    if (cache->warm != NULL)
        depotPut(cache->warm, cache->count, now_ns);
    cache->warm = NULL;
    RELAXED_STORE(&cache->count, 0);
}

uint32_t stackDepotTrim(int64_t before_ns)
{
    uint32_t trimmed = 0;
    spinLock(&depot.lock);
    Stack **link = &depot.newest; /* batches are newest first: cut the list where age begins */
    while (*link != NULL && (*link)->since_ns >= before_ns)
        link = &(*link)->batch;
    Stack *old = *link;
    *link = NULL;
    spinUnlock(&depot.lock);
    while (old != NULL) {
        Stack *next_batch = old->batch;
        while (old != NULL) {
            Stack *next = old->next;
            slabGive(old);
            trimmed++;
            old = next;
        }
        old = next_batch;
    }
    return trimmed;
}

void stackSurvive(StackCache *cache, Stack *kept)
{
    depot.lock = (SpinLock)SPIN_LOCK_INIT;
    depot.newest = NULL;
    *cache = (StackCache){.bound = kept != NULL ? 1 : 0};
    slabSurvive(kept);
}
