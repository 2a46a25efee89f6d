/* Idle.c -- row 21: 1000 threads are blocked for ever; who measures looks at us from outside.
 *
 * Half of them wait for a variable, half for a pipe that nobody writes to.  Prints "ready" when
 * all are blocked, and goes on until standard input ends.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/fd.h>
#include <capri/tvar.h>

#include <stdio.h>
#include <unistd.h>

enum { THREADS = 1000 };

static TVar *never; /* constant */
static int ends[2]; /* constant */

static void *blockForEver(void *env)
{
    uint64_t version;
    char byte;
    tvarReadVersionIO(never, &version);
    if ((uintptr_t)env % 2 == 0)
        tvarAwait(never, version); /* until the runtime is cancelled, as the other */
    else
        fdRead(ends[0], &byte, 1);
    return NULL;
}

int main(int argc, char **argv)
{
    static Thread *threads[THREADS];
    char byte;
    benchStart(argc, argv);
    BENCH_CHECK((never = tvarNew(NULL)) != NULL);
    BENCH_CHECK(fdPipe(ends) == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        BENCH_CHECK(threadFork(&threads[i], blockForEver, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        while (threadStatus(threads[i]).state <= ThreadRunning)
            usleep(1000);
    printf("ready\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    for (int i = 0; i < THREADS; i++)
        threadRelease(threads[i]);
    benchStop();
    return 0;
}
