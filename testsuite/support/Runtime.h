/* Runtime.h -- a runtime for the length of one test, bodies on green and plain threads, a counting
 * heap.
 */
#ifndef TESTSUITE_RUNTIME_H
#define TESTSUITE_RUNTIME_H

#include "internal/SMP.h"
#include "rts/Thread.h"
#include "rts/context/Sanitizer.h"
#include "testsuite/support/Test.h"

#include <capri/capri.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef SANITIZE_THREAD
enum { UNDER_TSAN = 1 };
#else
enum { UNDER_TSAN = 0 };
#endif

#ifdef SANITIZE_ADDRESS
enum { UNDER_ASAN = 1 };
#else
enum { UNDER_ASAN = 0 };
#endif

#define MS_NS INT64_C(1000000)

/* greenScale -- `count` where it costs nothing, a tenth of it (at least 2) under slow tools. */
static inline uint32_t greenScale(uint32_t count)
{
    if (!UNDER_TSAN && !testUnderValgrind())
        return count;
    return count / 10 < 2 ? 2 : count / 10;
}

static inline void greenStart(uint32_t capabilities_wanted)
{
    RtsConfig config = {.capabilities = capabilities_wanted};
    CHECK_EQ(rtsInit(&config), 0);
    CHECK_EQ(capabilityCount(), capabilities_wanted);
}

static inline void greenStop(void)
{
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK_EQ(capabilityCount(), 0);
}

/* greenJoin -- join, give the handle back, return the result. */
static inline void *greenJoin(Thread *thread)
{
    void *result = NULL;
    int status; /* a plain OS thread needs memory to wait, which a test may be refusing just now */
    do
        status = threadJoin(thread, &result);
    while (status == -ENOMEM && (RELAXED_LOAD(&thread->node.tag) & TAG_NO_STACK) == 0);
    CHECK_EQ(status, 0);
    threadRelease(thread);
    return result;
}

static inline Thread *greenFork(ThreadFn *fn, void *env)
{
    Thread *thread = NULL;
    CHECK_EQ(threadFork(&thread, fn, env), 0);
    return thread;
}

/* greenRun -- fn(env) on a green thread of a runtime of its own. */
static inline void *greenRun(uint32_t capabilities_wanted, ThreadFn *fn, void *env)
{
    greenStart(capabilities_wanted);
    void *result = greenJoin(greenFork(fn, env));
    greenStop();
    return result;
}

/* greenUntil -- let others run until thread is in that state, or has ended: whoever waits for what
 * comes by itself may be through before he is looked at.  Never: the program's time limit. */
static inline void greenUntil(const Thread *thread, ThreadState state)
{
    for (ThreadState now;
         (now = threadStatus(thread).state) != state && now != ThreadFinished && now != ThreadDied;)
        threadYield();
}

/* greenAwaitNext -- await the next write from now on (a variable's version need not begin at 0). */
static inline int greenAwaitNext(TVar *tvar)
{
    uint64_t seen;
    tvarReadVersionIO(tvar, &seen);
    return tvarAwait(tvar, seen);
}

/* greenAwaitNextUntil -- likewise, up to a deadline. */
static inline int greenAwaitNextUntil(TVar *tvar, int64_t deadline_ns)
{
    uint64_t seen;
    tvarReadVersionIO(tvar, &seen);
    return tvarAwaitUntil(tvar, seen, deadline_ns);
}

/* osFork, osJoin -- a plain OS thread. */
static inline pthread_t osFork(void *(*fn)(void *env), void *env)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, env), 0);
    return thread;
}

static inline void *osJoin(pthread_t thread)
{
    void *result = NULL;
    CHECK_EQ(pthread_join(thread, &result), 0);
    return result;
}

/* fdsOpen -- how many descriptors this process has open. */
static inline uint32_t fdsOpen(void)
{
    uint32_t count = 0;
    DIR *all = opendir("/proc/self/fd");
    CHECK(all != NULL);
    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

/* An allocator that counts what is out, and fails when it is told to. */
typedef struct CountingHeap {
    uint64_t live_bytes, live_blocks, asked; /* anyone, relaxed add */
    uint64_t fail_from;                      /* this request and all later ones fail; 0: none */
} CountingHeap;

static inline void *countingAllocate(void *context, size_t size, size_t alignment)
{
    CountingHeap *heap = context;
    void *memory = NULL;
    uint64_t number = ADD_RELAXED(&heap->asked, 1) + 1;
    uint64_t fail_from = RELAXED_LOAD(&heap->fail_from);
    if (fail_from != 0 && number >= fail_from)
        return NULL;
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    if (posix_memalign(&memory, alignment, size) != 0)
        return NULL;
    ADD_RELAXED(&heap->live_bytes, size);
    ADD_RELAXED(&heap->live_blocks, 1);
    return memory;
}

static inline void countingRelease(void *context, void *memory, size_t size, size_t alignment)
{
    CountingHeap *heap = context;
    (void)alignment;
    ADD_RELAXED(&heap->live_bytes, -(uint64_t)size);
    ADD_RELAXED(&heap->live_blocks, -UINT64_C(1));
    free(memory);
}

static inline Allocator countingAllocator(CountingHeap *heap)
{
    return (Allocator){countingAllocate, countingRelease, heap};
}

#endif
