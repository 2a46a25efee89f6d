/* Address.c -- names to addresses: getaddrinfo(3) off the capabilities.
 *
 * Owns    Lookup: what one lookup needs and brings.
 * After   rts/Errand.c: on an OS thread of the pool, until the caller's deadline.
 * Tests   testsuite/unit/AddressTest.c, testsuite/stress/BlockingCalls.c
 */
#include "iomgr/Memory.h"
#include "rts/Errand.h"
#include "rts/Outside.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"

#include <capri/address.h>

#include <errno.h>
#include <netdb.h>
#include <stddef.h>

enum { NAME_MOST = 1025, SERVICE_MOST = 256 }; /* bytes, with the 0 at the end */

typedef struct Lookup {
    Errand errand; /* first */
    struct addrinfo hints;
    bool has_host, has_service, has_hints;
    char host[NAME_MOST], service[SERVICE_MOST];
    struct addrinfo *addresses; /* until the caller takes it */
    int result;
} Lookup;

/* system_error: errno, for EAI_SYSTEM. */
static int resultOf(int failed, int system_error)
{
    switch (failed) {
    case 0:
        return 0;
    case EAI_NONAME:
        return -ENOENT;
    case EAI_NODATA:
        return -ENODATA;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_ADDRFAMILY:
        return -EAFNOSUPPORT;
    case EAI_BADFLAGS:
    case EAI_FAMILY:
    case EAI_SOCKTYPE:
    case EAI_SERVICE:
        return -EINVAL;
    case EAI_SYSTEM:
        return system_error > 0 ? -system_error : -EIO;
    default:
        return -EIO;
    }
}

static void runLookup(Errand *errand)
{
    Lookup *lookup = (Lookup *)(void *)errand;
    int failed = getaddrinfo(lookup->has_host ? lookup->host : NULL,
                             lookup->has_service ? lookup->service : NULL,
                             lookup->has_hints ? &lookup->hints : NULL, &lookup->addresses);
    int system_error = errno; /* an OS thread of the pool: nothing can park here */
    lookup->result = resultOf(failed, system_error);
    if (failed != 0)
        lookup->addresses = NULL;
}

static void freeLookup(Errand *errand)
{
    Lookup *lookup = (Lookup *)(void *)errand;
    if (lookup->addresses != NULL)
        freeaddrinfo(lookup->addresses);
    memoryRelease(startupAllocator(), lookup, sizeof *lookup, CACHE_LINE);
}

/* False: too long. */
static bool copyName(char *copy, size_t room, const char *name)
{
    size_t size = strnlen(name, room);
    if (size == room)
        return false;
    memcpy(copy, name, size + 1);
    return true;
}

static int fillLookup(Lookup *lookup, const char *host, const char *service,
                      const struct addrinfo *hints)
{
    lookup->has_host = host != NULL;
    lookup->has_service = service != NULL;
    lookup->has_hints = hints != NULL;
    if ((host != NULL && !copyName(lookup->host, NAME_MOST, host)) ||
        (service != NULL && !copyName(lookup->service, SERVICE_MOST, service)))
        return -ENAMETOOLONG;
    if (hints != NULL)
        lookup->hints = (struct addrinfo){.ai_flags = hints->ai_flags,
                                          .ai_family = hints->ai_family,
                                          .ai_socktype = hints->ai_socktype,
                                          .ai_protocol = hints->ai_protocol};
    return 0;
}

static int sendErrand(const char *host, const char *service, const struct addrinfo *hints,
                      struct addrinfo **addresses, int64_t deadline_ns)
{
    if (capabilityCount() == 0)
        return -ENXIO;
    Lookup *lookup = memoryAllocateZeroed(startupAllocator(), sizeof *lookup, CACHE_LINE);
    if (lookup == NULL)
        return -ENOMEM;
    lookup->errand.run = runLookup;
    lookup->errand.free = freeLookup;
    int result = fillLookup(lookup, host, service, hints);
    if (result != 0) {
        freeLookup(&lookup->errand);
        return result;
    }
    result = errandRun(&lookup->errand, deadline_ns);
    if (result != 0)
        return result;
    result = lookup->result;
    if (result == 0) {
        *addresses = lookup->addresses;
        lookup->addresses = NULL;
    }
    errandRelease(&lookup->errand);
    return result;
}

int addressLookupUntil(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **addresses, int64_t deadline_ns)
{
    if (addresses == NULL || (host == NULL && service == NULL))
        return -EINVAL;
    bool outside = outsideStayHere(); /* it works on the errand before and after the wait */
    int result = sendErrand(host, service, hints, addresses, deadline_ns);
    if (outside)
        outsideStayOver();
    return result;
}

int addressLookup(const char *host, const char *service, const struct addrinfo *hints,
                  struct addrinfo **addresses)
{
    return addressLookupUntil(host, service, hints, addresses, INT64_MAX);
}
