/* FdFsync.c -- fsync(2) that holds up nobody else.
 *
 * Owns    nothing.
 * After   rts/FileCall.c.
 * Tests   testsuite/unit/FdPreadTest.c
 */
#include "rts/FileCall.h"

#include <capri/file.h>

int fdFsyncUntil(int fd, int64_t deadline_ns)
{
    FileRequest request = {.operation = FileSync, .fd = fd};
    return (int)fileCallUntil(&request, deadline_ns);
}

int fdFsync(int fd)
{
    return fdFsyncUntil(fd, INT64_MAX);
}
