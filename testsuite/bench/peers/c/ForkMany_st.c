/* ForkMany_st.c -- row 4 with State Threads: fork 1000 threads that return at once, then join all.
 *
 * The 1000 stacks are mapped in the first round and kept by the library, 16 KiB each (the default
 * is 64 KiB: the pages touched are the same).
 */
#include "Bench.h"
#include <st.h>

enum { CHILDREN = 1000, ROUNDS = 1500, WARM_UP = 100, STACK = 16 * 1024 };

static uint64_t child_count;

static void *runChild(void *argument)
{
    child_count++;
    return argument;
}

static void forkAllAndJoin(int rounds)
{
    static st_thread_t children[CHILDREN];
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < CHILDREN; i++)
            if ((children[i] = st_thread_create(runChild, NULL, 1, STACK)) == NULL)
                error(1, errno, "st_thread_create");
        for (int i = 0; i < CHILDREN; i++)
            demand(st_thread_join(children[i], NULL), "st_thread_join");
    }
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    demand(st_init(), "st_init");
    forkAllAndJoin(WARM_UP);
    child_count = 0;
    uint64_t start_ns = readNowNs();
    forkAllAndJoin(ROUNDS);
    printPerUnit("fork_many", readNowNs() - start_ns, child_count);
    return 0;
}
