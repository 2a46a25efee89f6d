/* Transfer_itm.c -- row 32 with gcc's transactional memory. */
#include "Bench.h"

enum { COUNT = 5000000 };

static long from, to;

static void moveOften(long count)
{
    for (long i = 0; i < count; i++) {
        __transaction_atomic
        {
            from = from - 1;
            to = to + 1;
        }
    }
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    moveOften(COUNT / 10);
    uint64_t start_ns = readNowNs();
    moveOften(COUNT);
    printPerUnit("transfer", readNowNs() - start_ns, COUNT);
    return 0;
}
