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
 *     2. What is left goes to the kernel itself, if the back-end can hand it over (io_uring:
 *        See Note [Submissions]), else to an OS thread of the blocking pool; the green thread is
 *        parked meanwhile.  What is read and written at the file's own position always goes to
 *        the pool: read(2) and write(2) keep others from the position until they have moved it,
 *        io_uring does not, so two at once would move the same bytes.
 *   Opening, fstat and fsync have no form that does not sleep: they begin with 2.  If there is no
 *   OS thread to be had at all, or nothing may wait here (a callback, a step), the call is made
 *   where it is.
 *   A plain OS thread makes the plain call.
 *
 *   A call with a deadline goes to the pool, whose OS thread works on memory of its own, never on
 *   the caller's, and on at most FILE_COPY_MOST bytes at a time: See Note [Errands].
 */
#ifndef RTS_FILE_CALL_H
#define RTS_FILE_CALL_H

#include "iomgr/FileRequest.h"

#include <stdbool.h>

enum { FILE_COPY_MOST = 1 << 20, FILE_CALL_MOST = 1 << 30 };

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
