/* CellTest.c -- small pieces of memory: through a cache, without one, until memory is out. */
#include "rts/Cell.h"
#include "testsuite/support/Runtime.h"

#include <string.h>

enum { CELLS = 3000, SIZE = 40 };

/* Goal: cells are disjoint, come back, and all memory goes with the pool. */
TEST(Cell, takenAndGiven)
{
    static void *cells[CELLS];
    CountingHeap heap = {0};
    Allocator allocator = countingAllocator(&heap);
    CellPool pool;
    CellCache cache = {0};
    cellPoolOpen(&pool, &allocator, SIZE);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < CELLS; i++) {
            cells[i] = cellTake(&pool, i % 3 == 0 ? NULL : &cache);
            CHECK(cells[i] != NULL);
            memset(cells[i], (int)(i & 0xff), SIZE);
        }
        for (uint32_t i = 0; i < CELLS; i++) {
            for (int byte = 0; byte < SIZE; byte++)
                CHECK_EQ(((unsigned char *)cells[i])[byte], i & 0xff);
        }
        for (uint32_t i = 0; i < CELLS; i++)
            cellGive(&pool, i % 2 == 0 ? NULL : &cache, cells[i]);
        CHECK_LE(cache.count, CELL_CACHE_MOST);
        CHECK_LE(heap.live_bytes, CELLS * SIZE * 11 / 10 + 64 * 1024); /* nothing was lost */
    }
    cellCacheDrain(&pool, &cache);
    CHECK_EQ(cache.count, 0);
    cellPoolClose(&pool);
    CHECK_EQ(heap.live_bytes, 0);
}

/* Goal: out of memory is told, and over when there is some. */
TEST(Cell, outOfMemory)
{
    CountingHeap heap = {.fail_from = 1};
    Allocator allocator = countingAllocator(&heap);
    CellPool pool;
    CellCache cache = {0};
    cellPoolOpen(&pool, &allocator, SIZE);
    CHECK_EQ(cellTake(&pool, &cache), NULL);
    CHECK_EQ(cellTake(&pool, NULL), NULL);
    heap.fail_from = 0;
    cellGive(&pool, &cache, cellTake(&pool, &cache));
    cellPoolClose(&pool);
    CHECK_EQ(heap.live_bytes, 0);
}
