/* ThreadSlot.c -- thread-local values with destructors.
 *
 * Owns    the slots; each thread's table: Stack.slots, the value of a pthread key.
 * Before  rts/Schedule.c: a thread's body has returned.
 * Tests   testsuite/unit/ThreadSlotTest.c
 *
 * See Note [Thread slots].
 */
#include "rts/ThreadSlot.h"

#include "iomgr/Memory.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"

#include "internal/SpinLock.h"
#include <capri/slot.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { SLOTS_MOST = 256, TABLE_LEAST = 8, ROUNDS_MOST = 4 };

struct ThreadSlot {
    uint32_t life;      /* See Note [Thread slots] */
    ThreadSlotEnd *end; /* stored under the lock (release), read by threads that end (acquire) */
};

typedef struct SlotValue {
    void *value;
    uint32_t life; /* of the slot, when it was set */
} SlotValue;

typedef struct SlotTable {
    uint32_t size;
    SlotValue values[]; /* by the slot's number */
} SlotTable;

static ThreadSlot slots[SLOTS_MOST];

static struct {
    SpinLock lock;
    bool has_key;      /* under the lock */
    pthread_key_t key; /* constant once there is a slot: the tables of OS threads */
} keys = {.lock = SPIN_LOCK_INIT};

void threadSlotSurvive(void)
{
    keys.lock = (SpinLock)SPIN_LOCK_INIT;
}

/* ---- tables ---- */

/* Whose values: the green thread's, or NULL: the OS thread's (a callback's, too, on whichever stack
 * it is called, and those of a task's step). */
static Stack *ownStack(void)
{
    Capability *here = scheduleHere();
    Thread *away = here != NULL ? NULL : handOverSelf();
    if (UNLIKELY(away != NULL))
        return away->stack;
    bool outside = here == NULL || scheduleCalledBack(here) || scheduleInStep(here);
    return outside ? NULL : ((Thread *)here->current)->stack;
}

static SlotTable *tableOf(Stack *stack)
{
    return stack != NULL ? stack->slots : pthread_getspecific(keys.key);
}

static const Allocator *allocatorOf(const Stack *stack)
{
    return stack != NULL ? startupAllocator() : NULL;
}

static size_t bytesOf(uint32_t size)
{
    return sizeof(SlotTable) + size * sizeof(SlotValue);
}

static void freeTable(const Stack *stack, SlotTable *table)
{
    if (table != NULL)
        memoryRelease(allocatorOf(stack), table, bytesOf(table->size), _Alignof(SlotTable));
}

/* A larger one in its place, with room for slot `number`; NULL: no memory, and it is as it was. */
static SlotTable *growTable(Stack *stack, SlotTable *old, uint32_t number)
{
    uint32_t size = TABLE_LEAST;
    while (size <= number)
        size *= 2;
    SlotTable *table = memoryAllocateZeroed(allocatorOf(stack), bytesOf(size), _Alignof(SlotTable));
    if (table == NULL)
        return NULL;
    if (old != NULL)
        memcpy(table->values, old->values, old->size * sizeof *old->values);
    table->size = size;
    if (stack != NULL) {
        stack->slots = table;
    } else if (pthread_setspecific(keys.key, table) != 0) {
        freeTable(stack, table);
        return NULL;
    }
    freeTable(stack, old);
    return table;
}

/* ---- values ---- */

void *threadSlotGet(const ThreadSlot *slot)
{
    uint32_t number = (uint32_t)(slot - slots);
    ASSERT_CMP(number, <, SLOTS_MOST);
    const SlotTable *table = tableOf(ownStack());
    if (table == NULL || number >= table->size)
        return NULL;
    const SlotValue *value = &table->values[number];
    return value->life == RELAXED_LOAD(&slot->life) ? value->value : NULL;
}

int threadSlotSet(ThreadSlot *slot, void *value)
{
    uint32_t number = (uint32_t)(slot - slots);
    if (number >= SLOTS_MOST)
        return -EINVAL;
    uint32_t life = RELAXED_LOAD(&slot->life);
    if ((life & 1) == 0)
        return -EINVAL;
    Stack *stack = ownStack();
    SlotTable *table = tableOf(stack);
    if (table == NULL || number >= table->size) {
        if (value == NULL)
            return 0; /* it is */
        table = growTable(stack, table, number);
        if (table == NULL)
            return -ENOMEM;
    }
    table->values[number] = (SlotValue){.value = value, .life = life};
    return 0;
}

/* ---- a thread's end ---- */

/* The destructor of a value that was set in `life`, or NULL: none, or the slot is another one. */
static ThreadSlotEnd *endOf(const ThreadSlot *slot, uint32_t life)
{
    if (ACQUIRE_LOAD(&slot->life) != life)
        return NULL;
    ThreadSlotEnd *end = ACQUIRE_LOAD(&slot->end);
    return RELAXED_LOAD(&slot->life) == life ? end : NULL;
}

/* One round.  Values may be set meanwhile, and the table replaced.  False: there was none. */
static bool endRound(Stack *stack)
{
    bool any = false;
    for (uint32_t i = 0; i < tableOf(stack)->size; i++) {
        SlotValue left = tableOf(stack)->values[i];
        if (left.value == NULL)
            continue;
        tableOf(stack)->values[i].value = NULL;
        ThreadSlotEnd *end = endOf(&slots[i], left.life);
        if (end == NULL)
            continue;
        end(left.value);
        any = true;
    }
    return any;
}

static SlotTable *endRounds(Stack *stack)
{
    for (int round = 0; round < ROUNDS_MOST && endRound(stack); round++)
        continue;
    return tableOf(stack);
}

void threadSlotEndAll(Stack *stack)
{
    freeTable(stack, endRounds(stack));
    stack->slots = NULL;
}

/* The pthread key's destructor: the C library has set the key to NULL. */
static void endOsThread(void *table)
{
    if (pthread_setspecific(keys.key, table) != 0)
        return;
    table = endRounds(NULL);
    pthread_setspecific(keys.key, NULL);
    freeTable(NULL, table);
}

void threadSlotLost(Stack *stack)
{
    freeTable(stack, stack->slots);
    stack->slots = NULL;
}

/* ---- slots ---- */

/* Under the lock. */
static bool makeKey(void)
{
    if (!keys.has_key)
        keys.has_key = pthread_key_create(&keys.key, endOsThread) == 0;
    return keys.has_key;
}

ThreadSlot *threadSlotNew(ThreadSlotEnd *end)
{
    ThreadSlot *slot = NULL;
    spinLock(&keys.lock);
    for (uint32_t i = 0; slot == NULL && i < SLOTS_MOST && makeKey(); i++)
        if ((RELAXED_LOAD(&slots[i].life) & 1) == 0)
            slot = &slots[i];
    if (slot != NULL) {
        RELEASE_STORE(&slot->end, end);
        RELEASE_STORE(&slot->life, RELAXED_LOAD(&slot->life) + 1);
    }
    spinUnlock(&keys.lock);
    return slot;
}

void threadSlotFree(ThreadSlot *slot)
{
    if (slot == NULL)
        return;
    ASSERT_CMP((uint32_t)(slot - slots), <, SLOTS_MOST);
    spinLock(&keys.lock);
    ASSERT_CMP(RELAXED_LOAD(&slot->life) & 1, ==, 1);
    RELEASE_STORE(&slot->life, RELAXED_LOAD(&slot->life) + 1);
    spinUnlock(&keys.lock);
}

/* The library may be unloaded: an OS thread that ends later must not call into it. */
static __attribute__((destructor)) void deleteKey(void)
{
    if (keys.has_key)
        pthread_key_delete(keys.key);
    keys.has_key = false;
}
