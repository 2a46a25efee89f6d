/* Skynet.c -- row 7: a tree of threads, 10 children each, 1,000,000 leaves, their numbers summed.
 */
#include "testsuite/bench/support/Bench.h"

enum { LEAVES = 1000000, CHILDREN = 10, RUNS_LEAST = 4, RUNS_MOST = 20 };
#define SUM ((uintptr_t)LEAVES * (LEAVES - 1) / 2)
#define MEASURE_NS (500 * BENCH_MS)

typedef struct Node {
    uintptr_t first; /* the number of its first leaf */
    uintptr_t size;  /* how many there are */
    Thread *thread;
} Node;

static void *sumLeaves(void *env)
{
    Node *node = env, children[CHILDREN];
    uintptr_t sum = 0, size = node->size / CHILDREN;
    if (size == 0)
        return (void *)node->first;
    for (uintptr_t i = 0; i < CHILDREN; i++) {
        children[i].first = node->first + i * size;
        children[i].size = size;
        BENCH_CHECK(threadFork(&children[i].thread, sumLeaves, &children[i]) == 0);
    }
    for (int i = 0; i < CHILDREN; i++) {
        void *part;
        BENCH_CHECK(threadJoin(children[i].thread, &part) == 0);
        threadRelease(children[i].thread);
        sum += (uintptr_t)part;
    }
    return (void *)sum;
}

static void *begin(void *env)
{
    int64_t best_ns = INT64_MAX, begin_ns = benchNow();
    for (int run = 0; run < RUNS_MOST; run++) {
        Node root = {.size = LEAVES};
        int64_t start_ns = benchNow();
        BENCH_CHECK((uintptr_t)sumLeaves(&root) == SUM);
        int64_t passed_ns = benchNow() - start_ns;
        if (run > 0 && passed_ns < best_ns) /* the first warms up */
            best_ns = passed_ns;
        if (run >= RUNS_LEAST && benchNow() - begin_ns > MEASURE_NS)
            break;
    }
    benchPrint("skynet", (double)best_ns / 1e6, "ms");
    benchPrint("skynet_rss", (double)benchMemory("VmHWM") / 1048576, "MiB");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
