/* StackTest.c -- guarded stacks: sizes, guards, colours, caches, depot, and very many. */
#include "rts/context/Stack.h"

#include "testsuite/support/Runtime.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { FIRST_SLAB = 64, MANY = 100000, CACHE_MOST = 64, BATCH = 32 };

/* Can the kernel write to this byte? */
static bool isWritable(char *at)
{
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    CHECK_GE(zero, 0);
    ssize_t n = read(zero, at, 1);
    CHECK(n == 1 || errno == EFAULT);
    close(zero);
    return n == 1;
}

static Stack **takeMany(StackCache *cache, uint32_t count)
{
    Stack **stacks = calloc(count, sizeof *stacks);
    CHECK(stacks != NULL);
    for (uint32_t i = 0; i < count; i++) {
        stacks[i] = stackTake(cache, 0);
        CHECK(stacks[i] != NULL);
    }
    return stacks;
}

static void giveMany(StackCache *cache, Stack **stacks, uint32_t count, int64_t now_ns)
{
    for (uint32_t i = 0; i < count; i++)
        stackGive(cache, stacks[i], now_ns);
    free(stacks);
}

TEST(Stack, hasTheSizeThatWasAskedFor)
{
    CHECK_EQ(stackPoolStart(STACK_MOST + 1), -EINVAL);
    CHECK_EQ(stackPoolStart(0), 0);
    CHECK_EQ(stackDefaultSize(), STACK_DEFAULT);
    stackPoolEnd();
    CHECK_EQ(stackPoolStart(1), 0);
    CHECK_GE(stackDefaultSize(), STACK_LEAST);
    stackPoolEnd();
    CHECK_EQ(stackPoolStart(200 * 1024), 0);
    CHECK_GE(stackDefaultSize(), (size_t)200 * 1024);
    CHECK_EQ(stackDefaultSize() & (stackDefaultSize() - 1), 0);
    stackPoolEnd();
}

TEST(Stack, isLargerOnDemand)
{
    StackCache cache = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    static const size_t sizes[] = {0, 1, 16384, 65536, 70000, 1 << 20, (size_t)64 << 20};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Stack *stack = stackTake(&cache, sizes[i]);
        CHECK(stack != NULL);
        CHECK_GE(stackSizeOf(stack), sizes[i]);
        CHECK_GE(stackSizeOf(stack), stackDefaultSize());
        CHECK(stackSizeOf(stack) == stackDefaultSize() || sizes[i] > stackDefaultSize());
        CHECK_EQ(stackUsable(stack), (size_t)((char *)stack - stackBottom(stack)));
        CHECK_LT(stackSizeOf(stack) - stackUsable(stack), STACK_GUARD + 1024);
        stackBottom(stack)[0] = 1; /* all of it is there */
        stackGive(&cache, stack, 0);
        CHECK_EQ(cache.bound, i + 1);
        CHECK_EQ(cache.unbound, i + 1);
    }
    stackPoolEnd();
}

TEST(Stack, isGuardedAtTheBottom)
{
    StackCache cache = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    for (int i = 0; i < 100; i++) {
        Stack *stack = stackTake(&cache, i % 10 == 9 ? 1 << 20 : 0);
        CHECK(stack != NULL);
        char *bottom = stackBottom(stack);
        CHECK(isWritable(bottom));
        CHECK(!isWritable(bottom - 1));
        CHECK(!isWritable(bottom - STACK_GUARD));
        CHECK_EQ(stackOfGuard(bottom - 1), stack);
        CHECK_EQ(stackOfGuard(bottom - STACK_GUARD), stack);
        CHECK_EQ(stackOfGuard(bottom), NULL);
        CHECK_EQ(stackOfGuard(stack), NULL);
    }
    int local = 0;
    CHECK_EQ(stackOfGuard(&local), NULL);
    CHECK_EQ(stackOfGuard(NULL), NULL);
    stackPoolEnd();
}

/* Tops of neighbours fall into different cache sets. */
TEST(Stack, topsAreColoured)
{
    StackCache cache = {0};
    uint32_t seen = 0;
    CHECK_EQ(stackPoolStart(0), 0);
    Stack **stacks = takeMany(&cache, 16);
    for (int i = 0; i < 16; i++) {
        char *top = stackTop(stacks[i]);
        CHECK_EQ((uintptr_t)top % 16, 0);
        CHECK(top <= (char *)stacks[i]);
        CHECK(top > stackBottom(stacks[i]) + stackUsable(stacks[i]) / 2);
        seen |= 1u << ((uintptr_t)top % 4096 / 64 % 32);
    }
    CHECK_EQ(__builtin_popcount(seen), 16);
    giveMany(&cache, stacks, 16, 0);
    stackPoolEnd();
}

TEST(Stack, isHandedOutWarmNewestFirst)
{
    StackCache cache = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    Stack *a = stackTake(&cache, 0), *b = stackTake(&cache, 0);
    CHECK_NE(a, b);
    a->owner = &cache;
    stackGive(&cache, a, 0);
    CHECK_EQ(a->owner, NULL);
    stackGive(&cache, b, 0);
    CHECK_EQ(cache.count, 2);
    CHECK_EQ(stackTake(&cache, 0), b);
    CHECK_EQ(stackTake(&cache, 0), a);
    CHECK_EQ(cache.count, 0);
    CHECK_EQ(cache.bound - cache.unbound, 2);
    stackPoolEnd();
}

/* A full cache gives its older half to the depot, from which another capability takes it. */
TEST(Stack, goesThroughTheDepot)
{
    StackCache one = {0}, two = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    Stack **stacks = takeMany(&one, CACHE_MOST + 1), *first = stacks[0];
    giveMany(&one, stacks, CACHE_MOST + 1, 5);
    CHECK_EQ(one.count, CACHE_MOST + 1 - BATCH);
    bool found = false;
    for (int i = 0; i < BATCH; i++)
        found |= stackTake(&two, 0) == first;
    CHECK(found);
    CHECK_EQ(two.count, 0);
    Stack *fresh = stackTake(&two, 0); /* the depot is empty: never used before */
    for (Stack *at = one.warm; at != NULL; at = at->next)
        CHECK_NE(at, fresh);
    stackPoolEnd();
}

TEST(Stack, growsColdByAgeAndComesBackEmpty)
{
    StackCache cache = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    Stack **stacks = takeMany(&cache, 40);
    char *bottoms[40];
    for (int i = 0; i < 40; i++) {
        bottoms[i] = stackBottom(stacks[i]);
        bottoms[i][0] = 77;
    }
    giveMany(&cache, stacks, 40, 100);
    stackCacheDrain(&cache, 100);
    CHECK_EQ(cache.count, 0);
    CHECK_EQ(cache.warm, NULL);
    CHECK_EQ(stackDepotTrim(100), 0); /* not older than that */
    CHECK_EQ(bottoms[0][0], 77);
    CHECK_EQ(stackDepotTrim(101), 40);
    CHECK_EQ(stackDepotTrim(101), 0);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(bottoms[i][0], 0); /* the pages went back to the kernel */
    for (int i = 0; i < 40; i++) {
        Stack *again = stackTake(&cache, 0);
        bool known = false;
        for (int j = 0; j < 40; j++)
            known |= stackBottom(again) == bottoms[j];
        CHECK(known);                               /* cold ones first */
        CHECK(!isWritable(stackBottom(again) - 1)); /* the guard has survived */
    }
    stackPoolEnd();
}

TEST(Stack, trimsOnlyTheOldBatches)
{
    StackCache cache = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    Stack **old = takeMany(&cache, 8), **young = takeMany(&cache, 5);
    giveMany(&cache, old, 8, 0);
    stackCacheDrain(&cache, 10);
    giveMany(&cache, young, 5, 0);
    stackCacheDrain(&cache, 20);
    CHECK_EQ(stackDepotTrim(11), 8);
    CHECK_EQ(stackDepotTrim(21), 5);
    stackPoolEnd();
}

/* What is taken when no mapping is to be had: NULL, as often as it is tried; and nothing is lost.
 */
TEST(Stack, runsOutAndRecovers)
{
    StackCache cache = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    stackMapFail(1);
    CHECK_EQ(stackTake(&cache, 0), NULL);
    Stack **stacks = takeMany(&cache, FIRST_SLAB);
    stackMapFail(-1);
    CHECK_EQ(stackTake(&cache, 0), NULL);
    CHECK_EQ(stackTake(&cache, 0), NULL);
    CHECK_EQ(stackTake(&cache, 1 << 20), NULL);
    CHECK_EQ(cache.bound, FIRST_SLAB); /* failures are not counted */
    Stack *one = stacks[7];
    stackGive(&cache, one, 0);
    CHECK_EQ(stackTake(&cache, 0), one);
    stackMapFail(2);
    CHECK_EQ(stackTake(&cache, 0), NULL);
    CHECK_EQ(stackTake(&cache, 0), NULL);
    Stack *more = stackTake(&cache, 0);
    CHECK(more != NULL);
    stackGive(&cache, more, 0);
    giveMany(&cache, stacks, FIRST_SLAB, 0);
    CHECK_EQ(cache.bound, cache.unbound);
    stackPoolEnd();
}

static uint32_t mappings(void)
{
    uint32_t lines = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    for (int c; (c = getc(maps)) != EOF;)
        lines += c == '\n';
    fclose(maps);
    return lines;
}

/* A stray pointer may hit the guard of one that has no header. */
TEST(Stack, nobodyHasAColdOne)
{
    StackCache cache = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    Stack *stack = stackTake(&cache, 1 << 20);
    char *bottom = stackBottom(stack);
    CHECK_EQ(stackOfGuard(bottom - 1), stack);
    CHECK_EQ(stackOfGuard(bottom - 1 + stackSizeOf(stack)), NULL); /* it was never used */
    stackGive(&cache, stack, 1); /* no cache keeps one of that size */
    CHECK_EQ(stackOfGuard(bottom - 1), NULL);
    CHECK_EQ(stackTake(&cache, 1 << 20), stack);
    CHECK_EQ(stackOfGuard(bottom - 1), stack);
    stackPoolEnd();
}

/* 100,000 guarded stacks at once where the kernel guards without mappings; 10,000 elsewhere. */
TEST(Stack, hasVeryMany)
{
    StackCache cache = {0};
    CHECK_EQ(stackPoolStart(0), 0);
    bool madvised = stackGuardsByMadvise();
    uint32_t count = UNDER_TSAN            ? 500
                     : UNDER_ASAN          ? 10000
                     : testUnderValgrind() ? 1000
                     : madvised            ? MANY
                                           : MANY / 10;
    uint32_t before = mappings();
    Stack **stacks = takeMany(&cache, count);
    if (madvised)
        CHECK_LT(mappings() - before, 500);
    for (uint32_t i = 0; i < count; i += 97) {
        CHECK(!isWritable(stackBottom(stacks[i]) - 1));
        CHECK_EQ(stackOfGuard(stackBottom(stacks[i]) - 1), stacks[i]);
        CHECK(isWritable(stackBottom(stacks[i])));
    }
    giveMany(&cache, stacks, count, 1);
    stackCacheDrain(&cache, 1);
    CHECK_EQ(stackDepotTrim(2), count);
    stackPoolEnd();
    CHECK_LE(mappings(), before + 8); /* the heap's own may have moved */
}
