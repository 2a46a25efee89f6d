/* capri/address.h -- names to addresses. */
#ifndef CAPRI_ADDRESS_H
#define CAPRI_ADDRESS_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo;

/* addressLookup -- getaddrinfo(3) on an OS thread of the pool; several are looked up at once.
 *
 * host, service, hints  as for getaddrinfo: any may be NULL, but not both names
 * addresses             receives the list, freed with freeaddrinfo(3)
 * Returns  0; -ENOENT: no such name; -ENODATA: it has no address; -EAGAIN: not now (or no OS thread
 *          for it); -EIO: the name server failed for good; -EINVAL: flags, family, kind of socket
 *          or service; -EAFNOSUPPORT; -ENOMEM; -ENAMETOOLONG; -ECANCELED; -ENXIO, -ESHUTDOWN: no
 *          runtime.
 * Source   getaddrinfo(3); differs: negative errnos.
 */
CAPRI_EXPORT int addressLookup(const char *host, const char *service, const struct addrinfo *hints,
                               struct addrinfo **addresses) CAPRI_NAME(addressLookup);

/* addressLookupUntil -- likewise; -ETIMEDOUT when rtsNow() reaches deadline_ns.  A lookup that was
 * given up ends by itself and frees what it has made. */
CAPRI_EXPORT int addressLookupUntil(const char *host, const char *service,
                                    const struct addrinfo *hints, struct addrinfo **addresses,
                                    int64_t deadline_ns) CAPRI_NAME(addressLookupUntil);

#ifdef __cplusplus
}
#endif

#endif
