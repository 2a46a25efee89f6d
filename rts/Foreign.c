/* Foreign.c -- a call that may block, on an OS thread of its own.
 *
 * Owns    the OS thread for the length of one call.
 * Before  rts/FdClose.c: a close that lingers.
 * Tests   testsuite/unit/ForeignTest.c
 *
 * The wait cannot be interrupted: the call's arguments live on the parked thread's stack.  A
 * cancelled wait therefore waits again, on `ended`, which the OS thread stores last.
 */
#include "rts/Foreign.h"

#include "rts/Park.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

typedef struct ForeignCall {
    void (*fn)(void *env);
    void *env;
    WatchList done; /* closed (generation 1) when fn has returned */
    uint32_t ended; /* stored last by the OS thread (release) */
} ForeignCall;

static void *runCall(void *env)
{
    ForeignCall *call = env;
    call->fn(call->env);
    WatchNode *waiter = watchListClose(&call->done, 1);
    watchListFire(waiter, 0, NULL);
    RELEASE_STORE(&call->ended, 1);
    return NULL;
}

int foreignRun(void (*fn)(void *env), void *env)
{
    ForeignCall call = {.fn = fn, .env = env};
    pthread_t os_thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int failed = pthread_create(&os_thread, &attributes, runCall, &call);
    pthread_attr_destroy(&attributes);
    if (failed != 0)
        return -EAGAIN;
    while (parkOnList(&call.done, 0, NULL, NULL, ThreadBlockedOnDelay, DEADLINE_NEVER) ==
           -ECANCELED)
        threadYield();
    while (ACQUIRE_LOAD(&call.ended) == 0)
        threadYield();
    return 0;
}
