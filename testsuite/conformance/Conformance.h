/* Conformance.h -- one manager on the back-end that --backend names.
 *
 * Tests  testsuite/conformance.
 */
#ifndef TESTSUITE_CONFORMANCE_H
#define TESTSUITE_CONFORMANCE_H

#include "testsuite/support/IoFixture.h"

static EventManager manager;

static inline const Backend *backendTested(void)
{
    const Backend *backend = backendByName(testArg("--backend"));
    CHECK(backend != NULL);
    return backend;
}

static inline void openManager(void)
{
    const Backend *backend = backendTested();
    ownerGateStart();
    CHECK_EQ(eventManagerOpen(&manager, backend, NULL, NULL), 0);
    if (manager.backend != backend) /* its fall-back: not unless the kernel refuses */
        CHECK(ringsRefused());
}

static inline uint32_t look(void)
{
    return eventManagerPoll(&manager, 0, NULL);
}

static inline uint64_t changes(void)
{
    return RELAXED_LOAD(&manager.stats.changes);
}

static inline int park(Watcher *watcher, int fd, uint32_t kind, FdDirection direction)
{
    return watcherAwait(&manager, watcher, fd, kind, direction, 0, 1);
}

/* As fdRead does it: the count from before the system call. */
static inline int parkSeen(Watcher *watcher, int fd, FdDirection direction, uint32_t edges)
{
    return watcherAwait(&manager, watcher, fd, FdAdopted, direction, edges, 1);
}

static inline bool sane(int fd)
{
    FdSlot *slot = fdTableFind(&manager.table, fd);
    return slot == NULL || fdSlotSane(slot);
}

#endif
