/* Jemalloc.c -- jemalloc as the runtime's allocator, one arena per capability.
 *
 * Owns    arenas: which jemalloc arena belongs to which capability.
 * Tests   docs/examples/httpd.c runs on it
 *
 * For programs only (Capri::jemalloc): nothing of libcapri refers to this file.
 */
#include <capri/jemalloc.h>

#include "internal/SMP.h"

#include <capri/thread.h>

#include <jemalloc/jemalloc.h>
#include <stdio.h>

enum {
    ARENAS = 64,        /* capabilities at most; more share jemalloc's own */
    ARENA_UNKNOWN = 0,  /* nobody has asked yet */
    ARENA_AUTOMATIC = 1 /* there is none: jemalloc chooses */
};

static unsigned arenas[ARENAS]; /* anyone, by CAS (relaxed: a number only): arena index + 2 */

static void destroyArena(unsigned arena)
{
    char name[32];
    snprintf(name, sizeof name, "arena.%u.destroy", arena);
    mallctl(name, NULL, NULL, NULL, 0);
}

/* The first to ask makes the arena; who comes second at the same time takes that one. */
static unsigned makeArena(unsigned *slot)
{
    unsigned arena = 0, found = ARENA_UNKNOWN;
    size_t size = sizeof arena;
    bool made = mallctl("arenas.create", &arena, &size, NULL, 0) == 0;
    unsigned word = made ? arena + 2 : ARENA_AUTOMATIC;
    if (CAS_RELAXED(slot, &found, word))
        return word;
    if (made)
        destroyArena(arena);
    return found;
}

/* The flag that names the calling capability's arena; 0: jemalloc chooses. */
static int arenaFlag(void)
{
    int capability = threadCapabilityLast(); /* in the middle of a call: it must not come back */
    if (capability < 0 || capability >= ARENAS)
        return 0;
    unsigned word = RELAXED_LOAD(&arenas[capability]);
    if (__builtin_expect(word == ARENA_UNKNOWN, 0))
        word = makeArena(&arenas[capability]);
    return word == ARENA_AUTOMATIC ? 0 : MALLOCX_ARENA(word - 2);
}

static void *allocateMemory(void *context, size_t size, size_t alignment)
{
    (void)context;
    return mallocx(size, MALLOCX_ALIGN(alignment) | arenaFlag());
}

static void releaseMemory(void *context, void *memory, size_t size, size_t alignment)
{
    (void)context;
    sdallocx(memory, size, MALLOCX_ALIGN(alignment));
}

Allocator jemallocAllocator(void)
{
    return (Allocator){allocateMemory, releaseMemory, NULL};
}
