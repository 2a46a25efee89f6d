/* Resize.c -- pipes copied around by many threads while the number of capabilities goes up and
 * down.
 *
 * A byte that a copier reads it writes into the next pipe, so that every byte comes out in order,
 * or a wake-up, a byte or an fd was lost on the way.  All the time decoys open what numbers are
 * free, put a token of their own in, and look whether it is all that comes out: who touches an fd
 * that is not his any more spoils one.  Capabilities cycle 8, 7 ... 1, 2 ... 8 every 2 ms.
 */
#include "testsuite/support/Crowd.h"

#include "internal/SMP.h"

#include <pthread.h>
#include <signal.h>

enum {
    CHAIN = 1000, /* pipes; one copier fewer */
    RING = 200,
    CAPABILITIES = 8,
    DECOYS = 4,
    CYCLE_NS = 2 * 1000 * 1000,
    TOKENS = 12
};

typedef struct Copier {
    int in, out;
    bool adopted;
    bool *leave;     /* the victim's: end at the next byte.  NULL: go on */
    uint64_t copied; /* the copier; read after the join */
} Copier;

static uint32_t stop_cycling, stop_decoys; /* tests store, the others look (relaxed) */
static uint64_t cycles, decoyed;           /* relaxed adds */

static int closeEnd(int fd, bool adopted)
{
    return adopted ? closeFd(fd) : close(fd);
}

static void makePipe(int ends[2], bool adopted)
{
    if (adopted)
        CHECK_EQ(fdPipe(ends), 0);
    else
        CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
}

/* Ends with the pipe before it, or because nobody reads the pipe behind it. */
static void *copyOn(void *env)
{
    Copier *copier = env;
    unsigned char bytes[64];
    for (;;) {
        ssize_t got = fdRead(copier->in, bytes, sizeof bytes);
        if (got <= 0 || (copier->leave != NULL && RELAXED_LOAD(copier->leave))) {
            CHECK_GE(got, 0);
            break;
        }
        ssize_t put = 0;
        while (put < got) {
            ssize_t n = fdWrite(copier->out, bytes + put, (size_t)(got - put));
            if (n == -EPIPE)
                break;
            CHECK_GT(n, 0);
            put += n;
        }
        copier->copied += (uint64_t)put;
        if (put < got)
            break;
    }
    CHECK_EQ(closeEnd(copier->in, copier->adopted), 0);
    CHECK_EQ(closeEnd(copier->out, copier->adopted), 0);
    return NULL;
}

/* ---- around it ------------------------------------------------------------------------------- */

/* 8, 7 ... 1, 2 ... 8, over and over; by a plain OS thread or a green one. */
static void *cycle(void *env)
{
    uint32_t at = 0;
    (void)env;
    while (RELAXED_LOAD(&stop_cycling) == 0) {
        uint32_t step = ++at % (2 * CAPABILITIES - 2);
        uint32_t count = step < CAPABILITIES ? CAPABILITIES - step : step - CAPABILITIES + 2;
        CHECK_EQ(capabilitySetCount(count), 0);
        ADD_RELAXED(&cycles, 1);
        if (threadSelf() != NULL)
            CHECK_EQ(threadDelay(CYCLE_NS / 1000), 0);
        else
            crowdPause(CYCLE_NS);
    }
    return NULL;
}

static void *decoy(void *env)
{
    uint64_t seed = crowdSeed((uintptr_t)env);
    while (RELAXED_LOAD(&stop_decoys) == 0) {
        int pair[2];
        bool adopted = crowdDraw(&seed, 2);
        uint64_t token = testRandomFrom(&seed), seen = 0;
        crowdPair(pair, adopted);
        CHECK_EQ(fdWrite(pair[0], &token, sizeof token), (ssize_t)sizeof token);
        if (crowdDraw(&seed, 2))
            CHECK_EQ(threadDelay((int64_t)crowdDraw(&seed, 500)), 0);
        else
            threadYield();
        CHECK_EQ(fdRead(pair[1], &seen, sizeof seen), (ssize_t)sizeof seen);
        CHECK_EQ(seen, token);
        CHECK_EQ(recv(pair[0], &seen, 1, MSG_DONTWAIT), -1);
        CHECK_EQ(recv(pair[1], &seen, 1, MSG_DONTWAIT), -1);
        CHECK_EQ(closeEnd(pair[0], adopted), 0);
        CHECK_EQ(closeEnd(pair[1], adopted), 0);
        ADD_RELAXED(&decoyed, 1);
    }
    return NULL;
}

typedef struct Surroundings {
    Crowd decoys;
    pthread_t os_thread;
    Thread *green;
} Surroundings;

/* green: a green thread resizes, else a plain OS thread. */
static void begin(Surroundings *around, bool green)
{
    RELAXED_STORE(&stop_cycling, 0);
    RELAXED_STORE(&stop_decoys, 0);
    around->decoys = (Crowd){.threads = calloc(DECOYS, sizeof(Thread *)), .room = DECOYS};
    CHECK(around->decoys.threads != NULL);
    for (uintptr_t i = 0; i < DECOYS; i++)
        crowdFork(&around->decoys, decoy, (void *)i, "decoy");
    around->green = NULL;
    if (green)
        CHECK_EQ(threadFork(&around->green, cycle, NULL), 0);
    else
        CHECK_EQ(pthread_create(&around->os_thread, NULL, cycle, NULL), 0);
}

static void end(Surroundings *around)
{
    RELAXED_STORE(&stop_decoys, 1);
    crowdJoin(&around->decoys);
    free(around->decoys.threads);
    RELAXED_STORE(&stop_cycling, 1);
    if (around->green != NULL) {
        CHECK_EQ(threadJoin(around->green, NULL), 0);
        threadRelease(around->green);
    } else {
        CHECK_EQ(pthread_join(around->os_thread, NULL), 0);
    }
}

/* ---- a chain of 1000 pipes ------------------------------------------------------------------- */

typedef struct Source {
    int fd;
    bool adopted;
    uint64_t bytes;
} Source;

static void *feed(void *env)
{
    Source *source = env;
    for (uint64_t i = 0; i < source->bytes; i++) {
        unsigned char byte = (unsigned char)(i * 7);
        CHECK_EQ(fdWrite(source->fd, &byte, 1), 1);
        if (i % 16 == 0)
            threadYield();
    }
    CHECK_EQ(closeEnd(source->fd, source->adopted), 0);
    return NULL;
}

static void *drain(void *env)
{
    Source *source = env;
    unsigned char bytes[32];
    uint64_t seen = 0;
    for (ssize_t got; (got = fdRead(source->fd, bytes, sizeof bytes)) != 0;) {
        CHECK_GT(got, 0);
        for (ssize_t i = 0; i < got; i++)
            CHECK_EQ(bytes[i], (unsigned char)(seen++ * 7));
    }
    CHECK_EQ(seen, source->bytes);
    CHECK_EQ(closeEnd(source->fd, source->adopted), 0);
    return NULL;
}

static void playChain(Crowd *crowd, size_t pipes, bool adopted, uint64_t bytes)
{
    static int ends[CHAIN][2];
    static Copier copiers[CHAIN];
    for (size_t i = 0; i < pipes; i++)
        makePipe(ends[i], adopted);
    Source first = {ends[0][1], adopted, bytes}, last = {ends[pipes - 1][0], adopted, bytes};
    for (size_t i = 0; i + 1 < pipes; i++) {
        copiers[i] = (Copier){.in = ends[i][0], .out = ends[i + 1][1], .adopted = adopted};
        if (i % 8 == 0)
            crowdForkOn(crowd, (uint32_t)(i / 8 % CAPABILITIES), copyOn, &copiers[i], "copier");
        else
            crowdFork(crowd, copyOn, &copiers[i], "copier");
    }
    crowdFork(crowd, drain, &last, "drain");
    crowdFork(crowd, feed, &first, "feed");
    crowdJoin(crowd);
    for (size_t i = 0; i + 1 < pipes; i++)
        CHECK_EQ(copiers[i].copied, bytes);
}

TEST(Resize, aChainOfPipesLosesNothing)
{
    size_t pipes = crowdScale(CHAIN, CHAIN / 5);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    Crowd crowd;
    Surroundings around;
    if (!crowdMayOpen(2 * CHAIN + 100))
        SKIP("2100 descriptors are not allowed");
    signal(SIGPIPE, SIG_IGN);
    crowdStart(&crowd, CAPABILITIES, CHAIN + 2);
    for (uint32_t round = 0; round == 0 || rtsNow() < end_ns; round++) {
        begin(&around, round % 2);
        playChain(&crowd, pipes, round / 2 % 2 == 0, crowdScale(200, 40));
        end(&around);
    }
    printf("%llu resizes, %llu decoys\n", (unsigned long long)RELAXED_LOAD(&cycles),
           (unsigned long long)RELAXED_LOAD(&decoyed));
    crowdStop(&crowd);
}

/* ---- a ring of 200, of which one ends early -------------------------------------------------- */

static void playRing(Crowd *crowd, uint64_t *seed, size_t pipes, bool adopted)
{
    static int ends[RING][2];
    static Copier copiers[RING];
    bool leave = false;
    size_t victim = crowdDraw(seed, pipes);
    for (size_t i = 0; i < pipes; i++)
        makePipe(ends[i], adopted);
    for (size_t i = 0; i < TOKENS; i++) {
        size_t at = crowdDraw(seed, pipes);
        CHECK_EQ(write(ends[at][1], "t", 1), 1);
    }
    for (size_t i = 0; i < pipes; i++) {
        copiers[i] = (Copier){.in = ends[i][0],
                              .out = ends[(i + 1) % pipes][1],
                              .adopted = adopted,
                              .leave = i == victim ? &leave : NULL};
        if (i % 5 == 0)
            crowdForkOn(crowd, (uint32_t)crowdDraw(seed, CAPABILITIES), copyOn, &copiers[i],
                        "copier");
        else
            crowdFork(crowd, copyOn, &copiers[i], "copier");
    }
    crowdPause((int64_t)crowdDraw(seed, 100 * 1000 * 1000));
    RELAXED_STORE(&leave, true);
    crowdJoin(crowd);
}

TEST(Resize, everyCopierOfARingEndsWhenOneLeaves)
{
    uint64_t seed = crowdSeed(0), rounds = 0;
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    Crowd crowd;
    Surroundings around;
    if (!crowdMayOpen(2 * RING + 100))
        SKIP("500 descriptors are not allowed");
    signal(SIGPIPE, SIG_IGN);
    crowdStart(&crowd, CAPABILITIES, RING);
    begin(&around, crowdDraw(&seed, 2));
    do {
        playRing(&crowd, &seed, RING, crowdDraw(&seed, 2));
        rounds++;
    } while (rtsNow() < end_ns);
    end(&around);
    printf("%llu rings, %llu resizes, %llu decoys\n", (unsigned long long)rounds,
           (unsigned long long)RELAXED_LOAD(&cycles), (unsigned long long)RELAXED_LOAD(&decoyed));
    crowdStop(&crowd);
}
