/* Yield_st.c -- row 2 with State Threads: two threads yield to each other.
 *
 * State Threads 1.9 has no yield; st_usleep(0) goes through the timer heap and a poll.  The
 * cheapest way to let the other run: wake it, then wait to be woken.  One switch for each.
 */
#include "Bench.h"
#include <st.h>

enum { YIELDS = 20 * 1000 * 1000, WARM_UP = 1000 * 1000 };

static st_cond_t turns[2];
static uint64_t turn_count;

/* One place in the code for both, so that each returns to where the other came from: the processor
 * predicts returns by calls. */
static __attribute__((noinline)) void yieldOften(int mine, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        turn_count++;
        st_cond_signal(turns[!mine]);
        st_cond_wait(turns[mine]);
    }
}

static void *runOther(void *unused)
{
    yieldOften(1, UINT64_MAX);
    return unused;
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    demand(st_init(), "st_init");
    turns[0] = st_cond_new();
    turns[1] = st_cond_new();
    if (st_thread_create(runOther, NULL, 0, 0) == NULL)
        error(1, errno, "st_thread_create");
    yieldOften(0, WARM_UP / 2);
    turn_count = 0;
    uint64_t start_ns = readNowNs();
    yieldOften(0, YIELDS / 2);
    printPerUnit("yield", readNowNs() - start_ns, turn_count);
    return 0;
}
