/* ThreadList.c -- all threads that live.
 *
 * Owns    nothing.
 * After   rts/ThreadPool.c: the descriptors.   rts/Thread.c: threadRetainLiving.
 * Tests   testsuite/unit/ThreadListTest.c, testsuite/stress/WeakStorm.c
 *
 * See Note [Weak handles].
 */
#include "rts/Schedule.h"
#include "rts/Startup.h"

typedef struct Listing {
    Thread **handles;
    size_t most, found;
} Listing;

static void listThread(Thread *thread, void *env)
{
    Listing *listing = env;
    if (listing->found >= listing->most)
        listing->found += watchListGeneration(ACQUIRE_LOAD(&thread->ended)) == 0;
    else if (threadRetainLiving(thread, threadId(thread)) != NULL)
        listing->handles[listing->found++] = thread;
}

size_t threadList(Thread **handles, size_t most)
{
    Listing listing = {.handles = handles, .most = most};
    if (startupVisit() != 0)
        return 0;
    threadPoolEach(listThread, &listing);
    startupVisitEnd();
    return listing.found;
}
