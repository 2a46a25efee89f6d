/* FdAdopt.c -- taking charge of an fd that was opened elsewhere.
 *
 * Owns    nothing: what is found out is kept in the fd's home.
 * After   capability/FdHome.c: fdHomeAdopt.
 * Tests   testsuite/unit/FdAdoptTest.c
 *
 * Note [What is a stream]
 *   FdStream says that a short read proves the fd empty.  That holds for TCP over IPv4 and IPv6 and
 *   for pipes of our making, but not
 *     for local sockets, where a read stops between two messages that bear different descriptors or
 *     credentials (SCM_RIGHTS), for TCP under an upper layer protocol (kernel TLS), whose reads
 *     stop at record boundaries, for pipes made elsewhere: they may be in packet mode (O_DIRECT),
 *     where a read takes one packet, and only the end that writes would tell, for SCTP and MPTCP,
 *     for datagrams and for everything else.
 *   Whoever lays TLS over an fd that is adopted already calls fdAdopt again.
 */
#include "rts/FdAdopt.h"

#include "capability/CapabilityTable.h"
#include "rts/FdCall.h"
#include "rts/Startup.h"

#include <capri/fd.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

static int askSocket(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static bool hasUpperProtocol(int fd)
{
    char name[16] = "";
    socklen_t size = sizeof name;
    return getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &size) == 0 && size > 0 && name[0] != 0;
}

static bool isPlainTcp(int fd)
{
    int domain = askSocket(fd, SO_DOMAIN);
    return (domain == AF_INET || domain == AF_INET6) && askSocket(fd, SO_PROTOCOL) == IPPROTO_TCP &&
           !hasUpperProtocol(fd);
}

/* Only files in memory (tmpfs, memfd, hugetlbfs) have seals, be it none; the kernel looks at the
 * open file and asks nobody, while statfs(2) of a network's file system asks the server. */
bool fdAdoptInMemory(int fd)
{
    return fcntl(fd, F_GET_SEALS) >= 0;
}

/* See Note [What is a stream]. */
uint32_t fdAdoptKind(int fd)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return FdAdopted;
    if (S_ISREG(about.st_mode))
        return FdAdopted | FD_KIND_FILE | (fdAdoptInMemory(fd) ? FD_KIND_MEMORY : 0);
    if (S_ISDIR(about.st_mode) || S_ISBLK(about.st_mode))
        return FdAdopted | FD_KIND_FILE;
    if (!S_ISSOCK(about.st_mode))
        return FdAdopted;
    return FdAdopted | FD_KIND_SOCKET | (isPlainTcp(fd) ? (uint32_t)FdStream : 0);
}

static __attribute__((noinline)) int setNonBlocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -errno;
    return 0;
}

int fdAdopt(int fd)
{
    if (capabilityTableCount() == 0)
        return -ENXIO;
    if (startupIsBroken())
        return -ENOTRECOVERABLE;
    int failed = setNonBlocking(fd);
    if (failed < 0)
        return failed;
    return fdHomeAdopt(fd, fdAdoptKind(fd), scheduleHere());
}
