/* FdSendFile.c -- a file to a socket, all of it.
 *
 * Owns    nothing.
 * After   rts/Transfer.c: one piece at a time.
 * Tests   testsuite/unit/FdSpliceTest.c, testsuite/conformance/FileConformance.c
 */
#include "rts/Transfer.h"

#include <capri/file.h>

#include <errno.h>
#include <limits.h>

ssize_t fdSendFileUntil(int out, int in, int64_t *offset, size_t size, int64_t deadline_ns)
{
    size_t done = 0;
    if (offset != NULL && *offset < 0)
        return -EINVAL;
    if (size > SSIZE_MAX)
        size = SSIZE_MAX;
    do {
        size_t left = size - done;
        Transfer piece = {.in = in,
                          .out = out,
                          .in_offset = offset,
                          .size = left < TRANSFER_MOST ? left : TRANSFER_MOST,
                          .is_sendfile = true};
        ssize_t n = transferRun(&piece, deadline_ns);
        if (n < 0)
            return done == 0 ? n : (ssize_t)done;
        if (n == 0)
            break;
        done += (size_t)n;
    } while (done < size);
    return (ssize_t)done;
}

ssize_t fdSendFile(int out, int in, int64_t *offset, size_t size)
{
    return fdSendFileUntil(out, in, offset, size, INT64_MAX);
}
