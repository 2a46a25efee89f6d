/* Slab.c -- where stacks come from: one mapping, many equal regions, a guard at the bottom of each.
 *
 * Owns    the mappings, their guards, the numbers of cold regions.
 * Before  rts/context/Stack.c: caches and depot.
 * Tests   testsuite/unit/StackTest.c
 *
 * Note [Guard probe]
 *   MADV_GUARD_INSTALL is new in Linux 6.13; qemu-user answers 0 to the unknown advice and does
 *   nothing. So the answer is not believed: a guarded page must make write(2) fail with EFAULT when
 *   it reads from it.  Each later install is checked as well (EINVAL once the process has called
 *   mlockall) and falls back to mprotect for that region.
 */
#include "rts/context/Slab.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(low, high) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#define RUNNING_ON_VALGRIND 0
#endif

enum { SLABS_MOST = 16384, SLAB_FIRST = 64, SLAB_LATER = 1024, COLOURS = 16 };

struct Slab {
    char *base;          /* constant */
    size_t region;       /* constant: bytes, a power of two */
    uint32_t regions;    /* constant */
    uint32_t carved;     /* under slabs.lock: regions 0 .. carved-1 have a guard */
    uint32_t cold_count; /* under slabs.lock */
    uint32_t cold[];     /* under slabs.lock: numbers of regions without pages */
};

static struct {
    pthread_mutex_t lock;
    Slab *list[SLABS_MOST]; /* set once each (release) under lock; read by the SIGSEGV handler */
    uint32_t count;         /* stored under lock (release), read acquire */
    size_t region;          /* constant while up: of default stacks */
    bool madvise_guards;    /* constant while up */
    int fail;               /* under lock: see stackMapFail */
} slabs = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t regionFor(size_t size)
{
    size_t region = STACK_LEAST;
    if (STACK_GUARD > 4096)
        size += STACK_GUARD;
    while (region < size)
        region *= 2;
    return region;
}

/* See Note [Guard probe]. */
static bool probeGuards(void)
{
    int ends[2];
    bool works = false;
    char *page =
        mmap(NULL, STACK_GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    if (madvise(page, STACK_GUARD, MADV_GUARD_INSTALL) == 0 && pipe(ends) == 0) {
        works = write(ends[1], page, 1) < 0 && errno == EFAULT;
        close(ends[0]);
        close(ends[1]);
    }
    munmap(page, STACK_GUARD);
    return works;
}

int slabStart(size_t default_size)
{
    if (default_size > STACK_MOST)
        return -EINVAL;
    slabs.region = default_size == 0 ? STACK_DEFAULT : regionFor(default_size);
    slabs.madvise_guards = probeGuards();
    slabs.fail = 0;
    return 0;
}

size_t stackDefaultSize(void)
{
    return slabs.region;
}

size_t stackRegionFor(size_t size)
{
    return size > slabs.region ? regionFor(size) : slabs.region;
}

bool stackGuardsByMadvise(void)
{
    return slabs.madvise_guards;
}

void stackMapFail(int n)
{
    pthread_mutex_lock(&slabs.lock);
    slabs.fail = n;
    pthread_mutex_unlock(&slabs.lock);
}

static Stack *headerOf(const Slab *slab, uint32_t index)
{
    char *end = slab->base + (size_t)(index + 1) * slab->region;
    return (Stack *)(void *)(end - sizeof(Stack));
}

/* Under the lock: map one more slab of such regions. */
static Slab *mapSlab(size_t region)
{
    uint32_t regions = slabs.count < 4 ? SLAB_FIRST : SLAB_LATER;
    if (region > slabs.region)
        regions = 16;
    if (slabs.count == SLABS_MOST || slabs.fail != 0) {
        if (slabs.fail > 0)
            slabs.fail--;
        return NULL;
    }
    size_t book = sizeof(Slab) + regions * sizeof(uint32_t);
    size_t bytes = (size_t)regions * region;
    Slab *slab = mmap(NULL, book, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slab == MAP_FAILED)
        return NULL;
    slab->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slab->base == MAP_FAILED) {
        munmap(slab, book);
        return NULL;
    }
    madvise(slab->base, bytes, MADV_NOHUGEPAGE);
    slab->region = region;
    slab->regions = regions;
    RELEASE_STORE(&slabs.list[slabs.count], slab);
    RELEASE_STORE(&slabs.count, slabs.count + 1);
    return slab;
}

static bool installGuard(char *at)
{
    if (slabs.madvise_guards && madvise(at, STACK_GUARD, MADV_GUARD_INSTALL) == 0)
        return true;
    return mprotect(at, STACK_GUARD, PROT_NONE) == 0;
}

static void writeHeader(Slab *slab, uint32_t index)
{
    Stack *stack = headerOf(slab, index);
    memset(stack, 0, sizeof *stack);
    stack->slab = slab;
    stack->index = index;
    stack->standard = slab->region == slabs.region;
    stack->tools.valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(stackBottom(stack), stack);
#ifdef SANITIZE_THREAD
    stack->tools.fibre = __tsan_create_fiber(0);
#endif
}

/* Under the lock: a region of that size, cold or never used; slabs newest first.  NULL and *full:
 * there is none; NULL: one could not be guarded. */
static Stack *findRegion(size_t region, bool *full)
{
    *full = false;
    for (uint32_t i = slabs.count; i-- > 0;) {
        Slab *slab = slabs.list[i];
        uint32_t index;
        if (slab->region != region)
            continue;
        if (slab->cold_count > 0) {
            index = slab->cold[--slab->cold_count];
        } else if (slab->carved < slab->regions) {
            index = slab->carved;
            if (!installGuard(slab->base + (size_t)index * region))
                return NULL;
            slab->carved++;
        } else {
            continue;
        }
        writeHeader(slab, index);
        return headerOf(slab, index);
    }
    *full = true;
    return NULL;
}

Stack *slabTake(size_t size)
{
    size_t region = size == 0 ? slabs.region : regionFor(size);
    pthread_mutex_lock(&slabs.lock);
    bool full;
    Stack *stack = findRegion(region, &full);
    if (stack == NULL && full && mapSlab(region) != NULL)
        stack = findRegion(region, &full);
    pthread_mutex_unlock(&slabs.lock);
    return stack;
}

void slabGive(Stack *stack)
{
    Slab *slab = stack->slab;
    uint32_t index = stack->index;
    VALGRIND_STACK_DEREGISTER(stack->tools.valgrind_id);
#ifdef SANITIZE_THREAD
    __tsan_destroy_fiber(stack->tools.fibre);
#endif
#ifdef SANITIZE_ADDRESS
    __asan_unpoison_memory_region(stackBottom(stack), stackUsable(stack));
#endif
    madvise(stackBottom(stack), slab->region - STACK_GUARD, MADV_DONTNEED);
    pthread_mutex_lock(&slabs.lock);
    slab->cold[slab->cold_count++] = index;
    pthread_mutex_unlock(&slabs.lock);
}

/* A cold one has told valgrind already, and has no header any more: its page is gone. */
static void forgetStack(const Slab *slab, uint32_t index)
{
    if (!RUNNING_ON_VALGRIND)
        return;
    const Stack *stack = headerOf(slab, index);
    if (stack->slab == slab)
        VALGRIND_STACK_DEREGISTER(stack->tools.valgrind_id);
}

/* Nobody uses regions first .. last-1 any more: their pages go, their guards stay. */
static void dropRegions(Slab *slab, uint32_t first, uint32_t last)
{
    if (first == last)
        return;
    char *base = slab->base + (size_t)first * slab->region;
    size_t bytes = (size_t)(last - first) * slab->region;
    for (uint32_t i = first; i < last; i++) {
        forgetStack(slab, i);
        slab->cold[slab->cold_count++] = i;
    }
#ifdef SANITIZE_ADDRESS
    __asan_unpoison_memory_region(base, bytes);
#endif
    madvise(base, bytes, MADV_DONTNEED);
}

void slabSurvive(const Stack *kept)
{
    slabs.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    for (uint32_t i = 0; i < slabs.count; i++) {
        Slab *slab = slabs.list[i];
        bool here = kept != NULL && kept->slab == slab;
        slab->cold_count = 0;
        dropRegions(slab, 0, here ? kept->index : slab->carved);
        if (here)
            dropRegions(slab, kept->index + 1, slab->carved);
    }
}

void slabEnd(void)
{
    for (uint32_t i = 0; i < slabs.count; i++) {
        Slab *slab = slabs.list[i];
        size_t bytes = (size_t)slab->regions * slab->region;
        RELEASE_STORE(&slabs.list[i], NULL);
#ifdef SANITIZE_ADDRESS
        __asan_unpoison_memory_region(slab->base,
                                      bytes); /* whoever maps it next must not inherit that */
#endif
        munmap(slab->base, bytes);
        munmap(slab, sizeof(Slab) + slab->regions * sizeof(uint32_t));
    }
    RELEASE_STORE(&slabs.count, 0);
}

char *stackBottom(const Stack *stack)
{
    return stack->slab->base + (size_t)stack->index * stack->slab->region + STACK_GUARD;
}

size_t stackUsable(const Stack *stack)
{
    return stack->slab->region - STACK_GUARD - sizeof(Stack);
}

size_t stackSizeOf(const Stack *stack)
{
    return stack->slab->region;
}

void *stackTop(Stack *stack)
{
    return (char *)stack - (size_t)(stack->index % COLOURS) * CACHE_LINE;
}

Stack *stackOfGuard(const void *address)
{
    const char *at = address;
    uint32_t count = ACQUIRE_LOAD(&slabs.count);
    for (uint32_t i = 0; i < count; i++) {
        const Slab *slab = ACQUIRE_LOAD(&slabs.list[i]);
        if (slab == NULL || at < slab->base || at >= slab->base + slab->regions * slab->region)
            continue;
        size_t offset = (size_t)(at - slab->base);
        if (offset % slab->region >= STACK_GUARD)
            return NULL;
        Stack *stack = headerOf(slab, (uint32_t)(offset / slab->region));
        return RELAXED_LOAD(&stack->slab) == slab ? stack : NULL; /* cold: it has no header */
    }
    return NULL;
}
