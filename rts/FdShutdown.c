/* FdShutdown.c -- shutdown(2): the kernel itself tells whoever waits.
 *
 * Owns    nothing.
 * Tests   testsuite/unit/FdSocketTest.c
 */
#include <capri/fd.h>

#include <errno.h>

int fdShutdown(int fd, int how)
{
    return shutdown(fd, how) == 0 ? 0 : -errno;
}
