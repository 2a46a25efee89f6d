/* FdOpen.c -- open(2) that holds up nobody else; what it opens is adopted.
 *
 * Owns    nothing.
 * After   rts/FileCall.c.   rts/FdAdopt.c: what kind of file it is.
 * Tests   testsuite/unit/FdPreadTest.c
 *
 * Note [Opening]
 *   The path may lie on a disk that sleeps, and a FIFO opens once it has a peer: the plain open is
 *   made by the pool, without O_NONBLOCK unless the caller asks for it, because that flag changes
 *   what opening a FIFO means.  It is set afterwards.  There is no short cut for paths that are in
 *   the kernel's cache: RESOLVE_CACHED does not keep the open itself from sleeping.
 */
#include "rts/FdCall.h"
#include "rts/FileCall.h"

#include "capability/CapabilityTable.h"

#include <capri/fd.h>
#include <capri/file.h>

#include <errno.h>
#include <fcntl.h>

int fdOpenUntil(const char *path, int flags, mode_t mode, int64_t deadline_ns)
{
    FileRequest request = {.operation = FileOpen, .path = path, .flags = flags, .mode = mode};
    if (path == NULL)
        return -EINVAL;
    int fd = (int)fileCallUntil(&request, deadline_ns); /* See Note [Opening] */
    if (fd < 0 || capabilityTableCount() == 0) /* before rtsInit: it works, but nothing is kept */
        return fd;
    if ((flags & O_PATH) !=
        0) /* it names a place; there is nothing to set, to wait for or to read */
        return fdCallRegister(fd, 0);
    int failed = fdAdopt(fd);
    if (failed == 0)
        return fd;
    closeFd(fd);
    return failed;
}

int fdOpen(const char *path, int flags, mode_t mode)
{
    return fdOpenUntil(path, flags, mode, INT64_MAX);
}
