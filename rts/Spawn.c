/* Spawn.c -- starting a child, without the scheduler.
 *
 * Owns    nothing.
 * Before  rts/Process.c, on an OS thread of the pool.
 * Tests   testsuite/unit/ProcessTest.c
 *
 * Note [Spawning]
 *   posix_spawn(3) of glibc is a vfork with everything that has to be thought of: the child shares
 *   our memory on a stack of its own, signals are blocked meanwhile, and an error of any step up to
 *   exec is our result.  It stops the calling OS thread only.
 *   The child gets exactly fds[0..n): a source below n that is not in its place could be
 *   overwritten before it is copied, so it is copied to a number of n or more beforehand, here.
 *   What is n or above is closed in the child.
 *   pidfd_open(2) comes after the fork and may find no free number, when the child runs already.
 *   So a number is kept free by a pidfd of our own, which also tells whether there are any; only
 *   if another OS thread takes both numbers in that moment the child is killed again.
 */
#include "rts/Spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STANDARD_FDS = 3 };

typedef struct Copies {
    int fds[SPAWN_FDS_MOST];
    size_t count;
} Copies;

static int openPidFd(pid_t id)
{
    long fd = syscall(SYS_pidfd_open, id, 0); /* close-on-exec always */
    return fd < 0 ? -errno : (int)fd;
}

int spawnSignal(int fd, int number)
{
    return syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) == 0 ? 0 : -errno;
}

void spawnUndo(pid_t id)
{
    kill(id, SIGKILL);
    while (waitpid(id, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* The child's fd `place` is to be fds[place].  0 or a positive errno. */
static int addFd(posix_spawn_file_actions_t *actions, const ProcessAttributes *attributes,
                 size_t place, Copies *copies)
{
    int fd = attributes->fds[place], count = (int)attributes->fd_count;
    if (fd == -1)
        return 0; /* not open in the child: see addFds */
    if (fd < -1)
        return EINVAL;
    if (fd < count && fd != (int)place) {
        fd = fcntl(fd, F_DUPFD_CLOEXEC, count);
        if (fd < 0)
            return errno;
        copies->fds[copies->count++] = fd;
    }
    return posix_spawn_file_actions_adddup2(actions, fd, (int)place);
}

/* First what is to be there, then what is not: closing may hit a source. */
static int addFds(posix_spawn_file_actions_t *actions, const ProcessAttributes *attributes,
                  Copies *copies)
{
    size_t count = attributes->fds == NULL ? STANDARD_FDS : attributes->fd_count;
    int failed = 0;
    if (attributes->fds != NULL && count > SPAWN_FDS_MOST)
        return EINVAL;
    for (size_t i = 0; attributes->fds != NULL && i < count && failed == 0; i++)
        failed = addFd(actions, attributes, i, copies);
    for (size_t i = 0; attributes->fds != NULL && i < count && failed == 0; i++)
        if (attributes->fds[i] == -1)
            failed = posix_spawn_file_actions_addclose(actions, (int)i);
    if (failed == 0 && attributes->directory != NULL)
        failed = posix_spawn_file_actions_addchdir_np(actions, attributes->directory);
    if (failed == 0)
        failed = posix_spawn_file_actions_addclosefrom_np(actions, (int)count);
    return failed;
}

static int setFlags(posix_spawnattr_t *how, const ProcessAttributes *attributes)
{
    sigset_t none;
    sigemptyset(&none);
    int flags = POSIX_SPAWN_SETSIGMASK | (attributes->new_group ? POSIX_SPAWN_SETPGROUP : 0);
    int failed = posix_spawnattr_setsigmask(how, &none);
    if (failed == 0)
        failed = posix_spawnattr_setpgroup(how, 0);
    return failed != 0 ? failed : posix_spawnattr_setflags(how, (short)flags);
}

/* 0 or a positive errno. */
static int startChild(const SpawnRequest *request, pid_t *id)
{
    const ProcessAttributes *attributes = request->attributes;
    char *const *environment = attributes->environment == NULL ? environ : attributes->environment;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t how;
    Copies copies = {.count = 0};
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0)
        return failed;
    failed = posix_spawnattr_init(&how);
    if (failed == 0) {
        failed = addFds(&actions, attributes, &copies);
        if (failed == 0)
            failed = setFlags(&how, attributes);
        if (failed == 0)
            failed = (attributes->search ? posix_spawnp : posix_spawn)(
                id, request->program, &actions, &how, request->arguments, environment);
        posix_spawnattr_destroy(&how);
    }
    posix_spawn_file_actions_destroy(&actions);
    for (size_t i = 0; i < copies.count; i++)
        close(copies.fds[i]);
    return failed;
}

int spawnRun(const SpawnRequest *request, pid_t *id)
{
    int kept = openPidFd(getpid()); /* See Note [Spawning] */
    if (kept < 0)
        return kept;
    int failed = startChild(request, id);
    if (failed != 0) {
        close(kept);
        return -failed;
    }
    int fd = openPidFd(*id);
    close(kept);
    if (fd == -EMFILE || fd == -ENFILE)
        fd = openPidFd(*id);
    if (fd < 0 && fd != -ESRCH)
        spawnUndo(*id);
    return fd;
}
