/* LostWakeup.c -- a thousand keep-alive pairs ping-pong; then quiet: no byte may wait for a reader.
 *
 * Rounds: each pair has a green thread at both ends.  The client sends messages of random length,
 * computes or yields at random, reads the answer in random pieces; its last message says so.  When
 * all have stopped, FIONREAD is 0 on every socket and as many answers as messages were seen.  A
 * lost wake-up leaves a thread parked over bytes that are there: it never ends, and is named with
 * its descriptor.
 */
#include "testsuite/support/Crowd.h"

#include <sys/ioctl.h>

enum { MOST_PAIRS = 1000, MOST_BYTES = 300, ROUND_NS = 300 * 1000 * 1000 };

typedef struct Message {
    uint32_t size; /* bytes that follow */
    uint32_t last; /* 1: no message follows this one */
    uint64_t number;
} Message;

typedef struct Pair {
    int ends[2];
    uint64_t seed; /* the client */
    uint64_t server_seed;
    uint64_t sent;     /* client; read by the main thread after the join */
    uint64_t answered; /* likewise */
    uint64_t served;   /* server; likewise */
} Pair;

static Pair pairs[MOST_PAIRS];
static uint32_t stopping; /* main sets it, clients read it */

/* What people do between two calls. */
static void dawdle(uint64_t *seed)
{
    switch (crowdDraw(seed, 24)) {
    case 0:
    case 1:
        threadYield();
        break;
    case 2:
        crowdCompute((int64_t)crowdDraw(seed, 30000));
        break;
    case 3:
        threadDelay((int64_t)crowdDraw(seed, 100));
        break;
    case 4:
        threadSafepoint();
        break;
    default:
        break;
    }
}

/* Exactly `size` bytes, by calls of random kind and size. */
static void readAll(int fd, void *buffer, size_t size, uint64_t *seed)
{
    for (size_t done = 0; done < size;) {
        size_t piece = 1 + crowdDraw(seed, size - done);
        char *at = (char *)buffer + done;
        struct iovec parts[2] = {{at, piece / 2}, {at + piece / 2, piece - piece / 2}};
        ssize_t n;
        switch (crowdDraw(seed, 3)) {
        case 0:
            n = fdRead(fd, at, size - done); /* all there is: short reads prove something */
            break;
        case 1:
            n = fdRecv(fd, at, piece, 0);
            break;
        default:
            n = fdReadv(fd, parts, 2);
            break;
        }
        CHECK_GT(n, 0);
        done += (size_t)n;
        if (done < size)
            dawdle(seed);
    }
}

static void sendMessage(int fd, Message head, uint64_t *seed)
{
    char bytes[sizeof head + MOST_BYTES];
    memcpy(bytes, &head, sizeof head);
    memset(bytes + sizeof head, (int)(head.number & 127), head.size);
    size_t size = sizeof head + head.size, first = crowdDraw(seed, size + 1);
    if (first != 0)
        CHECK_EQ(fdWriteAll(fd, bytes, first), (ssize_t)first);
    if (first != 0 && first != size)
        dawdle(seed);
    if (first != size)
        CHECK_EQ(fdWriteAll(fd, bytes + first, size - first), (ssize_t)(size - first));
}

static Message receiveMessage(int fd, uint64_t *seed)
{
    Message head;
    char bytes[MOST_BYTES];
    readAll(fd, &head, sizeof head, seed);
    CHECK_LE(head.size, (uint32_t)MOST_BYTES);
    readAll(fd, bytes, head.size, seed);
    for (size_t i = 0; i < head.size; i++)
        CHECK_EQ(bytes[i], (char)(head.number & 127));
    return head;
}

static void *runClient(void *env)
{
    Pair *pair = env;
    for (uint32_t last = 0; last == 0;) {
        last = RELAXED_LOAD(&stopping);
        Message head = {(uint32_t)crowdDraw(&pair->seed, MOST_BYTES), last, ++pair->sent};
        sendMessage(pair->ends[0], head, &pair->seed);
        dawdle(&pair->seed);
        Message answer = receiveMessage(pair->ends[0], &pair->seed);
        CHECK_EQ(answer.number, head.number);
        CHECK_EQ(answer.size, head.size);
        pair->answered++;
        dawdle(&pair->seed);
    }
    return NULL;
}

static void *runServer(void *env)
{
    Pair *pair = env;
    for (uint32_t last = 0; last == 0; pair->served++) {
        Message head = receiveMessage(pair->ends[1], &pair->server_seed);
        dawdle(&pair->server_seed);
        sendMessage(pair->ends[1], head, &pair->server_seed);
        last = head.last;
    }
    return NULL;
}

static void playRound(Crowd *crowd, size_t count)
{
    RELAXED_STORE(&stopping, 0);
    for (size_t i = 0; i < count; i++) {
        crowdFork(crowd, runServer, &pairs[i], "server");
        crowdFork(crowd, runClient, &pairs[i], "client");
    }
    crowdPause(ROUND_NS);
    RELAXED_STORE(&stopping, 1);
    crowdJoin(crowd);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(pairs[i].answered, pairs[i].sent);
        CHECK_EQ(pairs[i].served, pairs[i].sent);
        for (int end = 0; end < 2; end++) {
            int waiting = -1;
            CHECK_EQ(ioctl(pairs[i].ends[end], FIONREAD, &waiting), 0);
            CHECK_EQ(waiting, 0);
        }
    }
}

static void pingPong(bool adopted)
{
    size_t count = crowdScale(MOST_PAIRS, 100);
    uint32_t capability_count = 2 + (uint32_t)(testRandom() % 3);
    uint64_t rounds = 0, messages = 0;
    Crowd crowd;
    if (!crowdMayOpen(2 * MOST_PAIRS + 100))
        count = 100;
    crowdStart(&crowd, capability_count, 2 * count);
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (Pair){.seed = crowdSeed(2 * i), .server_seed = crowdSeed(2 * i + 1)};
        crowdPair(pairs[i].ends, adopted);
    }
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    do {
        playRound(&crowd, count);
        rounds++;
    } while (rtsNow() < end_ns);
    for (size_t i = 0; i < count; i++) {
        messages += pairs[i].sent;
        CHECK_EQ(closeFd(pairs[i].ends[0]), 0);
        CHECK_EQ(closeFd(pairs[i].ends[1]), 0);
    }
    printf("%llu rounds of %zu pairs on %u capabilities, %llu messages answered\n",
           (unsigned long long)rounds, count, capability_count, (unsigned long long)messages);
    crowdStop(&crowd);
}

TEST(LostWakeup, adoptedPairsGoQuiet)
{
    pingPong(true);
}

TEST(LostWakeup, unadoptedPairsGoQuiet)
{
    pingPong(false);
}
