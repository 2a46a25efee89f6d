/* capri/fd.h -- file descriptors used as if every call blocked.
 *
 * Each call tries the system call first and parks the calling green thread only when the kernel
 * says EAGAIN (a plain OS thread blocks in ppoll); on io_uring the kernel reads and writes TCP
 * streams while the thread is parked.  A result >= 0 is what the system call gives, a
 * negative one is -errno.  EINTR is retried inside.  Every fd created here is close-on-exec,
 * non-blocking and adopted (see fdAdopt); SIGPIPE is never raised by a socket.
 * Common errors: -EBADF (not open, or closed by closeFd meanwhile), -ECANCELED (the runtime is
 * being cancelled), and whatever the system call itself reports.
 */
#ifndef CAPRI_FD_H
#define CAPRI_FD_H

#include <capri/api.h>

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* fdAdopt -- take charge of an fd that was opened elsewhere: O_NONBLOCK is set on it (on its open
 * file description: whoever shares it sees that), waits on it are edge-triggered and cost no system
 * call. From then on wait only after EAGAIN and close it with closeFd only.
 * Returns 0, -EBADF, -ENOMEM, -EMFILE.  Calling it again re-reads what kind of fd it is. */
CAPRI_EXPORT int fdAdopt(int fd) CAPRI_NAME(fdAdopt);

/* closeFd -- everyone who waits for fd gets -EBADF and never touches the number again, then
 * close(2). Returns close's result (-EBADF if it was not open).  A socket that was told to linger
 * (SO_LINGER) is closed by an OS thread of the pool while the green thread waits; in a callback, a
 * task or a transaction, where nobody may wait, it holds up the OS thread that calls.
 * Calls on files (capri/file.h; fdRead and its kin on a file) are not waits: they are neither ended
 * nor waited for, so let them end first.  One that has not begun works on whatever the number means
 * by then.
 * closeFdWith -- the same with a closing function of yours, called exactly once on this thread with
 * no lock held; its result is returned. Source: GHC.Conc.closeFdWith; differs: the order (waiters
 * first). */
CAPRI_EXPORT int closeFd(int fd) CAPRI_NAME(closeFd);
CAPRI_EXPORT int closeFdWith(int (*close_fn)(int fd, void *env), void *env, int fd)
    CAPRI_NAME(closeFdWith);

/* read(2), write(2) and their kin.  fdRead: 0 is the end.  fdWrite may write less than `size`, but
 * never 0 of more than 0; fdWriteAll goes on until everything is written: size or -E.... */
CAPRI_EXPORT ssize_t fdRead(int fd, void *buffer, size_t size) CAPRI_NAME(fdRead);
CAPRI_EXPORT ssize_t fdWrite(int fd, const void *buffer, size_t size) CAPRI_NAME(fdWrite);
CAPRI_EXPORT ssize_t fdWriteAll(int fd, const void *buffer, size_t size) CAPRI_NAME(fdWriteAll);
CAPRI_EXPORT ssize_t fdReadv(int fd, const struct iovec *parts, int count) CAPRI_NAME(fdReadv);
CAPRI_EXPORT ssize_t fdWritev(int fd, const struct iovec *parts, int count) CAPRI_NAME(fdWritev);

/* recv(2), send(2) and their kin; MSG_NOSIGNAL is added, MSG_DONTWAIT makes them try once
 * (-EAGAIN).  On a datagram socket that is shut for reading what came before is received, then 0,
 * as a call that blocks says. */
CAPRI_EXPORT ssize_t fdRecv(int fd, void *buffer, size_t size, int flags) CAPRI_NAME(fdRecv);
CAPRI_EXPORT ssize_t fdSend(int fd, const void *buffer, size_t size, int flags) CAPRI_NAME(fdSend);
CAPRI_EXPORT ssize_t fdRecvFrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
                                socklen_t *from_size) CAPRI_NAME(fdRecvFrom);
CAPRI_EXPORT ssize_t fdSendTo(int fd, const void *buffer, size_t size, int flags,
                              const struct sockaddr *to, socklen_t to_size) CAPRI_NAME(fdSendTo);
CAPRI_EXPORT ssize_t fdRecvMsg(int fd, struct msghdr *message, int flags) CAPRI_NAME(fdRecvMsg);
CAPRI_EXPORT ssize_t fdSendMsg(int fd, const struct msghdr *message, int flags)
    CAPRI_NAME(fdSendMsg);

/* The same, giving up with -ETIMEDOUT when rtsNow() reaches deadline_ns; by then it has been tried
 * once at least, whatever deadline_ns is.  fdWriteAllUntil: less than `size` if the deadline came
 * after some bytes; fdRecv... with MSG_WAITALL likewise.  What is a regular file is always ready:
 * it is read and written as without a deadline (capri/file.h has others for it). */
CAPRI_EXPORT ssize_t fdReadUntil(int fd, void *buffer, size_t size, int64_t deadline_ns)
    CAPRI_NAME(fdReadUntil);
CAPRI_EXPORT ssize_t fdWriteUntil(int fd, const void *buffer, size_t size, int64_t deadline_ns)
    CAPRI_NAME(fdWriteUntil);
CAPRI_EXPORT ssize_t fdWriteAllUntil(int fd, const void *buffer, size_t size, int64_t deadline_ns)
    CAPRI_NAME(fdWriteAllUntil);
CAPRI_EXPORT ssize_t fdReadvUntil(int fd, const struct iovec *parts, int count, int64_t deadline_ns)
    CAPRI_NAME(fdReadvUntil);
CAPRI_EXPORT ssize_t fdWritevUntil(int fd, const struct iovec *parts, int count,
                                   int64_t deadline_ns) CAPRI_NAME(fdWritevUntil);
CAPRI_EXPORT ssize_t fdRecvUntil(int fd, void *buffer, size_t size, int flags, int64_t deadline_ns)
    CAPRI_NAME(fdRecvUntil);
CAPRI_EXPORT ssize_t fdSendUntil(int fd, const void *buffer, size_t size, int flags,
                                 int64_t deadline_ns) CAPRI_NAME(fdSendUntil);
CAPRI_EXPORT ssize_t fdRecvFromUntil(int fd, void *buffer, size_t size, int flags,
                                     struct sockaddr *from, socklen_t *from_size,
                                     int64_t deadline_ns) CAPRI_NAME(fdRecvFromUntil);
CAPRI_EXPORT ssize_t fdSendToUntil(int fd, const void *buffer, size_t size, int flags,
                                   const struct sockaddr *to, socklen_t to_size,
                                   int64_t deadline_ns) CAPRI_NAME(fdSendToUntil);
CAPRI_EXPORT ssize_t fdRecvMsgUntil(int fd, struct msghdr *message, int flags, int64_t deadline_ns)
    CAPRI_NAME(fdRecvMsgUntil);
CAPRI_EXPORT ssize_t fdSendMsgUntil(int fd, const struct msghdr *message, int flags,
                                    int64_t deadline_ns) CAPRI_NAME(fdSendMsgUntil);

/* fdSocket -- socket(2); the fd or -E.... */
CAPRI_EXPORT int fdSocket(int domain, int type, int protocol) CAPRI_NAME(fdSocket);

/* fdPipe -- pipe2(2): ends[0] reads, ends[1] writes. */
CAPRI_EXPORT int fdPipe(int ends[2]) CAPRI_NAME(fdPipe);

/* fdListen -- a stream socket bound to address and listening (SO_REUSEADDR set); the fd or -E....
 * fdListenMany -- `count` listeners on one address that share the load (SO_REUSEPORT), one per
 * capability, say; port 0 picks one port for all.  All or none: 0 or -E.... */
CAPRI_EXPORT int fdListen(const struct sockaddr *address, socklen_t size, int backlog)
    CAPRI_NAME(fdListen);
CAPRI_EXPORT int fdListenMany(const struct sockaddr *address, socklen_t size, int backlog,
                              int count, int *fds) CAPRI_NAME(fdListenMany);

/* fdAccept -- the next connection's fd, or -E...; -EMFILE and -ENFILE leave the connection in the
 * queue, -EINVAL: it does not listen, or was shut down.  address, size: as in accept(2), may be
 * NULL. */
CAPRI_EXPORT int fdAccept(int fd, struct sockaddr *address, socklen_t *size) CAPRI_NAME(fdAccept);
CAPRI_EXPORT int fdAcceptUntil(int fd, struct sockaddr *address, socklen_t *size,
                               int64_t deadline_ns) CAPRI_NAME(fdAcceptUntil);

/* fdConnect -- 0 once connected, or why not (-ECONNREFUSED, ...).
 * fdConnectUntil -- also -ETIMEDOUT, when rtsNow() reaches deadline_ns (or when the peer does not
 * answer for minutes).  The kernel goes on trying: close the fd. */
CAPRI_EXPORT int fdConnect(int fd, const struct sockaddr *address, socklen_t size)
    CAPRI_NAME(fdConnect);
CAPRI_EXPORT int fdConnectUntil(int fd, const struct sockaddr *address, socklen_t size,
                                int64_t deadline_ns) CAPRI_NAME(fdConnectUntil);

/* fdShutdown -- shutdown(2): whoever reads what is shut for reading gets the end, whoever accepts
 * there -EINVAL. */
CAPRI_EXPORT int fdShutdown(int fd, int how) CAPRI_NAME(fdShutdown);

#ifdef __cplusplus
}
#endif

#endif
