/* BlockingRefusedTest.c -- BlockingPool.c of rts/, when the kernel gives no more OS threads.
 *
 * not-under: tsan asan valgrind
 * They have a pthread_create of their own, which this program's would hide.
 */
#include "rts/BlockingPool.h"
#include "rts/Foreign.h"

#include "testsuite/support/Runtime.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/stat.h>

typedef int CreateFn(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                     void *env);

static uint32_t refusing; /* the tests set it, pthread_create reads */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                   void *env)
{
    CreateFn *next;
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&next, &found, sizeof next);
    return SEQ_CST_LOAD(&refusing) != 0 ? EAGAIN : next(thread, attributes, fn, env);
}

typedef struct Blocker {
    BlockingJob job; /* first */
    uint32_t entered, release;
} Blocker;

static void runBlocker(BlockingJob *job)
{
    Blocker *blocker = (Blocker *)(void *)job;
    RELEASE_STORE(&blocker->entered, 1);
    while (ACQUIRE_LOAD(&blocker->release) == 0)
        sched_yield();
}

TEST(BlockingPool, withoutAnyOsThreadAJobIsRefused)
{
    Blocker job = {{.run = runBlocker}, 0, 1};
    CHECK_EQ(blockingPoolStart(4, 0), 0);
    SEQ_CST_STORE(&refusing, 1);
    CHECK_EQ(blockingPoolSubmit(&job.job), -EAGAIN);
    CHECK(blockingPoolAwait(0)); /* nothing is left of it */
    SEQ_CST_STORE(&refusing, 0);
    CHECK_EQ(blockingPoolSubmit(&job.job), 0);
    CHECK(blockingPoolAwait(INT64_MAX));
    blockingPoolEnd();
}

TEST(BlockingPool, oneOsThreadDoesTheWorkOfMany)
{
    Blocker jobs[5];
    CHECK_EQ(blockingPoolStart(4, 0), 0);
    for (int i = 0; i < 5; i++) {
        jobs[i] = (Blocker){{.run = runBlocker}, 0, i != 0};
        SEQ_CST_STORE(&refusing, i != 0);
        CHECK_EQ(blockingPoolSubmit(&jobs[i].job), 0);
    }
    CHECK_EQ(blockingPoolState().threads, 1);
    RELEASE_STORE(&jobs[0].release, 1);
    CHECK(blockingPoolAwait(INT64_MAX));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(jobs[i].entered, 1);
    SEQ_CST_STORE(&refusing, 0);
    blockingPoolEnd();
}

static void addOne(void *env)
{
    ++*(int *)env;
}

/* Files are read where they are, what cannot be done there says so. */
static void *callWithoutPool(void *env)
{
    int calls = 0;
    struct stat about;
    struct addrinfo *addresses;
    int fd = fdOpen("/proc/self/stat", O_RDONLY, 0);
    char bytes[8];
    (void)env;
    CHECK_GE(fd, 0);
    CHECK_EQ(fdRead(fd, bytes, sizeof bytes), 8);
    CHECK_EQ(fdPread(fd, bytes, sizeof bytes, 0), 8);
    CHECK_EQ(fdStat(fd, &about), 0);
    CHECK_EQ(closeFd(fd), 0);
    CHECK_EQ(foreignRun(addOne, &calls), -EAGAIN);
    CHECK_EQ(calls, 0);
    CHECK_EQ(addressLookup("127.0.0.1", NULL, NULL, &addresses), -EAGAIN);
    return NULL;
}

TEST(BlockingPool, callsWithoutAnyOsThread)
{
    greenStart(1);
    SEQ_CST_STORE(&refusing, 1);
    greenJoin(greenFork(callWithoutPool, NULL));
    SEQ_CST_STORE(&refusing, 0);
    greenStop();
}
