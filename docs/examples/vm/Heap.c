/* Heap.c -- objects, and the collector that moves them. */
#include "Heap.h"

#include <capri/capri.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { OLD_BYTE = 0xdb, LEAST_BYTES = 1024 * 1024 };
#define MOVED UINT32_MAX /* for Object.values: it is elsewhere, the word that follows says where */
#define OLD 0xdbdbdbdb

Value heap_roots[HEAP_ROOTS];
uint64_t heap_collections, heap_moved;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for next; with it nobody pauses */
static char *space, *spare;                              /* all objects are in the first */
static char *next, *limit; /* given out up to next; at limit a collection is due */
static char *copied;       /* while one is under way: copies in spare end there */
static size_t size;        /* of each */
static bool shaken;

/* As much again as lives, then the next collection is due. */
static void setLimit(size_t wanted)
{
    size_t live = (size_t)(next - space);
    size_t most = (live < LEAST_BYTES ? LEAST_BYTES : live) * 2 + wanted;
    limit = space + (most < size ? most : size);
}

int heapOpen(size_t wanted, bool shake)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    space = mmap(NULL, wanted, PROT_READ | PROT_WRITE, flags, -1, 0);
    spare = mmap(NULL, wanted, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (space == MAP_FAILED || spare == MAP_FAILED)
        return -ENOMEM;
    next = space;
    size = wanted;
    shaken = shake;
    setLimit(0);
    return 0;
}

/* ---- a collection: nobody else runs ---------------------------------------------------------- */

/* What an object takes: room for an address at least. */
static size_t spaceOf(uint32_t values, size_t bytes)
{
    size_t words = values + (bytes + sizeof(Value) - 1) / sizeof(Value);
    return sizeof(Object) + (words == 0 ? 1 : words) * sizeof(Value);
}

static bool isIn(const char *low, size_t length, Value value)
{
    return (value & 1) == 0 && value - (Value)low < length;
}

/* Where the value is from now on.  What is no address in the old space stays what it is: numbers,
 * literals of the program, words of threads that are none of ours. */
static Value move(Value value)
{
    Object *object = (Object *)value;
    if (!isIn(space, (size_t)(next - space), value) && !isIn(spare, size, value))
        return value;
    if (isIn(spare, size, value) || object->values == OLD) {
        fprintf(stderr, "vm: the address %p has been kept for too long\n", (void *)object);
        abort();
    }
    if (object->values != MOVED) {
        size_t length = spaceOf(object->values, object->bytes);
        Value copy = (Value)memcpy(copied, object, length);
        copied += length;
        heap_moved++;
        object->values = MOVED;
        object->at[0] = copy;
    }
    return object->at[0];
}

static void moveWords(const PausedThread *paused, void *env)
{
    (void)env;
    if (paused->is_stack) /* of a green thread: they have none of our addresses */
        return;
    for (Value *word = paused->low; word < (Value *)paused->high; word++)
        if (move(*word) != *word) /* an OS thread may be reading a result that stays what it is */
            *word = move(*word);
}

/* What the roots lead to is copied, then what that leads to, until there is nothing more. */
static void moveAll(void)
{
    copied = spare;
    for (int i = 0; i < HEAP_ROOTS; i++)
        heap_roots[i] = move(heap_roots[i]);
    rtsPausedThreads(moveWords, NULL);
    for (char *at = spare; at < copied;) {
        Object *object = (Object *)(void *)at;
        for (uint32_t i = 0; i < object->values; i++)
            object->at[i] = move(object->at[i]);
        at += spaceOf(object->values, object->bytes);
    }
}

static void collect(size_t wanted)
{
    char *old = space;
    moveAll();
    memset(old, OLD_BYTE, (size_t)(next - old));
    space = spare;
    spare = old;
    next = copied;
    heap_collections++;
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

/* ---- new objects ----------------------------------------------------------------------------- */

static char *take(size_t length)
{
    char *at = NULL;
    pthread_mutex_lock(&lock);
    if ((size_t)(limit - next) >= length) {
        at = next;
        next += length;
    }
    pthread_mutex_unlock(&lock);
    return at;
}

static char *takeAnyway(size_t length)
{
    if (rtsPause(INT64_MAX) != 0)
        return NULL;
    char *at = shaken ? NULL : take(length); /* has somebody collected meanwhile? */
    if (at == NULL) {
        collect(length);
        at = take(length);
    }
    rtsResume();
    return at;
}

Object *heapNew(uint32_t values, size_t bytes)
{
    size_t length = spaceOf(values, bytes);
    if (bytes > UINT32_MAX)
        return NULL;
    char *at = shaken ? NULL : take(length);
    if (at == NULL)
        at = takeAnyway(length);
    if (at == NULL)
        return NULL;
    Object *object = memset(at, 0, length);
    *object = (Object){values, (uint32_t)bytes};
    return object;
}
