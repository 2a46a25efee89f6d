/* FdPwrite.c -- pwrite(2) that holds up nobody else.
 *
 * Owns    nothing.
 * After   rts/FileCall.c.
 * Tests   testsuite/unit/FdPreadTest.c, testsuite/conformance/FileConformance.c
 */
#include "rts/FileCall.h"

#include <capri/file.h>

#include <errno.h>

ssize_t fdPwriteUntil(int fd, const void *buffer, size_t size, int64_t offset, int64_t deadline_ns)
{
    struct iovec part = {(void *)buffer, size};
    FileRequest request = {
        .operation = FileWrite, .fd = fd, .parts = &part, .count = 1, .offset = offset};
    if (offset < 0)
        return -EINVAL;
    return fileCallUntil(&request, deadline_ns);
}

ssize_t fdPwrite(int fd, const void *buffer, size_t size, int64_t offset)
{
    return fdPwriteUntil(fd, buffer, size, offset, INT64_MAX);
}
