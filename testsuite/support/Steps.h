/* Steps.h -- for tests of the host's loop: a stepped runtime, its fd, the OS threads there are. */
#ifndef TESTSUITE_STEPS_H
#define TESTSUITE_STEPS_H

#include "testsuite/support/Runtime.h"

#include <poll.h>

/* osThreads -- how many this process has. */
static inline uint32_t osThreads(void)
{
    uint32_t count = 0;
    DIR *all = opendir("/proc/self/task");
    CHECK(all != NULL);
    for (struct dirent *one; (one = readdir(all)) != NULL;)
        count += one->d_name[0] != '.';
    closedir(all);
    return count;
}

static inline void stepsBegin(void)
{
    RtsConfig config = {.stepped = true};
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(capabilityCount(), 1);
}

static inline bool isReadable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1;
}

/* stepsRun -- as the host's loop, until nothing is ready. */
static inline void stepsRun(void)
{
    int result;
    do
        result = rtsStep(0);
    while (result == 1);
    CHECK_EQ(result, 0);
}

/* stepsSettle -- likewise, and until the runtime has done its upkeep: from then on the fd is
 * readable for nothing but news.  Something must have happened since the last time. */
static inline void stepsSettle(int fd)
{
    do {
        stepsRun();
        CHECK(isReadable(fd, -1));
        stepsRun();
    } while (isReadable(fd, 200));
}

/* stepsUntil -- sleep over the fd and step, until *flag. */
static inline void stepsUntil(int fd, const uint32_t *flag)
{
    while (ACQUIRE_LOAD(flag) == 0) {
        CHECK(isReadable(fd, -1));
        CHECK_GE(rtsStep(0), 0);
    }
}

static inline void *returnEnv(void *env)
{
    return env;
}

/* A pipe that a thread reads from; `got` counts the bytes it was given. */
typedef struct Byte {
    int ends[2];
    uint32_t got;
} Byte;

static inline void *readByte(void *env)
{
    Byte *byte = env;
    char value;
    CHECK_EQ(fdRead(byte->ends[0], &value, 1), 1);
    RELEASE_STORE(&byte->got, byte->got + 1);
    return NULL;
}

static inline void stepsEnd(void)
{
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(capabilityCount(), 0);
}

#endif
