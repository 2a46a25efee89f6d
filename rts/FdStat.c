/* FdStat.c -- fstat(2) that holds up nobody else.
 *
 * Owns    nothing.
 * After   rts/FileCall.c.
 * Tests   testsuite/unit/FdPreadTest.c
 */
#include "rts/FileCall.h"

#include <capri/file.h>

#include <errno.h>

int fdStatUntil(int fd, struct stat *about, int64_t deadline_ns)
{
    FileRequest request = {.operation = FileStat, .fd = fd, .about = about};
    if (about == NULL)
        return -EINVAL;
    return (int)fileCallUntil(&request, deadline_ns);
}

int fdStat(int fd, struct stat *about)
{
    return fdStatUntil(fd, about, INT64_MAX);
}
