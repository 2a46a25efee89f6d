/* ForkJoin_st.c -- row 3 with State Threads: fork a joinable thread that returns at once, join it.
 *
 * State Threads keeps the stacks of dead threads, so after the first fork none is mapped.  That a
 * thread can be joined costs a condition variable, which the library allocates and frees itself.
 */
#include "Bench.h"
#include <st.h>

enum { PAIRS = 3 * 1000 * 1000, WARM_UP = 100 * 1000 };

static uint64_t child_count;

static void *runChild(void *argument)
{
    child_count++;
    return argument;
}

static void forkAndJoin(int pairs)
{
    for (int i = 0; i < pairs; i++) {
        st_thread_t child = st_thread_create(runChild, NULL, 1, 0);
        if (child == NULL || st_thread_join(child, NULL) != 0)
            error(1, errno, "fork and join");
    }
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    demand(st_init(), "st_init");
    forkAndJoin(WARM_UP);
    child_count = 0;
    uint64_t start_ns = readNowNs();
    forkAndJoin(PAIRS);
    printPerUnit("fork_join", readNowNs() - start_ns, child_count);
    return 0;
}
