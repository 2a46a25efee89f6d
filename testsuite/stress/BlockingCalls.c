/* BlockingCalls.c -- files, names and errands from many threads, with time-outs, on a small pool.
 *
 * Whatever is given up ends by itself and frees what it made: the allocator counts.
 */
#include "testsuite/support/Crowd.h"
#include "testsuite/support/Runtime.h"

#include <capri/address.h>
#include <capri/file.h>

#include <netdb.h>
#include <pthread.h>

enum { READERS = 24, LOOKERS = 8, OUTSIDERS = 2, FILE_BYTES = 256 * 1024, BLOCK = 4096 };

static uint32_t stopping; /* main stores, all read */
static uint64_t reads, lookups, given_up;
static int file;
static uint64_t seeds[READERS + LOOKERS + OUTSIDERS];

/* A block holds its own number; writers write what is there already. */
static void fillBlock(uint64_t *block, uint64_t number)
{
    for (size_t i = 0; i < BLOCK / sizeof *block; i++)
        block[i] = number;
}

static void checkBlock(const uint64_t *block, uint64_t number, ssize_t size)
{
    CHECK_GE(size, 0);
    CHECK_EQ((size_t)size % sizeof *block, 0);
    for (size_t i = 0; i < (size_t)size / sizeof *block; i++)
        CHECK_EQ(block[i], number);
}

static int64_t drawDeadline(uint64_t *seed)
{
    return crowdDraw(seed, 3) == 0 ? INT64_MAX : rtsNow() + (int64_t)crowdDraw(seed, 300000);
}

static void touchFile(uint64_t *seed, uint64_t *block)
{
    uint64_t number = crowdDraw(seed, FILE_BYTES / BLOCK);
    int64_t offset = (int64_t)(number * BLOCK), deadline_ns = drawDeadline(seed);
    ssize_t n = 0;
    switch (crowdDraw(seed, 8)) {
    case 0:
        fillBlock(block, number);
        n = fdPwriteUntil(file, block, BLOCK, offset, deadline_ns);
        fillBlock(block, ~number); /* the caller's again at once */
        break;
    case 1:
        n = fdFsyncUntil(file, deadline_ns);
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        break;
    default:
        n = fdPreadUntil(file, block, BLOCK, offset, deadline_ns);
        if (n >= 0)
            checkBlock(block, number, n);
        ADD_RELAXED(&reads, n > 0);
    }
    if (n < 0) {
        CHECK_EQ(n, -ETIMEDOUT);
        ADD_RELAXED(&given_up, 1);
    }
}

static void *readAndWrite(void *env)
{
    uint64_t block[BLOCK / sizeof(uint64_t)];
    while (RELAXED_LOAD(&stopping) == 0)
        touchFile(env, block);
    return NULL;
}

static void *lookUp(void *env)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    while (RELAXED_LOAD(&stopping) == 0) {
        struct addrinfo *addresses = NULL;
        int result = addressLookupUntil("127.0.0.1", "80", &hints, &addresses, drawDeadline(env));
        ADD_RELAXED(&lookups, result == 0);
        ADD_RELAXED(&given_up, result == -ETIMEDOUT);
        CHECK(result == 0 || result == -ETIMEDOUT);
        CHECK((addresses != NULL) == (result == 0));
        if (addresses != NULL)
            freeaddrinfo(addresses);
    }
    return NULL;
}

static void makeFile(void)
{
    char name[] = "/tmp/capri-stress-XXXXXX";
    uint64_t block[BLOCK / sizeof(uint64_t)];
    file = mkstemp(name);
    CHECK_GE(file, 0);
    CHECK_EQ(unlink(name), 0);
    for (uint64_t i = 0; i < FILE_BYTES / BLOCK; i++) {
        fillBlock(block, i);
        CHECK_EQ(pwrite(file, block, BLOCK, (off_t)(i * BLOCK)), BLOCK);
    }
}

TEST(BlockingCalls, nothingIsLostOrLeft)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = 2 + (uint32_t)(testRandom() % 2),
                        .allocator = countingAllocator(&heap),
                        .blocking_threads = 3,
                        .blocking_idle_ms = 1};
    Crowd crowd;
    pthread_t outsiders[OUTSIDERS];
    makeFile();
    CHECK_EQ(rtsInit(&config), 0);
    crowdStart(&crowd, 1, READERS + LOOKERS); /* counted: the config above is the one */
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        seeds[i] = crowdSeed(i);
    for (size_t i = 0; i < READERS + LOOKERS; i++)
        crowdFork(&crowd, i < READERS ? readAndWrite : lookUp, &seeds[i], "caller");
    for (size_t i = 0; i < OUTSIDERS; i++)
        CHECK_EQ(pthread_create(&outsiders[i], NULL, i == 0 ? readAndWrite : lookUp,
                                &seeds[READERS + LOOKERS + i]),
                 0);
    crowdPause((int64_t)(testSeconds() * 1e9));
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&crowd);
    for (size_t i = 0; i < OUTSIDERS; i++)
        CHECK_EQ(pthread_join(outsiders[i], NULL), 0);
    crowdStop(&crowd);
    CHECK_EQ(rtsShutdown(Drain, rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS), 0);
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), 0);
    CHECK_EQ(close(file), 0);
    printf("%llu reads, %llu lookups, %llu given up\n", (unsigned long long)reads,
           (unsigned long long)lookups, (unsigned long long)given_up);
    CHECK_GT(reads, 0);
    CHECK_GT(lookups, 0);
    CHECK_GT(given_up, 0);
}
