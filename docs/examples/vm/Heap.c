/* Heap.c -- objects, and the collector that moves them.
 *
 * Two spaces, one of which holds all objects.  Each capability makes objects in an area of its own,
 * a piece of that space; when there are no more pieces, whoever wants one pauses the runtime and
 * copies what lives.  See Note [Addresses].
 */
#include "Heap.h"

#include <capri/capri.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { AREA_BYTES = 16 * 1024, LEAST_BYTES = 1024 * 1024, OLD_BYTE = 0xdb };

static struct {
    pthread_mutex_t lock; /* for next and areas; with it nobody waits and nobody pauses */
    char *space, *spare;  /* all objects are in the first */
    char *next, *limit;   /* given out up to next; at limit a collection is due */
    char *copied;         /* in spare, while that is under way: copies end there */
    size_t bytes;
    Area *areas;
    HeapStats stats;
    bool shaken;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char *mapSpace(size_t bytes)
{
    void *space = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return space == MAP_FAILED ? NULL : space;
}

/* As much again as lives, then the next collection is due. */
static void setLimit(size_t wanted)
{
    size_t live = (size_t)(heap.next - heap.space), left = heap.bytes - live;
    size_t more = (live < LEAST_BYTES ? LEAST_BYTES : live) + wanted;
    heap.stats.live = live;
    heap.limit = heap.next + (more < left ? more : left);
}

int heapOpen(size_t bytes, bool shaken)
{
    heap.space = heap.next = mapSpace(bytes);
    heap.spare = mapSpace(bytes);
    if (heap.space == NULL || heap.spare == NULL)
        return -ENOMEM;
    heap.bytes = bytes;
    heap.shaken = shaken;
    setLimit(0);
    return 0;
}

void heapAttach(Area *area)
{
    pthread_mutex_lock(&heap.lock);
    *area = (Area){.after = heap.areas};
    heap.areas = area;
    pthread_mutex_unlock(&heap.lock);
}

void heapDetach(Area *area)
{
    pthread_mutex_lock(&heap.lock);
    Area **link = &heap.areas;
    while (*link != area)
        link = &(*link)->after;
    *link = area->after;
    pthread_mutex_unlock(&heap.lock);
}

/* ---- a collection: nobody else runs ---------------------------------------------------------- */

/* Somebody has kept it over a collection, or has written where an object is. */
_Noreturn static void outOfDate(Value value)
{
    fprintf(stderr, "vm: the address %p is not of an object: it is out of date\n", (void *)value);
    abort();
}

static bool isObject(const Object *object)
{
    uint32_t kind = object->kind;
    return kind == KindBytes || kind == KindPair || kind == KindChannel || kind == KindFrame;
}

/* Where the value is after the collection.  What is no address in the old space stays what it is:
 * numbers, literals of the program, words of threads that are none of ours. */
static Value move(Value value)
{
    Object *object = valueObject(value);
    if ((value & 7) == 0 && value - (Value)heap.spare < heap.bytes)
        outOfDate(value);
    if ((value & 7) != 0 || value - (Value)heap.space >= (Value)(heap.next - heap.space))
        return value;
    if (object->kind == KindMoved)
        return *objectValues(object);
    if (!isObject(object))
        outOfDate(value);
    size_t space = objectSpace((Kind)object->kind, object->size);
    value = (Value)memcpy(heap.copied, object, space);
    heap.copied += space;
    heap.stats.moved++;
    object->kind = KindMoved;
    *objectValues(object) = value;
    return value;
}

static void moveWords(const PausedThread *paused, void *env)
{
    (void)env;
    if (paused->is_stack) /* of a green thread: they have none of our addresses */
        return;
    for (Value *word = paused->low; word < (Value *)paused->high; word++)
        *word = move(*word);
}

static void moveRoots(void)
{
    for (Area *area = heap.areas; area != NULL; area = area->after) {
        area->root = move(area->root);
        area->next = area->limit = NULL;
    }
    rtsPausedThreads(moveWords, NULL);
}

/* What the copies lead to is copied behind them, until there is nothing more. */
static void moveTheRest(void)
{
    for (char *at = heap.spare; at < heap.copied;) {
        Object *object = (Object *)(void *)at;
        uint32_t count = object->kind == KindBytes ? 0 : object->size;
        for (Value *value = objectValues(object); count != 0; count--, value++)
            *value = move(*value);
        at += objectSpace((Kind)object->kind, object->size);
    }
}

static void collect(size_t wanted)
{
    char *old = heap.space;
    heap.copied = heap.spare;
    moveRoots();
    moveTheRest();
    memset(old, OLD_BYTE, (size_t)(heap.next - old));
    heap.space = heap.spare;
    heap.spare = old;
    heap.next = heap.copied;
    heap.stats.collections++;
    setLimit(wanted);
}

int heapCollect(void)
{
    int result = rtsPause(INT64_MAX);
    if (result != 0)
        return result;
    collect(0);
    return rtsResume();
}

HeapStats heapStats(void)
{
    return heap.stats;
}

/* ---- room for new objects -------------------------------------------------------------------- */

static bool hasRoom(const Area *area, size_t bytes)
{
    return (size_t)(area->limit - area->next) >= bytes;
}

/* A new piece for the area; what is left of the old one is lost. */
static bool refill(Area *area, size_t bytes)
{
    size_t wanted = bytes < AREA_BYTES ? AREA_BYTES : bytes;
    pthread_mutex_lock(&heap.lock);
    bool fits = (size_t)(heap.limit - heap.next) >= wanted;
    if (fits) {
        area->next = heap.next;
        area->limit = heap.next += wanted;
    }
    pthread_mutex_unlock(&heap.lock);
    return fits;
}

int heapReserve(Area *area, size_t bytes)
{
    if (!heap.shaken && (hasRoom(area, bytes) || refill(area, bytes)))
        return 0;
    int result = rtsPause(INT64_MAX);
    if (result != 0)
        return result;
    if (heap.shaken || !refill(area, bytes)) { /* nobody else has collected meanwhile */
        collect(AREA_BYTES + bytes);
        result = refill(area, bytes) ? 0 : -ENOMEM;
    }
    rtsResume();
    return result;
}

Object *heapNew(Area *area, Kind kind, uint32_t size)
{
    size_t space = objectSpace(kind, size);
    Object *object = memset(area->next, 0, space);
    object->kind = kind;
    object->size = size;
    area->next += space;
    return object;
}
