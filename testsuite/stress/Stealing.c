/* Stealing.c -- one capability makes all the work, in bursts; every piece runs exactly once.
 *
 * The producers are pinned to capability 0, their pieces are free to go: from nothing at all to
 * computations of 1 to 20 ms without a safepoint, so that thieves, the overflow list, the owner's
 * pops from both ends and long silence meet.  Each piece adds 1 to its own cell.
 */
#include "testsuite/support/Crowd.h"

enum { PRODUCERS = 3, MOST_PIECES = 3000 };

typedef struct Piece {
    int64_t length_ns; /* producer, before the fork */
    uint32_t runs;     /* whoever runs it adds 1; the producer reads after the join */
    uint32_t turns;    /* yields in between */
} Piece;

typedef struct Producer {
    uint64_t seed;
    uint64_t bursts, pieces;
} Producer;

static uint32_t stopping; /* main stores, producers read */

static void *runPiece(void *env)
{
    Piece *piece = env;
    if (piece->length_ns > 0)
        crowdCompute(piece->length_ns);
    for (uint32_t i = 0; i < piece->turns; i++)
        threadYield();
    ADD_RELAXED(&piece->runs, 1);
    return piece;
}

static Piece drawPiece(uint64_t *seed)
{
    uint64_t kind = crowdDraw(seed, 400);
    Piece piece = {.turns = (uint32_t)crowdDraw(seed, 3)};
    if (kind == 0)
        piece.length_ns = 1000000 + (int64_t)crowdDraw(seed, 19000000);
    else if (kind < 40)
        piece.length_ns = (int64_t)crowdDraw(seed, 50000);
    return piece;
}

static void *runProducer(void *env)
{
    Producer *producer = env;
    size_t most = crowdScale(MOST_PIECES, 300);
    Piece *pieces = calloc(most, sizeof *pieces);
    Thread **threads = calloc(most, sizeof *threads);
    CHECK(pieces != NULL && threads != NULL);
    while (RELAXED_LOAD(&stopping) == 0) {
        size_t count = 1 + crowdDraw(&producer->seed, crowdDraw(&producer->seed, 2) ? most : 10);
        for (size_t i = 0; i < count; i++) {
            pieces[i] = drawPiece(&producer->seed);
            CHECK_EQ(threadFork(&threads[i], runPiece, &pieces[i]), 0);
        }
        if (crowdDraw(&producer->seed, 3) == 0)
            crowdCompute(1000000 + (int64_t)crowdDraw(&producer->seed, 5000000));
        for (size_t i = 0; i < count; i++) {
            void *result = NULL;
            CHECK_EQ(threadJoin(threads[i], &result), 0);
            CHECK_EQ(result, (void *)&pieces[i]);
            CHECK_EQ(RELAXED_LOAD(&pieces[i].runs), 1);
            threadRelease(threads[i]);
        }
        producer->bursts++;
        producer->pieces += count;
        threadDelay(
            (int64_t)crowdDraw(&producer->seed, 500)); /* everyone falls asleep, or nearly */
    }
    CHECK_EQ(threadCapability(), 0);
    free(threads);
    free(pieces);
    return NULL;
}

TEST(Stealing, everyPieceRunsExactlyOnce)
{
    uint32_t capability_count = 2 + (uint32_t)(testRandom() % 3);
    uint64_t stolen = 0, pieces = 0, bursts = 0;
    Producer producers[PRODUCERS] = {0};
    Crowd crowd;
    crowdStart(&crowd, capability_count, PRODUCERS);
    for (size_t i = 0; i < PRODUCERS; i++) {
        producers[i].seed = crowdSeed(i);
        crowdForkOn(&crowd, 0, runProducer, &producers[i], "producer");
    }
    crowdPause((int64_t)(testSeconds() * 1e9));
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    for (size_t i = 0; i < PRODUCERS; i++) {
        bursts += producers[i].bursts;
        pieces += producers[i].pieces;
    }
    for (uint32_t i = 0; i < capability_count; i++) {
        RtsStats stats;
        CHECK_EQ(rtsStats(i, &stats), 0);
        stolen += stats.stolen;
    }
    printf("%llu bursts, %llu pieces on %u capabilities, %llu stolen\n", (unsigned long long)bursts,
           (unsigned long long)pieces, capability_count, (unsigned long long)stolen);
    crowdStop(&crowd);
}
