/* ManagerForkTest.c -- callbacks registered with capabilities' managers, in the child of a fork:
 * forgotten, their keys told apart, their managers usable.
 *
 * not-under: tsan asan qemu
 *
 * See Note [Keys over a fork] and Note [Lost managers].
 */
#include "testsuite/support/Forked.h"

#include <capri/event.h>
#include <capri/timeout.h>

enum { CAPABILITIES = 3, FAR_US = 1000 * 1000 * 1000 };

/* What the forking process has registered with one manager. */
typedef struct Registered {
    EventManager *manager;
    int ends[2];
    uint32_t events, fired; /* calls of each kind, relaxed */
    FdKey fd_key;
    TimeoutKey near, far, late;
} Registered;

static Registered all[CAPABILITIES];

static int noteEvent(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    char byte;
    (void)manager;
    if (events & EventClose)
        return 0;
    CHECK_EQ(read(key.fd, &byte, 1), 1);
    ADD_RELAXED(&((Registered *)env)->events, 1);
    return 0;
}

static int noteTime(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager, (void)key;
    ADD_RELAXED(&((Registered *)env)->fired, 1);
    return 0;
}

static void registerSome(Registered *it)
{
    CHECK_EQ(registerFd(it->manager, noteEvent, it, it->ends[0], EventRead, MultiShot, &it->fd_key),
             0);
    CHECK_EQ(registerTimeout(it->manager, FAR_US, noteTime, it, &it->far), 0);
    CHECK_EQ(timeoutRegisterAt(it->manager, INT64_MAX, noteTime, it, &it->late), 0);
}

static void registerAll(void)
{
    for (uint32_t i = 0; i < CAPABILITIES; i++) {
        Registered *it = &all[i];
        *it = (Registered){.manager = &capabilities.items[i]->manager};
        CHECK_EQ(pipe2(it->ends, O_CLOEXEC | O_NONBLOCK), 0);
        registerSome(it);
    }
}

/* Calls with what the parent has registered answer `result`. */
static void expectOld(const Registered *it, int result)
{
    CHECK_EQ(unregisterTimeout(it->manager, it->far), result);
    CHECK_EQ(updateTimeout(it->manager, it->far, 1), result);
    CHECK_EQ(timeoutUpdateAt(it->manager, it->late, 1), result);
    CHECK_EQ(unregisterFd(it->manager, it->fd_key), result);
}

/* Not made anew yet: nothing of it may be used. */
static void expectLost(Registered *it)
{
    TimeoutKey key;
    expectOld(it, -ENOTRECOVERABLE);
    CHECK_EQ(registerTimeout(it->manager, 1, noteTime, it, &key), -ENOTRECOVERABLE);
    CHECK_EQ(timeoutRegisterAt(it->manager, 1, noteTime, it, &key), -ENOTRECOVERABLE);
    CHECK_EQ(registerFd(it->manager, noteEvent, it, it->ends[0], EventRead, OneShot, NULL),
             -ENOTRECOVERABLE);
    eventManagerWake(it->manager);
}

/* The same numbers for a pipe of the child's: the parent reads from the other. */
static void replacePipe(const int ends[2])
{
    int fresh[2];
    CHECK_EQ(pipe2(fresh, O_CLOEXEC | O_NONBLOCK), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(dup3(fresh[i], ends[i], O_CLOEXEC), ends[i]);
        CHECK_EQ(close(fresh[i]), 0);
    }
}

/* The same fd, the same numbers of registrations: old keys touch none of them. */
static void registerAnew(const Registered *old)
{
    static Registered now;
    replacePipe(old->ends);
    now = (Registered){.manager = old->manager, .ends = {old->ends[0], old->ends[1]}};
    registerSome(&now);
    CHECK_EQ(registerTimeout(now.manager, 100, noteTime, &now, &now.near), 0);
    expectOld(old, -ESRCH);
    CHECK_EQ(write(now.ends[1], "x", 1), 1);
    UNTIL(RELAXED_LOAD(&now.events) == 1 && RELAXED_LOAD(&now.fired) == 1);
    expectOld(old, -ESRCH);
    CHECK_EQ(unregisterTimeout(now.manager, now.far), 1);
    CHECK_EQ(unregisterTimeout(now.manager, now.late), 1);
    CHECK_EQ(unregisterTimeout(now.manager, now.near), 0);
    int result = unregisterFd(now.manager, now.fd_key);
    CHECK(result == 1 || result == -EINPROGRESS);
}

static bool isSomebodys(const EventManager *manager)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        if (&capabilities.items[i]->manager == manager)
            return true;
    return false;
}

static void runChild(void)
{
    EventManager *own = capabilityManager();
    CHECK(own != NULL);
    for (uint32_t i = 0; i < CAPABILITIES; i++) {
        if (all[i].manager == own)
            expectOld(&all[i], -ESRCH);
        else
            expectLost(&all[i]);
    }
    UNTIL(capabilityTableCount() == CAPABILITIES);
    for (uint32_t i = 0; i < CAPABILITIES; i++) {
        CHECK(isSomebodys(all[i].manager));
        registerAnew(&all[i]);
        CHECK_EQ(all[i].events + all[i].fired, 0); /* the parent's were never called here */
    }
    useEverything();
}

static void *forkAndUse(void *env)
{
    registerAll();
    pid_t child = forkFlushed();
    if (child == 0) {
        runChild();
        pid_t grandchild = forkFlushed(); /* its parent's keys, and those before */
        if (grandchild == 0) {
            Registered *it = &all[0];
            it->manager = capabilityManager();
            expectOld(it, -ESRCH);
            exit(CODE);
        }
        expectExit(grandchild, CODE);
        exit(CODE);
    }
    expectExit(child, CODE);
    for (uint32_t i = 0; i < CAPABILITIES; i++) { /* the parent's are as they were */
        Registered *it = &all[i];
        CHECK_EQ(it->events + it->fired, 0);
        CHECK_EQ(write(it->ends[1], "x", 1), 1);
        UNTIL(RELAXED_LOAD(&it->events) == 1);
        CHECK_EQ(updateTimeout(it->manager, it->far, 1), 1);
        CHECK_EQ(unregisterTimeout(it->manager, it->late), 1);
        UNTIL(RELAXED_LOAD(&it->fired) == 1);
        CHECK_EQ(closeFd(it->ends[0]) + closeFd(it->ends[1]), 0);
    }
    return env;
}

TEST(ManagerFork, oldKeysAreToldApartAndNewOnesWork)
{
    greenRun(CAPABILITIES, forkAndUse, NULL);
}

/* ---- nothing leaks --------------------------------------------------------------------------- */

static void *registerMany(void *env)
{
    for (int i = 0; i < 200; i++)
        registerTimeout(capabilityManager(), FAR_US, noteTime, env, NULL);
    registerAll();
    return NULL;
}

TEST(ManagerFork, whatIsForgottenIsFreed)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = CAPABILITIES, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    greenJoin(greenFork(registerMany, &all[0]));
    pid_t child = forkFlushed();
    if (child == 0) {
        for (uint32_t i = 1; i < CAPABILITIES; i++)
            expectLost(&all[i]);
        expectOld(&all[0], -ESRCH);
        greenJoin(greenFork(useAll, NULL));
        CHECK_EQ(capabilitySetCount(1), 0);
        CHECK_EQ(capabilitySetCount(CAPABILITIES + 1), 0);
        for (uint32_t i = 0; i < CAPABILITIES; i++)
            expectOld(&all[i], -ESRCH);
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        CHECK_EQ(heap.live_blocks, 0);
        exit(CODE);
    }
    expectExit(child, CODE);
    CHECK_EQ(rtsShutdown(Cancel, INT64_MAX), 0);
    CHECK_EQ(heap.live_blocks, 0);
    for (uint32_t i = 0; i < CAPABILITIES; i++)
        CHECK_EQ(close(all[i].ends[0]) + close(all[i].ends[1]), 0);
}

/* The child that never needs the others. */
TEST(ManagerFork, whatIsLostIsFreed)
{
    CountingHeap heap = {0};
    RtsConfig config = {.capabilities = CAPABILITIES, .allocator = countingAllocator(&heap)};
    CHECK_EQ(rtsInit(&config), 0);
    pid_t child = forkFlushed();
    if (child == 0) {
        CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
        CHECK_EQ(heap.live_blocks, 0);
        exit(CODE);
    }
    expectExit(child, CODE);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(heap.live_blocks, 0);
}

/* ---- a broken child -------------------------------------------------------------------------- */

static int forkInCallback(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager, (void)key;
    pid_t child = forkFlushed();
    if (child == 0) {
        for (uint32_t i = 0; i < CAPABILITIES; i++)
            expectLost(&all[i]);
        _exit(CODE);
    }
    RELAXED_STORE((pid_t *)env, child);
    return 0;
}

static void *forkInside(void *env)
{
    pid_t child = 0;
    registerAll();
    CHECK_EQ(registerTimeout(capabilityManager(), 100, forkInCallback, &child, NULL), 0);
    UNTIL(RELAXED_LOAD(&child) != 0);
    expectExit(child, CODE);
    for (uint32_t i = 0; i < CAPABILITIES; i++) {
        CHECK_EQ(unregisterTimeout(all[i].manager, all[i].far), 1);
        CHECK_EQ(closeFd(all[i].ends[0]) + closeFd(all[i].ends[1]), 0);
    }
    return env;
}

TEST(ManagerFork, aBrokenChildMayNotUseThem)
{
    greenRun(CAPABILITIES, forkInside, NULL);
}
