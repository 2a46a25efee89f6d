/* CloseReuse.c -- threads wait on numbers that others close and open again as other files.
 *
 * Each driver opens one socket pair after the other and shows its near end to all workers, which
 * read or write it, or wait for it for a while.  Every socket has a tag; whatever passes through a
 * socket is its tag.  Two kinds:
 *   silent   both directions of the near end are blocked (nothing to read, buffer full); it is
 *            closed when all workers at it have parked, so every one of them must get -EBADF, and
 *            none may touch the file that has the number next.
 *   talking  tags flow both ways; it is closed when all workers have left it.
 * Near ends are adopted (closed by closeFd) or not (closed by closeFd or by plain close).  Who
 * waits for a number closed by plain close is told when the number is waited for again, or closed
 * by closeFd.
 */
#include "testsuite/support/Crowd.h"

#include <sys/ioctl.h>

enum { MOST_DRIVERS = 8, MOST_WORKERS = 48, MOST_NUMBERS = 4096, BUFFER_BYTES = 4096 };

typedef struct Socket {
    int near_fd, far_fd;
    bool adopted;
    uint64_t tag;
    uint32_t closing;    /* driver sets it (seq_cst), workers look after they have entered */
    struct Socket *next; /* the driver's list of all its sockets, freed at the end */
} Socket;

typedef struct Driver {
    Socket *shown; /* stored by the driver, loaded by workers (seq_cst) */
    Socket *all;
    uint64_t seed;
    uint64_t closed, plain_closed, units; /* plain_closed: main looks (relaxed) */
} Driver;

typedef struct Worker {
    Socket *on; /* stored by the worker, loaded by drivers (seq_cst) */
    Thread *thread;
    bool writes;
    uint64_t seed;
    uint64_t done, refused; /* refused: main looks (relaxed) */
} Worker;

static Driver drivers[MOST_DRIVERS];
static Worker workers[MOST_WORKERS];
static size_t driver_count, worker_count;
static uint32_t stopping, resting;  /* main stores, drivers and workers read */
static uint64_t next_tag;           /* drivers, relaxed add */
static uint32_t used[MOST_NUMBERS]; /* numbers that were ever near ends; relaxed */

/* ---- workers ---- */

static void workOn(Worker *worker, Socket *socket)
{
    uint64_t unit = socket->tag;
    ssize_t n;
    if (crowdDraw(&worker->seed, 8) == 0) {
        int64_t deadline_ns = rtsNow() + (int64_t)crowdDraw(&worker->seed, 200000);
        int result = worker->writes ? threadWaitWriteUntil(socket->near_fd, deadline_ns)
                                    : threadWaitReadUntil(socket->near_fd, deadline_ns);
        CHECK(result == 0 || result == -ETIMEDOUT || result == -EBADF);
        return;
    }
    n = worker->writes ? fdWrite(socket->near_fd, &unit, sizeof unit)
                       : fdRead(socket->near_fd, &unit, sizeof unit);
    if (n >= 0) {
        CHECK_EQ(n, (ssize_t)sizeof unit);
        CHECK_EQ(unit, socket->tag);
        worker->done++;
    } else {
        CHECK_EQ(n, -EBADF);
        CHECK_EQ(SEQ_CST_LOAD(&socket->closing), 1);
        ADD_RELAXED(&worker->refused, 1);
    }
}

static void *runWorker(void *env)
{
    Worker *worker = env;
    while (RELAXED_LOAD(&resting) == 0) {
        Socket *socket = SEQ_CST_LOAD(&drivers[crowdDraw(&worker->seed, driver_count)].shown);
        if (socket != NULL) {
            SEQ_CST_STORE(&worker->on, socket);
            if (SEQ_CST_LOAD(&socket->closing) == 0)
                workOn(worker, socket);
            SEQ_CST_STORE(&worker->on, NULL);
        }
        if (socket == NULL || crowdDraw(&worker->seed, 4) == 0)
            threadYield();
    }
    return NULL;
}

/* ---- drivers ---- */

/* Is everyone at this socket parked in it?  Then nobody is between a look at its number and a
 * call. */
static bool allParked(const Socket *socket)
{
    for (size_t i = 0; i < worker_count; i++) {
        if (SEQ_CST_LOAD(&workers[i].on) != socket)
            continue;
        Thread *thread = workers[i].thread;
        ClaimState claim = claimState(ACQUIRE_LOAD(&thread->claim));
        bool parked = claim == ClaimParked ||
                      (claim == ClaimListed && ACQUIRE_LOAD(&thread->node.linked) != 0);
        if (threadStatus(thread).fd != socket->near_fd || !parked)
            return false;
    }
    return true;
}

static bool anyoneAt(const Socket *socket)
{
    for (size_t i = 0; i < worker_count; i++)
        if (SEQ_CST_LOAD(&workers[i].on) == socket)
            return true;
    return false;
}

static __attribute__((noinline)) ssize_t sendTag(int fd, uint64_t tag)
{
    return send(fd, &tag, sizeof tag, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Whatever has arrived at the far end carries the socket's tag. */
static __attribute__((noinline)) uint64_t drainFar(const Socket *socket)
{
    uint64_t units[64], total = 0;
    for (;;) {
        ssize_t n = recv(socket->far_fd, units, sizeof units, MSG_DONTWAIT);
        if (n <= 0)
            return total;
        CHECK_EQ((size_t)n % sizeof *units, 0);
        for (size_t i = 0; i < (size_t)n / sizeof *units; i++)
            CHECK_EQ(units[i], socket->tag);
        total += (size_t)n / sizeof *units;
    }
}

static Socket *openSocket(Driver *driver)
{
    Socket *socket = calloc(1, sizeof *socket);
    int pair[2], small = BUFFER_BYTES;
    CHECK(socket != NULL);
    crowdPair(pair, false);
    socket->near_fd = pair[0];
    socket->far_fd = pair[1];
    CHECK_LT(pair[0], MOST_NUMBERS);
    CHECK_LT(pair[1], MOST_NUMBERS);
    RELAXED_STORE(&used[pair[0]], 1);
    RELAXED_STORE(&used[pair[1]], 1);
    CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    socket->adopted = crowdDraw(&driver->seed, 2) == 0;
    socket->tag = ADD_RELAXED(&next_tag, 1) + 1;
    socket->next = driver->all;
    driver->all = socket;
    /* A look at both numbers: whoever waits for an older file of theirs is told. */
    for (int i = 0; i < 2; i++) {
        int result = threadWaitReadUntil(pair[i], rtsNow());
        CHECK(result == 0 || result == -ETIMEDOUT);
    }
    if (socket->adopted)
        CHECK_EQ(fdAdopt(socket->near_fd), 0);
    return socket;
}

static void closeNear(Driver *driver, Socket *socket)
{
    if (!socket->adopted && crowdDraw(&driver->seed, 2) == 0) {
        CHECK_EQ(close(socket->near_fd), 0);
        ADD_RELAXED(&driver->plain_closed, 1);
    } else {
        CHECK_EQ(closeFd(socket->near_fd), 0);
        driver->closed++;
    }
}

static void showFor(Driver *driver, Socket *socket)
{
    SEQ_CST_STORE(&driver->shown, socket);
    threadDelay((int64_t)crowdDraw(&driver->seed, 300));
}

static void hide(Driver *driver, Socket *socket)
{
    SEQ_CST_STORE(&driver->shown, NULL);
    SEQ_CST_STORE(&socket->closing, 1);
}

static void playSilent(Driver *driver, Socket *socket)
{
    uint64_t filled = 0;
    while (sendTag(socket->near_fd, socket->tag) > 0)
        filled++;
    showFor(driver, socket);
    hide(driver, socket);
    while (!allParked(socket))
        threadDelay(20);
    closeNear(driver, socket);
    CHECK_EQ(drainFar(socket), filled);
}

static void playTalking(Driver *driver, Socket *socket)
{
    showFor(driver, socket);
    for (int i = 0; i < 8; i++) {
        sendTag(socket->far_fd, socket->tag);
        driver->units += drainFar(socket);
        threadDelay((int64_t)crowdDraw(&driver->seed, 100));
    }
    hide(driver, socket);
    while (anyoneAt(socket)) {
        sendTag(socket->far_fd, socket->tag);
        driver->units += drainFar(socket);
        threadDelay(20);
    }
    closeNear(driver, socket);
}

static void *runDriver(void *env)
{
    Driver *driver = env;
    while (RELAXED_LOAD(&stopping) == 0) {
        Socket *socket = openSocket(driver);
        if (crowdDraw(&driver->seed, 2) == 0)
            playSilent(driver, socket);
        else
            playTalking(driver, socket);
        CHECK_EQ(close(socket->far_fd), 0);
    }
    return NULL;
}

/* ---- the test ---- */

/* Those who still wait for a number that was closed by plain close and never came again. */
static void releaseLast(void)
{
    for (int fd = 0; fd < MOST_NUMBERS; fd++)
        if (RELAXED_LOAD(&used[fd]) != 0 && fcntl(fd, F_GETFD) < 0)
            CHECK_EQ(closeFd(fd), -EBADF);
}

static void report(void)
{
    uint64_t closed = 0, plain_closed = 0, units = 0, done = 0, refused = 0;
    for (size_t i = 0; i < driver_count; i++) {
        closed += drivers[i].closed;
        plain_closed += drivers[i].plain_closed;
        units += drivers[i].units;
        for (Socket *at = drivers[i].all, *next; at != NULL; at = next) {
            next = at->next;
            free(at);
        }
    }
    for (size_t i = 0; i < worker_count; i++) {
        done += workers[i].done;
        refused += workers[i].refused;
    }
    printf("%llu closed by closeFd, %llu by close; %llu transfers, %llu arrived at far ends, "
           "%llu waits ended by a close\n",
           (unsigned long long)closed, (unsigned long long)plain_closed, (unsigned long long)done,
           (unsigned long long)units, (unsigned long long)refused);
}

/* A wait was ended by a close, and a number was closed behind our back. */
static bool allWasSeen(void)
{
    bool refused = false, plainly = false;
    for (size_t i = 0; i < worker_count; i++)
        refused |= RELAXED_LOAD(&workers[i].refused) != 0;
    for (size_t i = 0; i < driver_count; i++)
        plainly |= RELAXED_LOAD(&drivers[i].plain_closed) != 0;
    return refused && plainly;
}

TEST(CloseReuse, nobodySeesAnotherFilesBytes)
{
    Crowd driving, working;
    driver_count = 3 + testRandom() % (MOST_DRIVERS - 2);
    worker_count = crowdScale(MOST_WORKERS, MOST_WORKERS / 2);
    crowdStart(&driving, 1 + (uint32_t)(testRandom() % 4), driver_count);
    working = (Crowd){.threads = calloc(worker_count, sizeof(Thread *)), .room = worker_count};
    for (size_t i = 0; i < driver_count; i++)
        drivers[i].seed = crowdSeed(i);
    for (size_t i = 0; i < worker_count; i++) {
        workers[i].seed = crowdSeed(100 + i);
        workers[i].writes = i % 2;
        workers[i].thread =
            crowdFork(&working, runWorker, &workers[i], workers[i].writes ? "writer" : "reader");
    }
    for (size_t i = 0; i < driver_count; i++)
        crowdFork(&driving, runDriver, &drivers[i], "driver");
    crowdPause((int64_t)(testSeconds() * 1e9));
    while (!allWasSeen())
        crowdPause(1000000);
    RELAXED_STORE(&stopping, 1);
    crowdJoin(&driving);
    RELAXED_STORE(&resting, 1);
    releaseLast();
    crowdJoin(&working);
    free(working.threads);
    report();
    crowdStop(&driving);
}
