/* Table.c -- the rows: every system call that the library makes to wait, to wake and to begin.
 *
 * Tests  testsuite/fault/SystemCallFault.c
 */
#include "testsuite/fault/Table.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_epoll_wait
#define SYS_epoll_wait SYS_epoll_pwait
#endif
#ifndef SYS_poll
#define SYS_poll SYS_ppoll
#endif
#ifndef SYS_pipe
#define SYS_pipe SYS_pipe2
#endif

static bool epollAdds(const FaultCall *call)
{
    return call->arguments[1] == EPOLL_CTL_ADD;
}

static bool epollModifies(const FaultCall *call)
{
    return call->arguments[1] == EPOLL_CTL_MOD;
}

static bool epollRemoves(const FaultCall *call)
{
    return call->arguments[1] == EPOLL_CTL_DEL;
}

static bool ofEventFd(const FaultCall *call)
{
    char path[64], file[64] = {0};
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)call->thread, (int)call->arguments[0]);
    return readlink(path, file, sizeof file - 1) > 0 && strcmp(file, "anon_inode:[eventfd]") == 0;
}

static bool futexWaits(const FaultCall *call)
{
    uint64_t operation = call->arguments[1] & (uint64_t)FUTEX_CMD_MASK;
    return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET;
}

static bool futexWaitsUntil(const FaultCall *call)
{
    return futexWaits(call) && call->arguments[3] != 0;
}

/* clang-format off */
const FaultRow fault_rows[] = {
    {.call = "epoll_create1", .number = SYS_epoll_create1, .errors = {EMFILE, ENFILE, ENOMEM},
     .outcomes = Reports, .lasts = true,
     .happens = "rtsInit, capabilitySetCount, eventManagerNew say so"},
    {.call = "epoll_ctl", .which = "ADD", .number = SYS_epoll_ctl, .concerns = epollAdds,
     .errors = {ENOSPC, ENOMEM, EINVAL, ELOOP}, .outcomes = Reports, .lasts = true,
     .happens = "the wait, registerFd or start says so; nobody else notices"},
    {.call = "epoll_ctl", .which = "ADD", .number = SYS_epoll_ctl, .concerns = epollAdds,
     .errors = {EBADF, EEXIST}, .also = {EBADF}, .outcomes = Completes | Reports,
     .happens = "EEXIST: MOD instead, then ADD again; EBADF: the wait says so"},
    {.call = "epoll_ctl", .which = "MOD", .number = SYS_epoll_ctl, .concerns = epollModifies,
     .errors = {EBADF, ENOENT, ENOMEM, EINVAL}, .also = {EBADF, EEXIST},
     .outcomes = Completes | Reports,
     .happens = "ENOENT, EBADF: the number is another file, older waiters are told EBADF and the "
                "newest is added; else the wait says so"},
    {.call = "epoll_ctl", .which = "DEL", .number = SYS_epoll_ctl, .concerns = epollRemoves,
     .errors = {EBADF, ENOENT, EINVAL, EPERM}, .outcomes = Completes,
     .happens = "the file was closed already, as far as we are concerned"},
    {.call = "epoll_pwait2", .number = SYS_epoll_pwait2, .errors = {EINTR}, .outcomes = Completes,
     .happens = "the deadline is looked at again, then it is repeated"},
    {.call = "epoll_pwait2", .number = SYS_epoll_pwait2, .errors = {ENOSYS, EPERM},
     .outcomes = Completes, .lasts = true, .happens = "epoll_wait from then on"},
    {.call = "epoll_pwait2", .number = SYS_epoll_pwait2, .errors = {EBADF, EFAULT, EINVAL},
     .outcomes = Stops, .says = "epoll: cannot poll", .happens = "somebody closed our fd"},
    {.call = "epoll_wait", .number = SYS_epoll_wait, .errors = {EINTR}, .outcomes = Completes,
     .happens = "repeated"},
    {.call = "epoll_wait", .number = SYS_epoll_wait, .errors = {EBADF, EFAULT, EINVAL},
     .outcomes = Stops, .says = "epoll: cannot poll", .happens = "somebody closed our fd"},
    {.call = "ppoll", .number = SYS_ppoll, .errors = {EINTR}, .outcomes = Completes,
     .happens = "the deadline is looked at again, then it is repeated"},
    {.call = "ppoll", .number = SYS_ppoll, .errors = {ENOMEM}, .outcomes = Completes | Reports,
     .happens = "repeated; a plain OS thread that waits for an fd is told"},
    {.call = "ppoll", .number = SYS_ppoll, .errors = {EFAULT, EINVAL},
     .outcomes = Completes | Reports | Stops, .says = "poll: cannot poll",
     .happens = "the guard looks by time instead; a plain OS thread is told; in the back-end: "
                "fewer fds may be open than are watched"},
    {.call = "poll", .number = SYS_poll, .errors = {EINTR, ENOMEM}, .outcomes = Completes,
     .happens = "the reader of signals repeats it"},
    {.call = "eventfd2", .number = SYS_eventfd2, .errors = {EMFILE, ENFILE, ENODEV, ENOMEM},
     .outcomes = Reports, .lasts = true,
     .happens = "rtsInit, capabilitySetCount, eventManagerNew, signalWatch say so; "
                "a shutdown waits for who is in processWait"},
    {.call = "write", .which = "to an eventfd", .number = SYS_write, .concerns = ofEventFd,
     .errors = {EINTR}, .outcomes = Completes, .happens = "repeated"},
    {.call = "write", .which = "to an eventfd", .number = SYS_write, .concerns = ofEventFd,
     .errors = {EBADF, EINVAL, EIO}, .outcomes = Stops, .says = "eventfd",
     .happens = "a wake-up would be lost: somebody closed our fd"},
    {.call = "read", .which = "of an eventfd", .number = SYS_read, .concerns = ofEventFd,
     .errors = {EINTR, EAGAIN}, .outcomes = Completes,
     .happens = "repeated; EAGAIN: at the next poll"},
    {.call = "read", .which = "of an eventfd", .number = SYS_read, .concerns = ofEventFd,
     .errors = {EBADF, EINVAL, EIO}, .outcomes = Stops, .says = "eventfd",
     .happens = "it would be readable for ever: somebody closed our fd"},
    {.call = "io_uring_setup", .number = SYS_io_uring_setup,
     .errors = {ENOSYS, EPERM, EACCES, EINVAL, ENOMEM}, .outcomes = Completes, .lasts = true,
     .happens = "epoll instead"},
    {.call = "io_uring_setup", .number = SYS_io_uring_setup, .errors = {EMFILE, ENFILE, EFAULT},
     .outcomes = Reports, .lasts = true,
     .happens = "rtsInit, capabilitySetCount, eventManagerNew say so"},
    {.call = "io_uring_enter", .number = SYS_io_uring_enter,
     .errors = {EINTR, EAGAIN, EBUSY, ETIME},
     .also = {EAGAIN, EBUSY}, .outcomes = Completes | Reports,
     .happens = "repeated; what somebody sleeps for is offered until it is taken; while a manager "
                "is opened: it says so"},
    {.call = "io_uring_enter", .number = SYS_io_uring_enter,
     .errors = {EBADF, EBADFD, EFAULT, EINVAL, ENXIO, EOPNOTSUPP},
     .outcomes = Completes | Reports | Stops, .says = "uring: cannot",
     .happens = "somebody closed our fd; while a manager is opened: it says so, or epoll instead"},
    {.call = "fstat", .number = SYS_fstat, .errors = {EBADF, EFAULT, ENOMEM, EOVERFLOW},
     .also = {EBADF}, .outcomes = Completes | Reports,
     .happens = "the wait, the adoption or fdStat says so; nobody else notices"},
    {.call = "newfstatat", .number = SYS_newfstatat, .errors = {EBADF, EFAULT, ENOMEM, EOVERFLOW},
     .outcomes = Completes | Reports, .happens = "as fstat"},
    {.call = "futex", .which = "waiting", .number = SYS_futex, .concerns = futexWaits,
     .errors = {EAGAIN, EINTR}, .outcomes = Completes,
     .happens = "what it waits for is looked at again"},
    {.call = "futex", .which = "waiting until", .number = SYS_futex, .concerns = futexWaitsUntil,
     .errors = {ETIMEDOUT}, .outcomes = Completes, .happens = "the clock is looked at again"},
    {.call = "membarrier", .number = SYS_membarrier, .errors = {ENOSYS, EINVAL, EPERM, ENOMEM},
     .outcomes = Completes | Stops, .cold = true, .says = "membarrier failed",
     .happens = "gates are locked from the start; ENOMEM later: repeated, others: it was "
                "registered"},
    {.call = "mmap", .number = SYS_mmap, .errors = {ENOMEM, EAGAIN, EPERM, ENFILE},
     .also = {ENOMEM, EAGAIN}, .outcomes = Completes | Reports, .lasts = true, .native = true,
     .happens = "ENOMEM of who wants memory, EAGAIN of who wants an OS thread; a ring: epoll "
                "instead"},
    {.call = "mprotect", .number = SYS_mprotect, .errors = {ENOMEM, EACCES, EINVAL},
     .also = {ENOMEM, EAGAIN}, .outcomes = Completes | Reports, .lasts = true, .native = true,
     .happens = "likewise"},
    {.call = "madvise", .number = SYS_madvise,
     .errors = {ENOMEM, EAGAIN, EINVAL, EBADF, EIO, EPERM}, .outcomes = Completes, .lasts = true,
     .native = true, .happens = "guards by mprotect; pages stay until the runtime ends"},
    {.call = "clone3", .number = SYS_clone3, .errors = {EAGAIN, ENOMEM, EPERM, EINVAL, ENOSPC},
     .also = {EAGAIN}, .outcomes = Completes | Reports, .lasts = true, .native = true,
     .happens = "rtsInit, capabilitySetCount, signalWatch, processSpawn say so; a call that may "
                "block is made where it is"},
    {.call = "clone3", .number = SYS_clone3, .errors = {ENOSYS}, .outcomes = Completes,
     .lasts = true, .native = true, .happens = "the C library calls clone"},
    {.call = "sigaltstack", .number = SYS_sigaltstack, .errors = {EINVAL, ENOMEM, EPERM},
     .outcomes = Completes | Reports, .native = true,
     .happens = "rtsInit, capabilitySetCount say so"},
    {.call = "rt_sigaction", .number = SYS_rt_sigaction, .errors = {EINVAL},
     .outcomes = Completes | Reports, .native = true,
     .happens = "rtsInit, signalWatch say so; a disposition may not come back"},
    {.call = "prctl", .number = SYS_prctl, .errors = {EINVAL, EPERM}, .outcomes = Completes,
     .lasts = true, .happens = "OS threads without a name, timers with the usual slack"},
    {.call = "sched_getaffinity", .number = SYS_sched_getaffinity, .errors = {EINVAL, ESRCH},
     .also = {ENOMEM}, .outcomes = Completes | Reports, .native = true,
     .happens = "rtsInit, capabilitySetCount say ENOMEM"},
    {.call = "timerfd_create", .number = SYS_timerfd_create,
     .errors = {EMFILE, ENFILE, ENODEV, ENOMEM, EPERM, EINVAL}, .outcomes = Completes | Reports,
     .lasts = true, .happens = "eventManagerFd says so"},
    {.call = "timerfd_settime", .number = SYS_timerfd_settime, .errors = {EBADF, EINVAL, ECANCELED},
     .outcomes = Stops, .says = "timerfd", .happens = "somebody closed our fd"},
    {.call = "signalfd4", .number = SYS_signalfd4,
     .errors = {EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL},
     .outcomes = Reports | Stops, .says = "signalfd",
     .happens = "signalWatch says so; when a watch goes: the host's signals would be taken"},
    {.call = "rt_tgsigqueueinfo", .number = SYS_rt_tgsigqueueinfo,
     .errors = {EAGAIN, EPERM, EINVAL, ESRCH}, .outcomes = Completes, .lasts = true,
     .happens = "the signal is counted, its siginfo is lost"},
    {.call = "pidfd_open", .number = SYS_pidfd_open,
     .errors = {EMFILE, ENFILE, ENODEV, ENOMEM, EINVAL, ENOSYS}, .outcomes = Completes | Reports,
     .lasts = true,
     .happens = "processSpawn says so, no child is left; EMFILE, ENFILE: the spare one is used"},
    {.call = "waitid", .number = SYS_waitid, .errors = {EINTR}, .outcomes = Completes,
     .happens = "repeated"},
    {.call = "waitid", .number = SYS_waitid, .errors = {ECHILD, EINVAL}, .outcomes = Reports,
     .happens = "processWait says so"},
    {.call = "clock_nanosleep", .number = SYS_clock_nanosleep, .errors = {EINTR},
     .outcomes = Completes, .happens = "repeated"},
    {.call = "pipe2", .number = SYS_pipe2, .errors = {EMFILE, ENFILE},
     .outcomes = Completes | Reports, .lasts = true,
     .happens = "fdPipe says so; when the first stack is made: guards by mprotect"},
    {.call = "openat", .number = SYS_openat, .errors = {EMFILE, ENFILE, ENOMEM, ENOSPC},
     .outcomes = Reports, .happens = "fdOpen says so"},
    {.call = "preadv2", .number = SYS_preadv2, .errors = {EAGAIN, EOPNOTSUPP, ENOSYS, EINTR},
     .outcomes = Completes, .happens = "an OS thread of the pool reads; EINTR: repeated"},
    {.call = "preadv2", .number = SYS_preadv2, .errors = {EIO, ENOMEM}, .outcomes = Reports,
     .happens = "fdPread says so"},
    {.call = "pwritev2", .number = SYS_pwritev2, .errors = {EAGAIN, EOPNOTSUPP, ENOSYS, EINTR},
     .outcomes = Completes, .happens = "an OS thread of the pool writes; EINTR: repeated"},
    {.call = "pwritev2", .number = SYS_pwritev2, .errors = {EIO, ENOSPC, EDQUOT},
     .outcomes = Reports, .happens = "fdPwrite says so"},
    {.call = "fsync", .number = SYS_fsync, .errors = {EIO, ENOSPC, EDQUOT}, .outcomes = Reports,
     .happens = "fdFsync says so"},
    {.call = "fsync", .number = SYS_fsync, .errors = {EINTR}, .outcomes = Completes,
     .happens = "repeated"},
};
/* clang-format on */
const int fault_row_count = sizeof fault_rows / sizeof fault_rows[0];
