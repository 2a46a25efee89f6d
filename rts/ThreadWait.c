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

#include <capri/fd.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

FdView threadWaitView(int fd, FdDirection direction)
{
    uint32_t word = fdHomeLook(fd);
    FdView view = {.kind = fdHomeKind(word), .home = word, .manager = fdHomeManager(word)};
    if (view.manager != NULL)
        view.edges = eventManagerEdges(view.manager, fd, direction);
    return view;
}

/* Why a number has no home: nobody can have opened it, or it is beyond what we keep, or memory is
 * out. */
static int homelessError(int fd)
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
    if (UNLIKELY(fdHomeLook(fd) != word)) {
        eventManagerForget(manager, fd, direction, &self->node, scheduleHere());
        int claimed = parkAbandon(self);
        return claimed < 0 ? claimed : -EAGAIN;
    }
    uint16_t generation = eventManagerGeneration(manager, fd);
    result = parkUntil(self, direction == FdRead ? ThreadBlockedOnRead : ThreadBlockedOnWrite, fd,
                       deadline_ns);
    if (parkLinked(self))
        eventManagerForget(manager, fd, direction, &self->node, scheduleHere());
    if (UNLIKELY(result == FD_LOOK_AGAIN))
        return 0;
    if (result == 0 && UNLIKELY(eventManagerGeneration(manager, fd) != generation))
        return -EBADF; /* woken, and closed before it could run: the number may be another file's */
    if (result == 0 && seen.edges == 0)
        eventManagerWoken(manager, fd, direction, seen.who);
    return result;
}

int threadWaitFd(int fd, FdDirection direction, uint64_t seen, int64_t deadline_ns)
{
    Thread *self = scheduleSelf();
    if (self == NULL)
        return outsideWaitFd(fd, direction, deadline_ns);
    uint32_t who = (uint32_t)self->id, home = (uint32_t)(seen >> 32);
    FdSeen edges = {.edges = (uint32_t)seen, .who = who == 0 ? 1 : who};
    for (;;) {
        uint32_t word = fdHomeLook(fd), flags = 0;
        if (UNLIKELY(!fdHomeIsSettled(word))) {
            if (edges.edges == 0 || fdHomeManager(word) != NULL)
                flags = FdNewHome;
            word = fdHomeSettleSlow(fd, scheduleHere());
            if (word == 0)
                return homelessError(fd);
        }
        if (UNLIKELY(home != 0 && home != word))
            edges.edges = 0;
        int result = waitAtHome(self, fd, direction, word, flags, edges, deadline_ns);
        if (LIKELY(result != -EAGAIN))
            return result;
        edges.edges = 0;
    }
}

int threadWaitRead(int fd)
{
    return threadWaitFd(fd, FdRead, 0, DEADLINE_NEVER);
}

int threadWaitWrite(int fd)
{
    return threadWaitFd(fd, FdWrite, 0, DEADLINE_NEVER);
}

int threadWaitReadUntil(int fd, int64_t deadline_ns)
{
    return threadWaitFd(fd, FdRead, 0, deadline_ns);
}

int threadWaitWriteUntil(int fd, int64_t deadline_ns)
{
    return threadWaitFd(fd, FdWrite, 0, deadline_ns);
}
