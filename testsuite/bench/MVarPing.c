/* MVarPing.c -- row 27: two threads, two MVars: each puts into the other's and takes from its own.
 *
 * A hop is one put and one take that has to wait.  --pinned: each on a capability of its own.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/mvar.h>

#include <string.h>

typedef struct Player {
    MVar *mine, *other;
    uint64_t hops; /* half of them are the peer's */
} Player;

static bool pinned; /* constant while threads run */

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
    Player peer = {player->other, player->mine, hops / 2 + 1};
    void *ball;
    Thread *thread;
    uint32_t where = pinned ? 1 - (uint32_t)threadCapability() : 0;
    BENCH_CHECK((pinned ? threadForkOn(&thread, where, answer, &peer)
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
    Player player = {.mine = mvarNewEmpty(), .other = mvarNewEmpty()};
    BENCH_CHECK(player.mine != NULL && player.other != NULL);
    benchPrint("mvar", benchRate(playRound, &player), "ns");
    mvarFree(player.mine);
    mvarFree(player.other);
    return env;
}

static void *begin(void *env)
{
    Thread *thread;
    BENCH_CHECK((pinned ? threadForkOn(&thread, 0, play, NULL) : threadFork(&thread, play, NULL)) ==
                0);
    BENCH_CHECK(threadJoin(thread, NULL) == 0);
    threadRelease(thread);
    return env;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        pinned = pinned || strcmp(argv[i], "--pinned") == 0;
    return benchMain(argc, argv, begin, NULL);
}
