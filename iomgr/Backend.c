/* Backend.c -- choosing a kernel interface at run time.
 *
 * Owns    the list of back-ends.
 * Before  iomgr/EventManager.c: eventManagerOpen.
 * After   iomgr/backend/EPoll.c, iomgr/backend/Poll.c.
 * Tests   testsuite/unit/BackendTest.c
 */
#include "iomgr/Backend.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const Backend *const known[] = {&backendEPoll, &backendPoll};

static const Backend *findNamed(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i]->name, name) == 0)
            return known[i];
    }
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
