/* FdListen.c -- sockets that listen.
 *
 * Owns    nothing.
 * Tests   testsuite/unit/FdSocketTest.c
 */
#include <capri/fd.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

static __attribute__((noinline)) int bindAndListen(int fd, const struct sockaddr *address,
                                                   socklen_t size, int backlog, bool shared)
{
    int yes = 1;
    if (address->sa_family != AF_UNIX &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
        return -errno;
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0)
        return -errno;
    if (bind(fd, address, size) != 0 || listen(fd, backlog) != 0)
        return -errno;
    return 0;
}

static int openListener(const struct sockaddr *address, socklen_t size, int backlog, bool shared)
{
    if (address == NULL || size < sizeof address->sa_family)
        return -EINVAL;
    int fd = fdSocket(address->sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int failed = bindAndListen(fd, address, size, backlog, shared);
    if (failed == 0)
        return fd;
    closeFd(fd);
    return failed;
}

int fdListen(const struct sockaddr *address, socklen_t size, int backlog)
{
    return openListener(address, size, backlog, false);
}

/* The address that the kernel has given to fd. */
static __attribute__((noinline)) int findAddress(int fd, struct sockaddr_storage *address,
                                                 socklen_t *size)
{
    *size = sizeof *address;
    return getsockname(fd, (struct sockaddr *)address, size) == 0 ? 0 : -errno;
}

int fdListenMany(const struct sockaddr *address, socklen_t size, int backlog, int count, int *fds)
{
    struct sockaddr_storage bound;
    int failed = 0, made = 0;
    if (count <= 0 || fds == NULL)
        return -EINVAL;
    while (failed == 0 && made < count) {
        int fd = openListener(address, size, backlog, true);
        if (fd < 0) {
            failed = fd;
            break;
        }
        fds[made++] = fd;
        if (made == 1) { /* the others share the port the first one got */
            failed = findAddress(fd, &bound, &size);
            address = (const struct sockaddr *)&bound;
        }
    }
    while (failed < 0 && made > 0)
        closeFd(fds[--made]);
    return failed;
}
