/* FdClose.c -- closeFd, closeFdWith: waiters first, then the number.
 *
 * Owns    the order of closing.
 * After   capability/FdHome.c: the home forgotten.   iomgr/FdAwait.c: waiters detached and woken.
 * Tests   testsuite/unit/FdCloseTest.c, testsuite/regress/LingerReuse.c
 *
 * Note [Closing]
 *   home forgotten -> generation + 1, removed from the kernel's set, waiters woken with -EBADF ->
 *   close(2) -> whoever came to wait meanwhile, in the old home or in the one that he has given the
 *   number since: if the kernel does not know his file any more (it says nothing of a closed fd by
 *   itself), he is woken to look again.  No flag, lock or grace period spans close(2): Linux frees
 *   the number before close returns, and another thread may open and wait on it at once.  A close
 *   that may linger (SO_LINGER) is done by the blocking pool, where its caller may wait for that.
 *   Calls that the kernel shall make on a number (See Note [Submissions]) are handed over before
 *   it is closed: later it may be another file's.  Those on a stream of whoever was told are
 *   cancelled at once, so that it does not stay open for them (See Note [Stream calls]).
 *   Else a call on a file works on what the number is when it begins: a job of the blocking pool,
 *   the kernel's statx, what the ring refuses.  A duplicate of the number would not do:
 *   closing it gives up the process's locks on the file.
 *   Callbacks are registered with a manager of the registrar's choice, not with the home, so every
 *   manager that has any is asked.  It counts one before it can be found in a slot (seq_cst): who
 *   registers while the fd is being closed is found here, or has a closed number.
 */
#include "rts/Foreign.h"
#include "rts/StreamCall.h"
#include "rts/ThreadWait.h"

#include <capri/fd.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Closing {
    int (*close_fn)(int fd, void *env);
    void *env;
    int fd;
    int result;
} Closing;

static void runClosing(void *env)
{
    Closing *closing = env;
    closing->result = closing->close_fn(closing->fd, closing->env);
}

static __attribute__((noinline)) int plainClose(int fd, void *env)
{
    (void)env;
    return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

/* May close(2) block for a while?  Only a stream socket that was told to linger. */
static bool mayLinger(int fd)
{
    struct linger linger = {0, 0};
    socklen_t size = sizeof linger;
    return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff != 0 &&
           linger.l_linger > 0;
}

typedef uint32_t Leaving(EventManager *manager, int fd, void *sink);

/* Callbacks that are called here are left in their middle as little as those of a poll:
 * See Note [Safepoints poll]. */
static uint32_t leaveOne(Leaving *leave, EventManager *manager, int fd)
{
    Capability *here = scheduleHere();
    if (here == NULL)
        return leave(manager, fd, NULL);
    bool before = here->manager.polling;
    here->manager.polling = true;
    uint32_t told = leave(manager, fd, here);
    here->manager.polling = before;
    return told;
}

/* Managers with callbacks, other than `but` (which may be NULL). */
static void leaveOthers(Leaving *leave, const EventManager *but, int fd)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        EventManager *other = &capabilities.items[i]->manager;
        if (UNLIKELY(SEQ_CST_LOAD(&other->registered) != 0) && other != but)
            leaveOne(leave, other, fd);
    }
}

static int closeIn(Closing *closing, bool foreign)
{
    uint32_t word = closing->fd < 0 ? 0 : fdHomeLeave(closing->fd);
    EventManager *left = fdHomeManager(word);
    uint32_t told = left == NULL ? 0 : leaveOne(eventManagerClosingFd, left, closing->fd);
    leaveOthers(eventManagerClosingFd, left, closing->fd);
    streamCallFlush(closing->fd, fdHomeKind(word), told);
    if (!foreign || foreignRun(runClosing, closing) != 0)
        runClosing(closing);
    EventManager *now = fdHomeManager(fdHomeLook(closing->fd)); /* of who came meanwhile */
    if (left != NULL)
        leaveOne(eventManagerClosedFd, left, closing->fd);
    if (now != NULL && now != left)
        leaveOne(eventManagerClosedFd, now, closing->fd);
    leaveOthers(eventManagerClosedFd, left, closing->fd);
    return closing->result;
}

int closeFdWith(int (*close_fn)(int fd, void *env), void *env, int fd)
{
    Closing closing = {.close_fn = close_fn, .env = env, .fd = fd, .result = -EINVAL};
    if (close_fn == NULL)
        return -EINVAL;
    return closeIn(&closing, false);
}

int closeFd(int fd)
{
    Closing closing = {.close_fn = plainClose, .fd = fd, .result = -EBADF};
    return closeIn(&closing, scheduleSelf() != NULL && scheduleMayWait() && mayLinger(fd));
}
