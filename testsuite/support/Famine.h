/* Famine.h -- memory that runs out at a chosen place: for what is made of variables and blocks.
 *
 *     for (Famine famine = famineFirst(heap); famineNext(&famine);) {
 *         famineBegin(&famine);
 *         status = ...;                     // ends in -ENOMEM, or not any more
 *         famineEnd(&famine, status == 0);
 *         ... nothing has changed
 *     }
 */
#ifndef TESTSUITE_FAMINE_H
#define TESTSUITE_FAMINE_H

#include "testsuite/support/Runtime.h"

enum { FAMINE_VARIABLES = 8, FAMINE_BLOCKS = 100, FAMINE_TAKEN = 1 << 17 };

typedef struct Famine {
    CountingHeap *heap;
    uint32_t variables; /* that can be had */
    uint64_t blocks;    /* likewise, requests to the heap */
    uint32_t failures;  /* so far */
    bool over;
    uint32_t count;
    TVar **taken; /* all the others */
} Famine;

static inline Famine famineFirst(CountingHeap *heap)
{
    return (Famine){.heap = heap, .taken = calloc(FAMINE_TAKEN, sizeof(TVar *))};
}

/* Fewer blocks than it needs, with each number of variables; then one block more, and so on. */
static inline bool famineNext(Famine *famine)
{
    if (famine->over)
        free(famine->taken);
    return !famine->over;
}

static inline void famineBegin(Famine *famine)
{
    CountingHeap *heap = famine->heap;
    RELAXED_STORE(&heap->fail_from, 1);
    for (TVar *tvar; (tvar = tvarNew(NULL)) != NULL; famine->count++) {
        CHECK_LT(famine->count, FAMINE_TAKEN);
        famine->taken[famine->count] = tvar;
    }
    for (uint32_t i = 0; i < famine->variables && famine->count != 0; i++)
        tvarFree(famine->taken[--famine->count]);
    RELAXED_STORE(&heap->fail_from, RELAXED_LOAD(&heap->asked) + famine->blocks + 1);
}

static inline void famineEnd(Famine *famine, bool survived)
{
    RELAXED_STORE(&famine->heap->fail_from, 0);
    while (famine->count != 0)
        tvarFree(famine->taken[--famine->count]);
    famine->failures += !survived;
    if (famine->variables++ < greenScale(FAMINE_VARIABLES) - 1)
        return;
    famine->over = survived;
    famine->variables = 0;
    famine->blocks++;
    CHECK_LT(famine->blocks, FAMINE_BLOCKS);
}

/* runCounted -- fn(heap) on a green thread; all memory comes back. */
static inline void runCounted(ThreadFn *fn, uint32_t capabilities_wanted)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = capabilities_wanted, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(fn, &heap));
    greenStop();
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), 0);
}

/* runQuiescent -- what has been retired is freed now, if it may be: one capability, nobody runs. */
static inline void famineIgnore(void *pointer)
{
    (void)pointer;
}

static inline void *famineRetire(Transaction *tx, void *env)
{
    for (int i = 0; i < 100; i++)
        stmRetire(tx, env, famineIgnore);
    return NULL;
}

static inline void runQuiescent(void)
{
    for (int i = 0; i < 4; i++)
        CHECK_EQ(stmAtomically(famineRetire, NULL, NULL), 0);
}

#endif
