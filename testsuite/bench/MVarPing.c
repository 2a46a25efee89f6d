/* MVarPing.c -- row 27: two threads, two MVars: each puts into the other's and takes from its own.
 *
 * A hop is one put and one take that has to wait.  `mvar`: they run where the scheduler likes;
 * `mvar_apart`: each on a capability of its own.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/mvar.h>
#include <capri/rts.h>

typedef struct Player {
    MVar *mine, *other;
    uint64_t hops; /* half of them are the peer's */
    bool apart;
} Player;

static void *answer(void *env)
{
    Player *player = env;
    void *ball;
    for (uint64_t i = 0; i < player->hops; i++) {
        BENCH_CHECK(mvarTake(player->mine, &ball) == 0);
        BENCH_CHECK(mvarPut(player->other, ball) == 0);
    }
    return NULL;
}

static void playRound(uint64_t hops, void *env)
{
    Player *player = env;
    Player peer = {.mine = player->other, .other = player->mine, .hops = hops / 2 + 1};
    void *ball;
    Thread *thread;
    BENCH_CHECK((player->apart ? threadForkOn(&thread, 1, answer, &peer)
                               : threadFork(&thread, answer, &peer)) == 0);
    for (uint64_t i = 0; i < peer.hops; i++) {
        BENCH_CHECK(mvarPut(player->other, player) == 0);
        BENCH_CHECK(mvarTake(player->mine, &ball) == 0);
    }
    BENCH_CHECK(threadJoin(thread, NULL) == 0);
    threadRelease(thread);
}

static void *play(void *env)
{
    Player *player = env;
    benchPrint(player->apart ? "mvar_apart" : "mvar", benchRate(playRound, player), "ns");
    return NULL;
}

static void *begin(void *env)
{
    Player player = {.mine = mvarNewEmpty(), .other = mvarNewEmpty()};
    Thread *thread;
    BENCH_CHECK(player.mine != NULL && player.other != NULL);
    play(&player);
    if (capabilityCount() > 1) {
        player.apart = true;
        BENCH_CHECK(threadForkOn(&thread, 0, play, &player) == 0);
        BENCH_CHECK(threadJoin(thread, NULL) == 0);
        threadRelease(thread);
    }
    mvarFree(player.mine);
    mvarFree(player.other);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
