/* Collector.c -- a toy host with a conservative collector: threads hold objects in nothing but
 * their frames and registers, wait for all kinds of things, and find them whole.
 *
 * Every millisecond an OS thread pauses the world, marks what any stack points to, and what that
 * points to, and buries the rest: a field that says "dead", and the object is given out again.  A
 * thread that finds no free object collects by itself.  So a stack, a register or a thread that is
 * not shown becomes a dead object in somebody's hands.
 *
 * not-under: qemu
 */
#include "testsuite/support/Crowd.h"
#include "testsuite/support/Runtime.h"

#include "internal/SpinLock.h"
#include <capri/pause.h>

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 1000, OBJECTS = 16384, CHAIN_MOST = 6, PIPES = 8, EVERY_NS = 1000 * 1000 };
enum { ALIVE = 0xa11fe, DEAD = 0xdead, FREE = 0xf7ee };

typedef struct Object Object;
struct Object {
    Object *next;  /* its holder's; free: the list's */
    Object *knows; /* what only this one points to, or NULL */
    uint64_t state, marked;
};

static Object *objects; /* constant: OBJECTS of them */
static SpinLock heap_lock = SPIN_LOCK_INIT;
static Object *free_list; /* under heap_lock */

static uint32_t stopping; /* relaxed */
static uint64_t collections, inside, buried, checked;
static int pipes[PIPES][2];
static MVar *box;

#define UNSEEN __attribute__((no_sanitize("address"), no_sanitize("thread")))

/* ---- the collector, while all stand still ---------------------------------------------------- */

static void mark(Object *object)
{
    for (; object != NULL && object->marked == 0; object = object->next) {
        CHECK_EQ(object->state, ALIVE);
        object->marked = 1;
        if (object->knows != NULL)
            mark(object->knows);
    }
}

UNSEEN static uintptr_t peek(const uintptr_t *at)
{
    return *at;
}

/* Whatever looks like an object that is not free is one. */
static void markRange(const PausedThread *paused, void *env)
{
    uintptr_t first = (uintptr_t)objects, last = (uintptr_t)(objects + OBJECTS);
    (void)env;
    for (const uintptr_t *at = paused->low; at < (const uintptr_t *)paused->high; at++) {
        uintptr_t word = peek(at);
        if (word < first || word >= last)
            continue;
        Object *object = &objects[(word - first) / sizeof(Object)];
        if (object->state == ALIVE)
            mark(object);
    }
}

/* Paused: nobody else is at the heap, as nobody who holds its lock passes a safepoint. */
static void collect(void)
{
    int visited = rtsPausedThreads(markRange, NULL);
    CHECK_GE(visited, 0);
    for (size_t i = 0; i < OBJECTS; i++) {
        Object *object = &objects[i];
        if (object->state == ALIVE && object->marked == 0) {
            *object = (Object){.next = free_list, .state = DEAD};
            free_list = object;
            buried++;
        }
        object->marked = 0;
    }
    collections++;
}

static void *collectOften(void *env)
{
    (void)env;
    while (RELAXED_LOAD(&stopping) == 0) {
        crowdPause(EVERY_NS);
        int result = rtsPause(rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS);
        CHECK_EQ(result, 0);
        collect();
        CHECK_EQ(rtsResume(), 0);
    }
    return NULL;
}

/* ---- the host's threads ---------------------------------------------------------------------- */

static Object *takeFree(void)
{
    spinLock(&heap_lock);
    Object *object = free_list;
    if (object != NULL)
        free_list = object->next;
    spinUnlock(&heap_lock);
    return object;
}

/* next is in our frame: it lives on. */
static Object *allocate(Object *next)
{
    Object *object;
    while ((object = takeFree()) == NULL) {
        CHECK_EQ(rtsPause(rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS), 0);
        inside++;
        collect();
        CHECK_EQ(rtsResume(), 0);
    }
    CHECK(object->state == DEAD || object->state == FREE);
    *object = (Object){.next = next, .state = ALIVE};
    return object;
}

static void waitSomehow(uint64_t *seed)
{
    int *ends = pipes[crowdDraw(seed, PIPES)];
    char byte = 'b';
    void *value;
    switch (crowdDraw(seed, 6)) {
    case 0:
        CHECK_EQ(threadDelay((int64_t)crowdDraw(seed, 2000)), 0);
        break;
    case 1:
        CHECK_EQ(fdWrite(ends[1], &byte, 1), 1);
        CHECK_EQ(fdRead(ends[0], &byte, 1), 1);
        break;
    case 2:
        CHECK_EQ(mvarTake(box, &value), 0);
        threadYield();
        CHECK_EQ(mvarPut(box, value), 0);
        break;
    case 3:
        if (mvarTakeUntil(box, NULL, rtsNow()) == 0) /* mostly it gives up */
            CHECK_EQ(mvarPut(box, NULL), 0);
        break;
    default:
        threadYield();
    }
}

static uint64_t checkChain(const Object *chain)
{
    uint64_t length = 0;
    for (; chain != NULL; chain = chain->next) {
        CHECK_EQ(chain->state, ALIVE);
        CHECK(chain->knows == NULL || chain->knows->state == ALIVE);
        length++;
    }
    return length;
}

static void *use(void *env)
{
    uint64_t seed = crowdSeed((uintptr_t)env);
    while (RELAXED_LOAD(&stopping) == 0) {
        Object *chain = NULL;
        uint64_t length = 1 + crowdDraw(&seed, CHAIN_MOST);
        for (uint64_t i = 0; i < length; i++) {
            chain = allocate(chain);
            if (i % 2 == 0)
                chain->knows = allocate(NULL);
            threadSafepoint();
        }
        waitSomehow(&seed);
        CHECK_EQ(checkChain(chain), length);
        ADD_RELAXED(&checked, length);
    }
    return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void makeHeap(void)
{
    objects = aligned_alloc(CACHE_LINE, OBJECTS * sizeof(Object));
    CHECK(objects != NULL);
    free_list = NULL;
    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = (Object){.next = free_list, .state = FREE};
        free_list = &objects[i];
    }
}

TEST(Collector, whatIsHeldLives)
{
    RtsConfig config = {.capabilities = 2};
    uint32_t count = greenScale(THREADS);
    Thread **threads = calloc(count, sizeof *threads);
    pthread_t collector;
    CHECK(threads != NULL);
    makeHeap();
    CHECK_EQ(rtsInit(&config), 0);
    CHECK((box = mvarNew(NULL)) != NULL);
    for (int i = 0; i < PIPES; i++)
        CHECK_EQ(fdPipe(pipes[i]), 0);
    for (uintptr_t i = 0; i < count; i++)
        CHECK_EQ(threadFork(&threads[i], use, (void *)i), 0);
    CHECK_EQ(pthread_create(&collector, NULL, collectOften, NULL), 0);
    for (int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9); rtsNow() < end_ns;)
        crowdPause(10 * EVERY_NS);
    RELAXED_STORE(&stopping, 1);
    pthread_join(collector, NULL);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(threadJoin(threads[i], NULL), 0);
        threadRelease(threads[i]);
    }
    for (int i = 0; i < PIPES; i++)
        CHECK_EQ(closeFd(pipes[i][0]) + closeFd(pipes[i][1]), 0);
    mvarFree(box);
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
    CHECK(collections != 0 && buried != 0);
    printf("%llu collections (%llu by threads), %llu buried, %llu looked at\n",
           (unsigned long long)collections, (unsigned long long)inside, (unsigned long long)buried,
           (unsigned long long)checked);
    free(threads);
    free(objects);
}
