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

#include "capability/CapabilityTable.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <string.h>

#define HOME_CHUNK_BITS 12
#define HOME_CHUNK (1 << HOME_CHUNK_BITS)
#define HOME_CHUNKS (FD_MAX >> HOME_CHUNK_BITS)
#define HOME_MASK UINT32_C(0xffff)

enum { CROWDED_PERCENT = 60, CROWDED_LEAST = 64 };

static uint32_t *chunks[HOME_CHUNKS]; /* each set once by CAS (release), read acquire */
static const Allocator *memory;       /* constant between start and free */
static uint32_t next_home;            /* anyone, relaxed add: round robin */

int fdHomeStart(const Allocator *allocator)
{
    memory = allocator;
    return 0;
}

void fdHomeFree(void)
{
    for (int i = 0; i < HOME_CHUNKS; i++) {
        if (chunks[i] == NULL)
            continue;
        memoryRelease(memory, chunks[i], HOME_CHUNK * sizeof(uint32_t), CACHE_LINE);
        chunks[i] = NULL;
    }
}

/* The word, or NULL: its chunk was never needed, or fd is out of range. */
static uint32_t *findWord(int fd)
{
    if (UNLIKELY((unsigned)fd >= FD_MAX))
        return NULL;
    uint32_t *chunk = ACQUIRE_LOAD(&chunks[fd >> HOME_CHUNK_BITS]);
    return chunk == NULL ? NULL : &chunk[fd & (HOME_CHUNK - 1)];
}

/* The word, made if need be.  NULL: out of memory or out of range. */
static uint32_t *getWord(int fd)
{
    uint32_t *word = findWord(fd);
    if (word != NULL || (unsigned)fd >= FD_MAX)
        return word;
    size_t size = HOME_CHUNK * sizeof(uint32_t);
    uint32_t *fresh = memoryAllocate(memory, size, CACHE_LINE), *found = NULL;
    if (fresh == NULL)
        return findWord(fd); /* somebody else may have had more luck */
    memset(fresh, 0, size);
    if (!CAS_ACQ_REL(&chunks[fd >> HOME_CHUNK_BITS], &found, fresh))
        memoryRelease(memory, fresh, size, CACHE_LINE);
    return findWord(fd);
}

static int explainNoWord(int fd)
{
    return fd < 0 ? -EBADF : fd >= FD_MAX ? -EMFILE : -ENOMEM;
}

uint32_t fdHomeLook(int fd)
{
    uint32_t *word = findWord(fd);
    return word == NULL ? 0 : SEQ_CST_LOAD(word);
}

EventManager *fdHomeManager(uint32_t word)
{
    uint32_t home = word & HOME_MASK;
    if (home == 0)
        return NULL;
    ASSERT_CMP(home, <=, capabilities.count);
    return &capabilities.items[home - 1]->manager;
}

/* Does this capability hold so large a share of all fds that others should get the next one? */
static bool isCrowded(const Capability *capability)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < capabilities.count; i++)
        all += RELAXED_LOAD(&capabilities.items[i]->manager.fds);
    uint64_t own = RELAXED_LOAD(&capability->manager.fds);
    return all >= CROWDED_LEAST && own * 100 > all * CROWDED_PERCENT;
}

static uint32_t chooseHome(const Capability *near)
{
    if (near != NULL && (capabilities.count == 1 || !isCrowded(near)))
        return near->index;
    return ADD_RELAXED(&next_home, 1) % capabilities.count;
}

uint32_t fdHomeSettle(int fd, Capability *near)
{
    uint32_t *word = getWord(fd);
    if (word == NULL)
        return 0;
    uint32_t old = SEQ_CST_LOAD(word);
    if ((old & HOME_MASK) != 0)
        return old;
    uint32_t home = chooseHome(near) + 1;
    do {
        if ((old & HOME_MASK) != 0)
            return old; /* another waiter came first */
    } while (!CAS_SEQ_CST(word, &old, old | home));
    return old | home;
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
    uint32_t *word = findWord(fd);
    return word == NULL ? 0 : XCHG_SEQ_CST(word, 0);
}
