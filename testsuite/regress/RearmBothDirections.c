/* RearmBothDirections.c -- both directions of an un-adopted fd are re-armed from two cores at once.
 *
 * Each wait arms the kernel anew, and one that computes its interest from what it saw a moment ago
 * takes the other direction's away.  Small buffers keep all four threads of a pair waiting most of
 * the time: a lost interest is a thread that waits for ever.
 */
#include "testsuite/support/Crowd.h"

enum { PAIRS = 4, TOTAL_BYTES = 2000000, BUFFER_BYTES = 4096, MOST_PIECE = 8000 };

typedef struct Flow {
    int fd;
    uint64_t seed;
    size_t bytes;
} Flow;

static void *pour(void *env)
{
    Flow *flow = env;
    unsigned char bytes[MOST_PIECE];
    for (size_t done = 0; done < flow->bytes;) {
        size_t size = 1 + crowdDraw(&flow->seed, MOST_PIECE);
        if (size > flow->bytes - done)
            size = flow->bytes - done;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)((done + i) % 251);
        ssize_t n = fdWrite(flow->fd, bytes, size);
        CHECK_GT(n, 0);
        done += (size_t)n;
    }
    return NULL;
}

static void *drain(void *env)
{
    Flow *flow = env;
    unsigned char bytes[MOST_PIECE];
    for (size_t done = 0; done < flow->bytes;) {
        ssize_t n = fdRead(flow->fd, bytes, 1 + crowdDraw(&flow->seed, MOST_PIECE));
        CHECK_GT(n, 0);
        for (size_t i = 0; i < (size_t)n; i++)
            CHECK_EQ(bytes[i], (unsigned char)((done + i) % 251));
        done += (size_t)n;
    }
    return NULL;
}

TEST(RearmBothDirections, noInterestIsLost)
{
    static Flow flows[PAIRS][2][2];
    size_t bytes = crowdScale(TOTAL_BYTES, TOTAL_BYTES / 10);
    Crowd crowd;
    crowdStart(&crowd, 2, 4 * PAIRS);
    for (size_t i = 0; i < PAIRS; i++) {
        int pair[2], small = BUFFER_BYTES;
        crowdPair(pair, false);
        for (uint32_t end = 0; end < 2; end++) {
            CHECK_EQ(setsockopt(pair[end], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
            for (uint32_t way = 0; way < 2; way++) {
                Flow *flow = &flows[i][end][way];
                *flow = (Flow){pair[end], crowdSeed(4 * i + 2 * end + way), bytes};
                crowdForkOn(&crowd, way, way == 0 ? pour : drain, flow,
                            way == 0 ? "pourer" : "drainer");
            }
        }
    }
    crowdJoin(&crowd);
    for (size_t i = 0; i < PAIRS; i++)
        for (size_t end = 0; end < 2; end++)
            CHECK_EQ(closeFd(flows[i][end][0].fd), 0);
    crowdStop(&crowd);
    printf("%d pairs, %zu bytes each way\n", PAIRS, bytes);
}
