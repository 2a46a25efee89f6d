/* Transfer.h -- bytes that go from one fd to another inside the kernel: sendfile(2), splice(2).
 *
 * Note [Transfers]
 *   Either end may say EAGAIN, and the kernel does not tell which: both are polled, and the first
 *   that is not ready is waited for.  What may sleep in the call itself is made by the pool: a file
 *   that is not in the page cache, a file that is written, an end of a stranger in blocking mode
 *   (which is waited for first, See Note [Strangers]).
 *   Such a call is never given up: it works on the caller's offsets.  A deadline ends the waits.
 *   No flag keeps SIGPIPE away here.  It is blocked on the OS thread for the length of the call,
 *   and one that came is taken out before it is let in again; it comes with -EPIPE, or with a count
 *   of what was moved before.
 */
#ifndef RTS_TRANSFER_H
#define RTS_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { TRANSFER_MOST = 256 * 1024 }; /* bytes of a file at a time */

typedef struct Transfer {
    int in, out;
    int64_t *in_offset, *out_offset; /* of files; NULL: their own position; moved */
    size_t size;                     /* at most so many bytes */
    bool is_sendfile;                /* otherwise splice */
} Transfer;

/* transferRun -- once, waiting until something can be moved: a count, 0 (the end of `in`), or
 * -E.... */
ssize_t transferRun(const Transfer *transfer, int64_t deadline_ns);

#endif
