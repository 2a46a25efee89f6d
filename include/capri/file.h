/* capri/file.h -- files: reading, writing and opening them holds up no other green thread.
 *
 * What the page cache has, and files in memory (tmpfs, memfd_create), is copied at once, without
 * leaving the core.  Anything else is done while the green thread is parked, by the kernel on
 * io_uring, else by an OS thread of a bounded pool (RtsConfig.blocking_threads); a plain OS thread
 * makes the plain call.  fdRead, fdWrite and their kin of capri/fd.h do the same with regular
 * files, at the file's own position, and with the pool on any back-end: calls made at the same
 * time move it one after the other, as those of read(2) and write(2) do.
 * Close an fd once no call on it as a file is under way: see closeFd.
 * A result >= 0 is a count, a negative one -errno.  EINTR is retried inside.  A call without a
 * deadline is not cut short by a cancelled runtime: somebody may be writing into its buffer.
 */
#ifndef CAPRI_FILE_H
#define CAPRI_FILE_H

#include <capri/api.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stat;

/* fdOpen -- open(2): close-on-exec is added, and what it opens is adopted (see fdAdopt), unless
 * with O_PATH.  Returns the fd or -E....  A FIFO opens when it has a peer; it keeps an
 * OS thread of the pool busy until then. */
CAPRI_EXPORT int fdOpen(const char *path, int flags, mode_t mode) CAPRI_NAME(fdOpen);

/* fdOpenUntil -- likewise, giving up with -ETIMEDOUT when rtsNow() reaches deadline_ns, or with
 * -ECANCELED.  What is opened after that is closed at once; it may have been created or cut. */
CAPRI_EXPORT int fdOpenUntil(const char *path, int flags, mode_t mode, int64_t deadline_ns)
    CAPRI_NAME(fdOpenUntil);

/* fdPread, fdPwrite -- at `offset` bytes from the start of a file; its own position stays.
 * Returns  what was copied: less than `size` only at the end of the file, when the disk is full, or
 *          if an error came after some bytes (the next call tells it); 0: at or behind the end.
 *          -EINVAL: offset < 0; -ESPIPE: not a file. */
CAPRI_EXPORT ssize_t fdPread(int fd, void *buffer, size_t size, int64_t offset) CAPRI_NAME(fdPread);
CAPRI_EXPORT ssize_t fdPwrite(int fd, const void *buffer, size_t size, int64_t offset)
    CAPRI_NAME(fdPwrite);

/* The same, giving up with -ETIMEDOUT when rtsNow() reaches deadline_ns, or with -ECANCELED.
 * A call that was given up goes on by itself, on memory of its own: nothing of the caller's is
 * touched any more, but a write may still be made later, and the fd should not be closed before.
 * Less than `size` may also be copied when only some of it was at hand, and never more than 1 MiB
 * at a time that was not.  Also from plain OS threads.  -ENOMEM, -EAGAIN: no OS thread for it. */
CAPRI_EXPORT ssize_t fdPreadUntil(int fd, void *buffer, size_t size, int64_t offset,
                                  int64_t deadline_ns) CAPRI_NAME(fdPreadUntil);
CAPRI_EXPORT ssize_t fdPwriteUntil(int fd, const void *buffer, size_t size, int64_t offset,
                                   int64_t deadline_ns) CAPRI_NAME(fdPwriteUntil);

/* fdFsync -- fsync(2).  fdFsyncUntil: when it gives up, the file is written all the same. */
CAPRI_EXPORT int fdFsync(int fd) CAPRI_NAME(fdFsync);
CAPRI_EXPORT int fdFsyncUntil(int fd, int64_t deadline_ns) CAPRI_NAME(fdFsyncUntil);

/* fdStat -- fstat(2).  fdStatUntil: -ETIMEDOUT at deadline_ns. */
CAPRI_EXPORT int fdStat(int fd, struct stat *about) CAPRI_NAME(fdStat);
CAPRI_EXPORT int fdStatUntil(int fd, struct stat *about, int64_t deadline_ns)
    CAPRI_NAME(fdStatUntil);

/* fdSendFile -- copy `size` bytes of the file `in` to out (a socket, a pipe, a file), without
 * passing them through the program.
 *
 * offset   where to begin; moved behind what was copied.  NULL: at in's own position.
 * Returns  what was copied: less than `size` only at the end of `in`, or if an error, the deadline
 *          or a cancel came after some bytes (the next call tells it).
 * Errors   -EINVAL: `in` is not a file; -EPIPE (no SIGPIPE is raised); as fdWrite.
 */
CAPRI_EXPORT ssize_t fdSendFile(int out, int in, int64_t *offset, size_t size)
    CAPRI_NAME(fdSendFile);
CAPRI_EXPORT ssize_t fdSendFileUntil(int out, int in, int64_t *offset, size_t size,
                                     int64_t deadline_ns) CAPRI_NAME(fdSendFileUntil);

/* fdSplice -- move up to `size` bytes from `in` to `out` inside the kernel; one is a pipe.
 *
 * Waits until something can be moved: `in` has something and `out` has room.
 * offsets  of an end that is a file (moved), else NULL.
 * Returns  what was moved, as read(2) may be less than `size`; 0: the end of `in`.
 * Errors   -EINVAL: neither is a pipe; -EPIPE (no SIGPIPE is raised); -ETIMEDOUT, -ECANCELED.
 */
CAPRI_EXPORT ssize_t fdSplice(int in, int64_t *in_offset, int out, int64_t *out_offset, size_t size)
    CAPRI_NAME(fdSplice);
CAPRI_EXPORT ssize_t fdSpliceUntil(int in, int64_t *in_offset, int out, int64_t *out_offset,
                                   size_t size, int64_t deadline_ns) CAPRI_NAME(fdSpliceUntil);

#ifdef __cplusplus
}
#endif

#endif
