/* FdSplice.c -- from a pipe, or into one.
 *
 * Owns    nothing.
 * After   rts/Transfer.c.
 * Tests   testsuite/unit/FdSpliceTest.c, testsuite/conformance/FileConformance.c
 */
#include "rts/Transfer.h"

#include <capri/file.h>

ssize_t fdSpliceUntil(int in, int64_t *in_offset, int out, int64_t *out_offset, size_t size,
                      int64_t deadline_ns)
{
    Transfer transfer = {.in = in,
                         .out = out,
                         .in_offset = in_offset,
                         .out_offset = out_offset,
                         .size = size < TRANSFER_MOST ? size : TRANSFER_MOST};
    return transferRun(&transfer, deadline_ns);
}

ssize_t fdSplice(int in, int64_t *in_offset, int out, int64_t *out_offset, size_t size)
{
    return fdSpliceUntil(in, in_offset, out, out_offset, size, INT64_MAX);
}
