/* Ring_st.c -- row 5 with State Threads: 503 threads in a ring, one number goes round.
 *
 * A cell is a flag, the number and a condition variable: State Threads has no channels, and since
 * its threads run one at a time no lock is needed.  A hop is one signal, one wait, one switch.
 */
#include "Bench.h"
#include <st.h>
#include <stdbool.h>

enum { THREADS = 503, HOPS = 8 * 1000 * 1000, WARM_UP = 500 * 1000, STACK = 16 * 1024 };

typedef struct Cell {
    bool full;
    int number;
    st_cond_t filled;
} Cell;

static Cell cells[THREADS];
static Cell end; /* where the number 0 goes */

static int takeNumber(Cell *cell)
{
    while (!cell->full)
        st_cond_wait(cell->filled);
    cell->full = false;
    return cell->number;
}

static void putNumber(Cell *cell, int number)
{
    cell->number = number;
    cell->full = true;
    st_cond_signal(cell->filled);
}

static void *runMember(void *argument)
{
    Cell *mine = argument, *next = mine == &cells[THREADS - 1] ? cells : mine + 1;
    for (;;) {
        int number = takeNumber(mine);
        if (number == 0)
            putNumber(&end, 0);
        else
            putNumber(next, number - 1);
    }
    return NULL;
}

static void runRing(int hops)
{
    putNumber(&cells[0], hops);
    takeNumber(&end);
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    demand(st_init(), "st_init");
    end.filled = st_cond_new();
    for (int i = 0; i < THREADS; i++) {
        cells[i].filled = st_cond_new();
        if (st_thread_create(runMember, &cells[i], 0, STACK) == NULL)
            error(1, errno, "st_thread_create");
    }
    runRing(WARM_UP);
    uint64_t start_ns = readNowNs();
    runRing(HOPS);
    printPerUnit("ring", readNowNs() - start_ns, HOPS);
    return 0;
}
