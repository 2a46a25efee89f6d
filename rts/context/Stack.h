/* Stack.h -- guarded stacks, kept warm.
 *
 * A stack is a region of a slab: one mmap of many equal regions, NORESERVE, no huge pages, the
 * lowest page(s) of each a guard.  MADV_GUARD_INSTALL guards without splitting the mapping, so
 * 100,000 stacks need some hundred mappings; where the kernel lacks it, mprotect guards (at most
 * about 32,000 then). The Stack itself sits at the top of its region, in the page that the first
 * frames touch anyway.
 *
 * Note [Stack life]
 *   carved (header written, guard installed) -> bound to a thread -> warm: in a capability's cache
 *   (newest first) -> in the depot, in batches -> cold: its pages given back to the kernel, known
 *   only by its number in the slab -> bound again (header written anew).  Regions are never
 *   unmapped while the runtime is up.  A bound stack has one owner; caches belong to their
 *   capability's OS thread; the depot is under a spinlock, slabs under a mutex.
 */
#ifndef RTS_STACK_H
#define RTS_STACK_H

#include "internal/Assert.h"
#include "internal/SMP.h"
#include "rts/context/Sanitizer.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__aarch64__)
#define STACK_GUARD ((size_t)64 * 1024) /* the compiler's probes may be this far apart */
#define STACK_DEFAULT ((size_t)128 * 1024)
#else
#define STACK_GUARD ((size_t)4096)
#define STACK_DEFAULT ((size_t)64 * 1024)
#endif
#define STACK_CACHE_MOST 64 /* stacks a capability keeps warm */
#define STACK_LEAST ((size_t)16 * 1024)
#define STACK_MOST ((size_t)64 * 1024 * 1024)

typedef struct Slab Slab;

/* The interrupt that was raised last in the thread that is bound to a stack, under the lock of its
 * interrupts; but see Note [Interrupt words]. */
typedef struct Caught {
    int code;
    uint32_t count; /* of all that were put here on this stack */
    void *payload;
} Caught;

typedef struct Stack {
    union {
        struct {
            struct Stack *next;  /* in a cache or a batch */
            struct Stack *batch; /* depot: next batch, in a batch's first stack */
        };
        Caught caught; /* its thread's, while it is bound */
    };
    Slab *slab;       /* constant */
    uint32_t index;   /* constant: number in the slab */
    uint32_t count;   /* depot: length of the batch, in its first stack */
    int64_t since_ns; /* depot: when the batch came, in its first stack */
    void *owner;      /* the Thread bound to it, or NULL; read by the SIGSEGV handler */
    void *slots;      /* the bound thread: See Note [Thread slots]; NULL in between */
    StackTools tools;
    bool standard; /* constant: of the default size */
} CACHE_ALIGNED Stack;

/* A capability's cache of warm default-sized stacks; its OS thread only. */
typedef struct StackCache {
    Stack *warm; /* newest first */
    uint32_t count;
    uint64_t bound,
        unbound; /* counted by the owner, read by others: live = sum of the differences */
} StackCache;

/* stackPoolStart -- default_size 0: STACK_DEFAULT.  Probes how to guard.  0 or -EINVAL, -ENOMEM. */
int stackPoolStart(size_t default_size);
void stackPoolEnd(void);

/* stackDefaultSize -- region size of default stacks. */
size_t stackDefaultSize(void);

/* stackRegionFor -- the region that stackTake would give for `size`. */
size_t stackRegionFor(size_t size);

/* stackTake -- a stack of at least `size` bytes (0: the default), NULL: none to be had. */
Stack *stackTakeSlow(StackCache *cache, size_t size);

static inline Stack *stackTake(StackCache *cache, size_t size)
{
    Stack *stack = cache->warm;
    if (UNLIKELY(size != 0 || stack == NULL))
        return stackTakeSlow(cache, size);
    cache->warm = stack->next;
    RELAXED_STORE(&cache->count, cache->count - 1);
    COUNT(&cache->bound, 1);
    return stack;
}

/* stackGive -- nothing runs on it any more. */
void stackGiveSlow(StackCache *cache, Stack *stack, int64_t now_ns);

static inline void stackGive(StackCache *cache, Stack *stack, int64_t now_ns)
{
    RELAXED_STORE(&stack->owner, NULL);
    COUNT(&cache->unbound, 1);
    if (UNLIKELY(!stack->standard || cache->count >= STACK_CACHE_MOST)) {
        stackGiveSlow(cache, stack, now_ns);
        return;
    }
    stack->next = cache->warm;
    cache->warm = stack;
    COUNT(&cache->count, 1);
}

/* stackCacheDrain -- give the whole cache to the depot. */
void stackCacheDrain(StackCache *cache, int64_t now_ns);

/* stackSurvive -- child of a fork: of all stacks only `kept` (or none) is bound, through `cache`;
 * all others are cold. */
void stackSurvive(StackCache *cache, Stack *kept);

/* stackDepotTrim -- give the pages of stacks that have lain in the depot since before `before_ns`
 * back to the kernel.  Returns how many stacks became cold. */
uint32_t stackDepotTrim(int64_t before_ns);

/* stackTop -- where frames start: below the Stack, shifted by some cache lines (its colour) so that
 * the tops of many stacks do not fall into one cache set. */
void *stackTop(Stack *stack);

/* stackFetch -- a hint: what is parked at `sp` will run soon.  Brings its frames nearer: from the
 * switch, which leaves the red zone alone, to its call. */
#if defined(__x86_64__)
enum { STACK_LINES = 8, STACK_RED_LINES = 2 };
#else
enum { STACK_LINES = 8, STACK_RED_LINES = 0 };
#endif

static inline void stackFetch(const void *sp)
{
    uintptr_t top = (uintptr_t)sp; /* any address will do */
    __builtin_prefetch((const void *)top);
#pragma GCC unroll 8
    for (int line = 1; line < STACK_LINES; line++)
        __builtin_prefetch((const void *)(top + (uintptr_t)(line + STACK_RED_LINES) * CACHE_LINE));
}

/* stackBounds -- lowest usable address and usable size. */
char *stackBottom(const Stack *stack);
size_t stackUsable(const Stack *stack);

/* stackSizeOf -- the region's size: what a message calls the stack's size. */
size_t stackSizeOf(const Stack *stack);

/* stackOfGuard -- async-signal-safe: whose guard is hit at `address`?  NULL: nobody's, or that of
 * one that is cold. */
Stack *stackOfGuard(const void *address);

/* stackGuardsByMadvise -- how guards are made here (for tests and Dump). */
bool stackGuardsByMadvise(void);

/* stackMapFail -- tests: let the next n mappings of a slab fail with ENOMEM (-1: all, 0: none). */
void stackMapFail(int n);

#endif
