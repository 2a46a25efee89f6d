/* FdSocket.c -- making a socket.
 *
 * Owns    nothing.
 * Tests   testsuite/unit/FdSocketTest.c
 */
#include "rts/FdCall.h"

#include <capri/fd.h>

#include <errno.h>
#include <netinet/in.h>

/* See Note [What is a stream]. */
static uint32_t kindOf(int domain, int type, int protocol)
{
    bool tcp = (domain == AF_INET || domain == AF_INET6) &&
               (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM &&
               (protocol == 0 || protocol == IPPROTO_TCP);
    return FdAdopted | FD_KIND_SOCKET | (tcp ? (uint32_t)FdStream : 0);
}

int fdSocket(int domain, int type, int protocol)
{
    int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    return fdCallRegister(fd < 0 ? -errno : fd, kindOf(domain, type, protocol));
}
