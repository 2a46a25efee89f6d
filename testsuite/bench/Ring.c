/* Ring.c -- row 5: 503 threads in a ring, one token, a variable for each to wait for.
 *
 * The token counts down; who takes a 0 says "arrived" and keeps it.  A negative token ends the
 * ring: everyone passes it on once.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/tvar.h>

enum { MEMBERS = 503 };

typedef struct Member {
    TVar *cell, *next; /* constant */
    TVar *arrived;     /* constant */
    Thread *thread;
} Member;

static void *passOn(void *env)
{
    Member *member = env;
    uint64_t seen = 0; /* a new variable's version */
    intptr_t number;
    do {
        BENCH_CHECK(tvarAwait(member->cell, seen) == 0);
        number = (intptr_t)tvarReadVersionIO(member->cell, &seen);
        tvarWriteIO(number == 0 ? member->arrived : member->next, (void *)(number - 1));
    } while (number >= 0);
    return NULL;
}

static void sendRound(uint64_t hops, void *env)
{
    Member *first = env;
    uint64_t seen;
    tvarReadVersionIO(first->arrived, &seen);
    tvarWriteIO(first->cell, (void *)(uintptr_t)(hops - 1));
    BENCH_CHECK(tvarAwait(first->arrived, seen) == 0);
}

static void *begin(void *env)
{
    static Member members[MEMBERS];
    TVar *arrived = tvarNew(NULL);
    BENCH_CHECK(arrived != NULL);
    for (int i = 0; i < MEMBERS; i++)
        BENCH_CHECK((members[i].cell = tvarNew(NULL)) != NULL);
    for (int i = 0; i < MEMBERS; i++) {
        Member *member = &members[i];
        member->next = members[(i + 1) % MEMBERS].cell;
        member->arrived = arrived;
        BENCH_CHECK(threadFork(&member->thread, passOn, member) == 0);
    }
    benchPrint("ring", benchRate(sendRound, members), "ns");
    tvarWriteIO(members[0].cell, (void *)(intptr_t)-1);
    for (int i = 0; i < MEMBERS; i++) {
        BENCH_CHECK(threadJoin(members[i].thread, NULL) == 0);
        threadRelease(members[i].thread);
    }
    for (int i = 0; i < MEMBERS; i++)
        tvarFree(members[i].cell);
    tvarFree(arrived);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
