/* Foreign.c -- a call that may block, made elsewhere: on another OS thread, or by the kernel.
 *
 * Owns    nothing: the call is on the parked thread's stack.
 * Before  rts/FdClose.c: a close that lingers; rts/FileCall.c: a file that is not in memory.
 * After   rts/BlockingPool.c: the OS thread.   rts/KernelCall.c: the submission.
 * Tests   testsuite/unit/ForeignTest.c, testsuite/conformance/FileConformance.c
 *
 * The wait cannot be interrupted: the call's arguments live on the parked thread's stack.  It is
 * masked, and where the runtime is cancelled it waits again, on `ended`, which whoever made the
 * call stores last.
 */
#include "rts/Foreign.h"

#include "rts/BlockingPool.h"
#include "rts/KernelCall.h"
#include "rts/Park.h"

#include <errno.h>
#include <sys/sysmacros.h>

/* What its caller waits for. */
typedef struct CallEnd {
    WatchList done; /* closed (generation 1) when the call is over */
    uint32_t ended; /* stored last (release) */
} CallEnd;

static void tellEnd(CallEnd *end, void *sink)
{
    WatchNode *waiter = watchListClose(&end->done, 1);
    watchListFire(waiter, 0, sink);
    RELEASE_STORE(&end->ended, 1);
}

static void awaitEnd(CallEnd *end)
{
    Thread *self = scheduleSelf();
    MaskingState before = interruptMask(self, MaskedUninterruptible);
    while (parkOnList(&end->done, 0, NULL, NULL, ThreadBlockedOnCall, DEADLINE_NEVER) == -ECANCELED)
        threadYield();
    while (ACQUIRE_LOAD(&end->ended) == 0)
        threadYield();
    interruptMask(self, before);
}

/* ---- on an OS thread of the pool ---- */

typedef struct PoolCall {
    BlockingJob job; /* first */
    void (*fn)(void *env);
    void *env;
    CallEnd end;
} PoolCall;

static void runCall(BlockingJob *job)
{
    PoolCall *call = (PoolCall *)(void *)job;
    call->fn(call->env);
    tellEnd(&call->end, NULL);
}

int foreignRun(void (*fn)(void *env), void *env)
{
    PoolCall call = {.job = {.run = runCall}, .fn = fn, .env = env};
    ASSERT(scheduleSelf() != NULL);
    if (scheduleInStep(scheduleHere()) || !scheduleMayWait())
        return -EPERM;
    if (blockingPoolSubmit(&call.job) != 0)
        return -EAGAIN;
    awaitEnd(&call.end);
    return 0;
}

/* ---- by the kernel ---- */

static void copyAbout(struct stat *about, const struct statx *from)
{
    *about = (struct stat){.st_dev = makedev(from->stx_dev_major, from->stx_dev_minor),
                           .st_ino = from->stx_ino,
                           .st_mode = from->stx_mode,
                           .st_nlink = from->stx_nlink,
                           .st_uid = from->stx_uid,
                           .st_gid = from->stx_gid,
                           .st_rdev = makedev(from->stx_rdev_major, from->stx_rdev_minor),
                           .st_size = (off_t)from->stx_size,
                           .st_blksize = (blksize_t)from->stx_blksize,
                           .st_blocks = (blkcnt_t)from->stx_blocks};
    about->st_atim = (struct timespec){from->stx_atime.tv_sec, from->stx_atime.tv_nsec};
    about->st_mtim = (struct timespec){from->stx_mtime.tv_sec, from->stx_mtime.tv_nsec};
    about->st_ctim = (struct timespec){from->stx_ctime.tv_sec, from->stx_ctime.tv_nsec};
}

int foreignSubmit(const FileRequest *request, ssize_t *result)
{
    struct statx about;
    KernelCall call = {.submission = {.request = request, .about = &about}};
    Capability *here = scheduleEnter();
    if (scheduleInStep(here) || !scheduleMayWait())
        return -EPERM;
    int refused = kernelCallSubmit(&call, here->current, here);
    if (refused != 0)
        return refused;
    kernelCallAwait(&call);
    if (kernelCallRefused(call.submission.result))
        return -EAGAIN;
    *result = call.submission.result;
    if (request->operation == FileStat && *result == 0)
        copyAbout(request->about, &about);
    return 0;
}
