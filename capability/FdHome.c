/* FdHome.c -- fd -> the manager it lives with: one word an fd, a two-level array that only grows.
 *
 * Owns    the array, the words, the round-robin counter.
 * Before  rts/ThreadWait.c: a green thread waits for an fd.
 * After   iomgr/EventManager.c, the manager of the home.
 * Tests   testsuite/unit/FdHomeTest.c
 *
 * See Note [Fd home].
 */
#include "capability/FdHome.h"

#include "iomgr/Memory.h"

#include <errno.h>
#include <string.h>

enum { CROWDED_PERCENT = 60, CROWDED_LEAST = 64 };

uint32_t *fd_home_chunks[HOME_CHUNKS];

static const Allocator *memory; /* constant between start and free */
static uint32_t next_home;      /* anyone, relaxed add: round robin */

int fdHomeStart(const Allocator *allocator)
{
    memory = allocator;
    return 0;
}

void fdHomeFree(void)
{
    for (int i = 0; i < HOME_CHUNKS; i++) {
        if (fd_home_chunks[i] == NULL)
            continue;
        memoryRelease(memory, fd_home_chunks[i], HOME_CHUNK * sizeof(uint32_t), CACHE_LINE);
        fd_home_chunks[i] = NULL;
    }
}

/* The word, made if need be.  NULL: out of memory or out of range. */
static uint32_t *getWord(int fd)
{
    uint32_t *word = fdHomeWord(fd);
    if (word != NULL || (unsigned)fd >= FD_MAX)
        return word;
    size_t size = HOME_CHUNK * sizeof(uint32_t);
    uint32_t *fresh = memoryAllocate(memory, size, CACHE_LINE), *found = NULL;
    if (fresh == NULL)
        return fdHomeWord(fd); /* somebody else may have had more luck */
    memset(fresh, 0, size);
    if (!CAS_ACQ_REL(&fd_home_chunks[fd >> HOME_CHUNK_BITS], &found, fresh))
        memoryRelease(memory, fresh, size, CACHE_LINE);
    return fdHomeWord(fd);
}

static int explainNoWord(int fd)
{
    return fd < 0 ? -EBADF : fd >= FD_MAX ? -EMFILE : -ENOMEM;
}

/* Does this capability hold so large a share of all fds that others should get the next one? */
static bool isCrowded(const Capability *capability)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        all += RELAXED_LOAD(&capabilities.items[i]->manager.fds);
    uint64_t own = RELAXED_LOAD(&capability->manager.fds);
    return all >= CROWDED_LEAST && own * 100 > all * CROWDED_PERCENT;
}

static uint32_t chooseHome(const Capability *near)
{
    uint32_t enabled = capabilityTableEnabled();
    if (near != NULL && near->index < enabled && (enabled == 1 || !isCrowded(near)))
        return near->index;
    return ADD_RELAXED(&next_home, 1) % enabled;
}

uint32_t fdHomeSettleSlow(int fd, Capability *near)
{
    uint32_t *word = getWord(fd), fresh;
    if (word == NULL)
        return 0;
    uint32_t old = SEQ_CST_LOAD(word), home = chooseHome(near) + 1;
    do {
        if (fdHomeIsSettled(old))
            return old; /* another waiter came first */
        fresh = (old & ~HOME_MASK) | home;
    } while (!CAS_SEQ_CST(word, &old, fresh));
    EventManager *left = fdHomeManager(old);
    if (left != NULL && old != fresh)
        eventManagerLeave(left, fd, near);
    return fresh;
}

int fdHomeFresh(int fd, uint32_t kind, void *sink)
{
    uint32_t *word = getWord(fd);
    if (word == NULL)
        return explainNoWord(fd);
    EventManager *manager = fdHomeManager(XCHG_SEQ_CST(word, kind << 16));
    if (manager != NULL)
        eventManagerFresh(manager, fd, sink);
    return 0;
}

int fdHomeAdopt(int fd, uint32_t kind, void *sink)
{
    uint32_t *word = getWord(fd);
    if (word == NULL)
        return explainNoWord(fd);
    uint32_t old = RELAXED_LOAD(word);
    while (!CAS_SEQ_CST(word, &old, (old & 0xffffu) | kind << 16))
        continue; /* the kind is replaced: an fd may have lost what it had (see fdAdopt) */
    EventManager *manager = fdHomeManager(old);
    return manager == NULL ? 0 : eventManagerAdopt(manager, fd, sink);
}

uint32_t fdHomeLeave(int fd)
{
    uint32_t *word = fdHomeWord(fd);
    return word == NULL ? 0 : XCHG_SEQ_CST(word, 0);
}

void fdHomeSurvive(void)
{
    for (int i = 0; i < HOME_CHUNKS; i++) {
        uint32_t *chunk = RELAXED_LOAD(&fd_home_chunks[i]);
        for (int fd = 0; chunk != NULL && fd < HOME_CHUNK; fd++)
            RELAXED_STORE(&chunk[fd], RELAXED_LOAD(&chunk[fd]) & ~HOME_MASK);
    }
}
