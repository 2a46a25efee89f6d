/* Backend.c -- choosing a kernel interface at run time.
 *
 * Owns    the list of back-ends.
 * Before  iomgr/EventManager.c: eventManagerOpen.
 * After   iomgr/backend/EPoll.c, iomgr/backend/Poll.c, iomgr/backend/IOUring.c.
 * Tests   testsuite/unit/BackendTest.c
 */
#include "iomgr/Backend.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#ifdef CAPRI_URING
static const Backend *const known[] = {&backendEPoll, &backendPoll, &backendIOUring};
#else
static const Backend *const known[] = {&backendEPoll, &backendPoll};
#endif

static const Backend *findNamed(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i]->name, name) == 0)
            return known[i];
    }
#ifndef CAPRI_URING
    if (strcmp(name, "uring") == 0)
        return &backendEPoll;
#endif
    return NULL;
}

static bool isAuto(const char *name)
{
    return name == NULL || name[0] == '\0' || strcmp(name, "auto") == 0;
}

const Backend *backendByName(const char *name)
{
    if (isAuto(name)) {
        name = getenv("CAPRI_BACKEND");
        if (isAuto(name))
            return &backendEPoll;
    }
    return findNamed(name);
}

/* -ENOMEM: older kernels charge a ring to the memory a process may lock. */
static bool isRefused(int result)
{
    return result == -ENOSYS || result == -EPERM || result == -EACCES || result == -EINVAL ||
           result == -ENOMEM;
}

int backendOpen(const Backend **backend, BackendState **state, int wake_fd,
                const Allocator *allocator)
{
    int result = (*backend)->open(state, wake_fd, allocator);
    if (isRefused(result) && (*backend)->fallback != NULL) {
        *backend = (*backend)->fallback;
        result = (*backend)->open(state, wake_fd, allocator);
    }
    return result;
}
