/* FdPread.c -- pread(2) that holds up nobody else.
 *
 * Owns    nothing.
 * After   rts/FileCall.c.
 * Tests   testsuite/unit/FdPreadTest.c, testsuite/conformance/FileConformance.c
 */
#include "rts/FileCall.h"

#include <capri/file.h>

#include <errno.h>

ssize_t fdPreadUntil(int fd, void *buffer, size_t size, int64_t offset, int64_t deadline_ns)
{
    struct iovec part = {buffer, size};
    FileRequest request = {
        .operation = FileRead, .fd = fd, .parts = &part, .count = 1, .offset = offset};
    if (offset < 0)
        return -EINVAL;
    return fileCallUntil(&request, deadline_ns);
}

ssize_t fdPread(int fd, void *buffer, size_t size, int64_t offset)
{
    return fdPreadUntil(fd, buffer, size, offset, INT64_MAX);
}
