/* Pinned.c -- which file a number means, where what is watched keeps its file open.
 *
 * Owns    nothing: it asks the kernel.
 * Before  iomgr/backend/IOUring.c.
 * Tests   testsuite/unit/IOUringTest.c
 *
 * See Note [Pinned files].
 */
#include "iomgr/backend/Pinned.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of kinds that have no inode of their own or may lack a poll function, only epoll can tell. */
static int askEPoll(BackendState *state, int fd)
{
    struct epoll_event event = {0};
    int asked = epoll_create1(EPOLL_CLOEXEC);
    ADD_RELAXED(&state->looks, 3);
    int result = asked >= 0 && epoll_ctl(asked, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
    if (asked >= 0)
        close(asked);
    return result == -EPERM ? -EPERM : 0;
}

int pinnedLook(BackendState *state, const Request *request, int fd, struct stat *file)
{
    int saved = errno, result = 0;
    ADD_RELAXED(&state->looks, 1);
    /* As it is: the C library's asks for a path. */
    if (syscall(SYS_fstat, fd, file) < 0)
        result = -errno;
    else if (S_ISREG(file->st_mode) || S_ISDIR(file->st_mode) || S_ISBLK(file->st_mode))
        result = -EPERM;
    else if (S_ISCHR(file->st_mode) && (request == NULL || !request->watched))
        result = askEPoll(state, fd);
    errno = saved;
    return result;
}

bool pinnedIs(const Request *request, const struct stat *file)
{
    return request->device == file->st_dev && request->inode == file->st_ino;
}

void pinnedCheck(BackendState *state, EventRecord *record, const Seen *seen)
{
    struct stat file;
    int saved = errno;
    if (seen->fd < 0)
        return;
    ADD_RELAXED(&state->looks, 1);
    bool looked = syscall(SYS_fstat, seen->fd, &file) == 0;
    if (looked ? file.st_dev != seen->device || file.st_ino != seen->inode : errno == EBADF)
        record->events = EventGone;
    errno = saved;
}
