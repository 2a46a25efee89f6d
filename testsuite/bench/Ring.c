/* Ring.c -- row 5: 503 threads in a ring, one token, a cell for each to wait for.
 *
 * The token counts down; who takes a 0 says "arrived" and keeps it.  A negative token ends the
 * ring: everyone passes it on once.  `ring`: the cell is a variable, which is written over;
 * `ring_box`: an MVar, which is emptied and filled.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/mvar.h>
#include <capri/tvar.h>

enum { MEMBERS = 503 };

typedef struct Member {
    TVar *cell, *next; /* constant */
    TVar *arrived;     /* constant */
    MVar *box, *next_box, *arrived_box;
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

static void *passOnBox(void *env)
{
    Member *member = env;
    void *token;
    intptr_t number;
    do {
        BENCH_CHECK(mvarTake(member->box, &token) == 0);
        number = (intptr_t)token;
        BENCH_CHECK(mvarPut(number == 0 ? member->arrived_box : member->next_box,
                            (void *)(number - 1)) == 0);
    } while (number >= 0);
    return NULL;
}

static void sendBox(uint64_t hops, void *env)
{
    Member *first = env;
    void *token;
    BENCH_CHECK(mvarPut(first->box, (void *)(uintptr_t)(hops - 1)) == 0);
    BENCH_CHECK(mvarTake(first->arrived_box, &token) == 0);
}

static void measure(const char *name, Member *members, ThreadFn *pass, BenchWork *send)
{
    for (int i = 0; i < MEMBERS; i++)
        BENCH_CHECK(threadFork(&members[i].thread, pass, &members[i]) == 0);
    benchPrint(name, benchRate(send, members), "ns");
    if (pass == passOn)
        tvarWriteIO(members[0].cell, (void *)(intptr_t)-1);
    else
        BENCH_CHECK(mvarPut(members[0].box, (void *)(intptr_t)-1) == 0);
    for (int i = 0; i < MEMBERS; i++) {
        BENCH_CHECK(threadJoin(members[i].thread, NULL) == 0);
        threadRelease(members[i].thread);
    }
}

static void *begin(void *env)
{
    static Member members[MEMBERS];
    TVar *arrived = tvarNew(NULL);
    MVar *arrived_box = mvarNewEmpty();
    BENCH_CHECK(arrived != NULL && arrived_box != NULL);
    for (int i = 0; i < MEMBERS; i++) {
        BENCH_CHECK((members[i].cell = tvarNew(NULL)) != NULL);
        BENCH_CHECK((members[i].box = mvarNewEmpty()) != NULL);
    }
    for (int i = 0; i < MEMBERS; i++) {
        Member *member = &members[i], *next = &members[(i + 1) % MEMBERS];
        *member =
            (Member){member->cell, next->cell, arrived, member->box, next->box, arrived_box, NULL};
    }
    measure("ring", members, passOn, sendRound);
    measure("ring_box", members, passOnBox, sendBox);
    for (int i = 0; i < MEMBERS; i++) {
        tvarFree(members[i].cell);
        mvarFree(members[i].box);
    }
    tvarFree(arrived);
    mvarFree(arrived_box);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
