/* HandOff.c -- row 35: two threads hand a value over through one variable each, waiting by retry.
 *
 * A hop is one transaction that puts and one that takes, which has to wait.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/rts.h>
#include <capri/stm.h>

typedef struct Player {
    TVar *mine, *other;
    uint64_t hops;
} Player;

static void *put(Transaction *tx, void *env)
{
    tvarWrite(tx, ((Player *)env)->other, env);
    return NULL;
}

static void *take(Transaction *tx, void *env)
{
    TVar *mine = ((Player *)env)->mine;
    stmCheck(tx, tvarRead(tx, mine) != NULL);
    tvarWrite(tx, mine, NULL);
    return NULL;
}

static void *answer(void *env)
{
    for (uint64_t i = 0; i < ((Player *)env)->hops; i++) {
        BENCH_CHECK(stmAtomically(take, env, NULL) == 0);
        BENCH_CHECK(stmAtomically(put, env, NULL) == 0);
    }
    return NULL;
}

static void play(uint64_t hops, void *env)
{
    Player *player = env;
    Player peer = {player->other, player->mine, hops / 2 + 1};
    Thread *thread;
    BENCH_CHECK(threadForkOn(&thread, capabilityCount() - 1, answer, &peer) == 0);
    for (uint64_t i = 0; i < peer.hops; i++) {
        BENCH_CHECK(stmAtomically(put, player, NULL) == 0);
        BENCH_CHECK(stmAtomically(take, player, NULL) == 0);
    }
    BENCH_CHECK(threadJoin(thread, NULL) == 0);
    threadRelease(thread);
}

static void *playPinned(void *env)
{
    Player player = {.mine = tvarNew(NULL), .other = tvarNew(NULL)};
    BENCH_CHECK(player.mine != NULL && player.other != NULL);
    benchPrint("hand_off", benchRate(play, &player), "ns");
    return env;
}

static void *begin(void *env)
{
    Thread *thread;
    BENCH_CHECK(threadForkOn(&thread, 0, playPinned, env) == 0);
    BENCH_CHECK(threadJoin(thread, NULL) == 0);
    threadRelease(thread);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
