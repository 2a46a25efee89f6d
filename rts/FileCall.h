/* FileCall.h -- calls on files: at once if the page cache has what is needed, else elsewhere.
 *
 * Note [Files]
 *   A regular file is always "ready", and yet read(2) of it sleeps until the disk has answered.  So
 *     1. the kernel is asked with RWF_NOWAIT: what is in the page cache is copied, nothing sleeps.
 *        A file system that does not know the flag is asked what it has (cachestat), and if
 *        that is everything the plain call is made: it sleeps only if the pages went that moment.
 *        Files in memory (tmpfs) do not know it either: for them the plain call is made, as for
 *        adopted ones fsync and fstat.  What the kernel has swapped out comes back as the process's
 *        own memory does.
 *     2. What is left runs on an OS thread of the blocking pool while the green thread is parked.
 *   Opening, fstat and fsync have no form that does not sleep: they go to the pool.  If there is no
 *   OS thread to be had at all, the call is made where it is.
 *   A plain OS thread makes the plain call.
 *
 *   With a deadline the pool's OS thread works on memory of its own, never on the caller's, and
 *   on at most FILE_COPY_MOST bytes at a time: See Note [Errands].
 *
 *   A FileRequest says all there is to say of a call, so that a back-end which can make the call
 *   itself (io_uring) takes it at one place: between 1 and 2, in fileCall and fileCallUntil.
 */
#ifndef RTS_FILE_CALL_H
#define RTS_FILE_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef enum FileOperation { FileRead, FileWrite, FileSync, FileStat, FileOpen } FileOperation;

enum { FILE_COPY_MOST = 1 << 20, FILE_POSITION = -1 };

typedef struct FileRequest {
    FileOperation operation;
    int fd;                    /* all but FileOpen */
    const struct iovec *parts; /* FileRead, FileWrite */
    int count;                 /* likewise */
    int64_t offset;            /* likewise; FILE_POSITION: the file's own */
    struct stat *about;        /* FileStat */
    const char *path;          /* FileOpen */
    int flags;                 /* FileOpen */
    mode_t mode;               /* FileOpen */
} FileRequest;

/* fileCall -- a count, 0, an fd (FileOpen), or -E...; no deadline.  A read of one part at an offset
 * is short only at the file's end. */
ssize_t fileCall(const FileRequest *request);

/* fileCallUntil -- FileRead and FileWrite of one part at an offset, and all others.  -ETIMEDOUT:
 * nothing of the caller's is touched any more, and whether a write has been or will be made is
 * open; what is opened then is closed. */
ssize_t fileCallUntil(const FileRequest *request, int64_t deadline_ns);

/* fileCallCached -- are these bytes of fd in the page cache, as far as can be known? */
bool fileCallCached(int fd, int64_t offset, size_t size);

#endif
