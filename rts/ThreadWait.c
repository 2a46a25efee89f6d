/* ThreadWait.c -- threadWaitRead, threadWaitWrite: park until an fd may be ready.    [path 6/6]
 *
 * Owns    the walk from a number to its home, its slot, the wait, and back.
 * Before  rts/FdRead.c and its kin: a system call said EAGAIN.   After  iomgr/FdAwait.c: publish.
 * Tests   testsuite/unit/ThreadWaitTest.c, testsuite/path/DataPathTest.c
 *
 * See Note [Fd home] and Note [Fd slot states].
 */
#include "rts/ThreadWait.h"

#include "capability/CapabilityTable.h"
#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Task.h"

#include <capri/fd.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* Nobody can have opened it, or it is beyond what we keep, or memory is out. */
int threadWaitHomeless(int fd)
{
    if (fd < 0 || fcntl(fd, F_GETFD) < 0)
        return -EBADF;
    return fd >= FD_MAX ? -EMFILE : -ENOMEM;
}

/* One wait in the home that `word` names.  -EAGAIN: the home moved meanwhile, start over. */
static int waitAtHome(Thread *self, int fd, FdDirection direction, uint32_t word, uint32_t flags,
                      FdSeen seen, int64_t deadline_ns)
{
    EventManager *manager = fdHomeManager(word);
    parkBegin(self);
    int result = eventManagerAwait(manager, fd, fdHomeKind(word) | flags, direction, seen,
                                   &self->node, scheduleHere());
    if (result != 0) {
        int claimed = parkAbandon(self);
        return claimed < 0 ? claimed : result == 1 ? 0 : result;
    }
    uint16_t generation = eventManagerGeneration(manager, fd); /* before the look: a closer changes
                                                                  the home, then this */
    if (UNLIKELY(fdHomeLook(fd) != word)) {
        eventManagerForget(manager, fd, direction, &self->node, scheduleHere());
        int claimed = parkAbandon(self);
        return claimed < 0 ? claimed : -EAGAIN;
    }
    result = parkUntil(self, direction == FdRead ? ThreadBlockedOnRead : ThreadBlockedOnWrite, fd,
                       deadline_ns);
    if (parkLinked(self))
        eventManagerForget(manager, fd, direction, &self->node, scheduleHere());
    if (UNLIKELY(result == FD_LOOK_AGAIN))
        return 0;
    if (result == 0 && UNLIKELY(eventManagerGeneration(manager, fd) != generation) &&
        !fdSlotHasMoved(fdTableFind(&manager->table, fd), generation))
        return -EBADF; /* woken, and closed before it could run: the number may be another file's */
    if (result == 0 && seen.edges == 0)
        eventManagerWoken(manager, fd, direction, seen.who);
    return result;
}

/* Without a deadline, on an adopted fd that the kernel watches: See Note [Listed waits].
 * FD_ASK_KERNEL: cannot tell, the long way. */
static inline int waitListed(Capability *here, int fd, FdDirection direction, const FdView *view,
                             FdSeen seen)
{
    FdSlot *slot = view->slot;
    uint32_t edges;
    uint16_t generation;
    int result = eventManagerWarm(slot, direction, seen, &generation, &edges);
    if (UNLIKELY(result != 0))
        return result == 1 ? 0 : result;
    *scheduleWait(here) = (ListedWait){.list = &slot->waiters[direction],
                                       .watched = &slot->edges,
                                       .seen = (uint64_t)edges << 32 * direction,
                                       .bits = UINT64_C(0xffffffff) << 32 * direction,
                                       .home = fdHomeWord(fd),
                                       .word = view->home,
                                       .generation = generation};
    result = parkListed(here, direction == FdRead ? ThreadBlockedOnRead : ThreadBlockedOnWrite, fd);
    if (UNLIKELY(result == FD_LOOK_AGAIN))
        return 0;
    /* Closed before it was published, or woken and closed before it could run: then the number may
     * be another file's. */
    if (result == -EALREADY ||
        (result == 0 && UNLIKELY(fdControlGeneration(ACQUIRE_LOAD(&slot->control)) != generation)))
        return fdSlotHasMoved(slot, generation) ? 0 : -EBADF;
    return result;
}

static int waitBare(Thread *self, int fd, FdDirection direction, FdSeen seen, uint32_t home,
                    int64_t deadline_ns)
{
    for (;;) {
        uint32_t word = fdHomeLook(fd), flags = 0;
        if (UNLIKELY(!fdHomeIsSettled(word))) {
            if (seen.edges == 0 || fdHomeManager(word) != NULL)
                flags = FdNewHome;
            word = fdHomeSettleSlow(fd, scheduleHere());
            if (word == 0)
                return threadWaitHomeless(fd);
        }
        if (UNLIKELY(home != word))
            seen.edges = 0;
        int result = waitAtHome(self, fd, direction, word, flags, seen, deadline_ns);
        if (LIKELY(result != -EAGAIN))
            return result;
        seen.edges = 0;
    }
}

/* In a step nobody waits.  Who comes without having tried, or with a stranger, comes again at each
 * step: somebody has to look. */
static __attribute__((noinline)) int lookInStep(TaskContext *step, int fd, FdDirection direction,
                                                const FdView *view)
{
    if (view == NULL || (view->kind & FdAdopted) == 0) {
        int now = threadWaitLookLast(fd, direction);
        if (now != -ETIMEDOUT)
            return now;
    }
    return taskSawBusy(step, fd, direction, view);
}

int threadWaitFd(int fd, FdDirection direction, const FdView *view, int64_t deadline_ns)
{
    Capability *here = scheduleEnter();
    Thread *self = scheduleWaiter(here);
    if (UNLIKELY(self == NULL))
        return outsideWaitFd(fd, direction, deadline_ns);
    if (UNLIKELY(threadIsTask(self)))
        return lookInStep(schedulerOf(here)->step, fd, direction, view);
    uint32_t who = (uint32_t)self->id;
    FdSeen seen = {.edges = view != NULL ? view->edges : 0, .who = who == 0 ? 1 : who};
    if (LIKELY(seen.edges != 0 && deadline_ns == DEADLINE_NEVER && (view->kind & FdAdopted) != 0 &&
               fdHomeIsSettled(view->home))) {
        int result = waitListed(here, fd, direction, view, seen);
        if (LIKELY(result != FD_ASK_KERNEL))
            return result;
    }
    return waitBare(self, fd, direction, seen, view != NULL ? view->home : 0, deadline_ns);
}

int threadWaitRead(int fd)
{
    return threadWaitFd(fd, FdRead, NULL, DEADLINE_NEVER);
}

int threadWaitWrite(int fd)
{
    return threadWaitFd(fd, FdWrite, NULL, DEADLINE_NEVER);
}

int threadWaitLookLast(int fd, FdDirection direction)
{
    struct pollfd look = {.fd = fd, .events = direction == FdRead ? POLLIN : POLLOUT};
    if (fd < 0) /* which poll leaves out */
        return -EBADF;
    if (poll(&look, 1, 0) <= 0)
        return -ETIMEDOUT;
    return (look.revents & POLLNVAL) != 0 ? -EBADF : 0;
}

static int waitUntil(int fd, FdDirection direction, int64_t deadline_ns)
{
    int result = threadWaitFd(fd, direction, NULL, deadline_ns);
    return result == -ETIMEDOUT ? threadWaitLookLast(fd, direction) : result;
}

int threadWaitReadUntil(int fd, int64_t deadline_ns)
{
    return waitUntil(fd, FdRead, deadline_ns);
}

int threadWaitWriteUntil(int fd, int64_t deadline_ns)
{
    return waitUntil(fd, FdWrite, deadline_ns);
}
