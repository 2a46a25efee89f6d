/* FdAccept.c -- the next connection.
 *
 * Owns    nothing.
 * After   rts/FdCall.c: the loop of trying and waiting.
 * Tests   testsuite/unit/FdSocketTest.c, testsuite/conformance/FdCallConformance.c
 *
 * Note [A connection's kind]
 *   What a connection is (FdStream or not) is what its listener is: an accepted socket has the
 *   listener's domain, type and protocol, and a listener cannot have an upper protocol.  So the
 *   kind comes from the listener's home, which the wait has read anyway: no system call, no address
 *   needed.  Connections of an un-adopted listener are asked themselves (fdAdoptKind).
 */
#include "rts/FdAdopt.h"
#include "rts/FdCall.h"

#include <capri/fd.h>

#include <errno.h>

typedef struct AcceptRequest {
    struct sockaddr *address;
    socklen_t *size;
    socklen_t room; /* what *size was: a failed attempt may have changed it */
    uint32_t kind;  /* out: the listener's */
    int64_t deadline_ns;
} AcceptRequest;

/* accept(2) passes on what befell one connection before it was accepted: take the next one. */
static bool concernsConnection(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static __attribute__((noinline)) ssize_t acceptOne(int fd, uint32_t kind, void *env)
{
    AcceptRequest *request = env;
    request->kind = kind & ~FD_KIND_SHUT;
    if (request->size != NULL)
        *request->size = request->room;
    int made = accept4(fd, request->address, request->size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (made >= 0)
        return made;
    return concernsConnection(errno) ? -EINTR : -errno; /* -EINTR: at once again */
}

/* accept knows no MSG_DONTWAIT: for an un-adopted listener wait first.  See Note [Strangers]. */
static ssize_t attemptAccept(int fd, uint32_t kind, void *env)
{
    const AcceptRequest *request = env;
    ssize_t made;
    if (LIKELY((kind & FdAdopted) != 0)) {
        made = acceptOne(fd, kind, env);
    } else {
        int failed = fdCallAwaitStranger(fd, FdRead, NULL, request->deadline_ns);
        made = failed < 0 ? failed : fdCallPlain(fd, acceptOne, env);
    }
    /* See Note [Shut for reading]. */
    return UNLIKELY(made == -EAGAIN && (kind & FD_KIND_SHUT) != 0) ? -EINVAL : made;
}

int fdAcceptUntil(int fd, struct sockaddr *address, socklen_t *size, int64_t deadline_ns)
{
    AcceptRequest request = {address, size, size ? *size : 0, 0, deadline_ns};
    int made = (int)fdCallUntil(fd, FdRead, 0, attemptAccept, &request, deadline_ns);
    if (made < 0)
        return made;
    uint32_t kind = request.kind; /* See Note [A connection's kind] */
    return fdCallRegister(made, (kind & FdAdopted) != 0 ? kind : fdAdoptKind(made));
}

int fdAccept(int fd, struct sockaddr *address, socklen_t *size)
{
    return fdAcceptUntil(fd, address, size, DEADLINE_NEVER);
}
