/* Memory.c -- the stores of each location and the views of each thread.
 *
 * Owns    the store histories, the views and the seq_cst bounds; Search decides what is read.
 * Before  testsuite/model/Explorer.c.
 * Tests   testsuite/model/LitmusTest.c, ReductionTest.c (random programs).
 *
 * What the orders mean: See Note [Model memory] in Memory.h.
 */
#include "testsuite/model/Memory.h"

#include <string.h>

enum { HASH_SLOTS = 4 * LOCATIONS_MAX };

typedef struct View {
    Stamp at[LOCATIONS_MAX];
} View;

struct Store {
    Store *older; /* NULL: the content before the first access */
    uint64_t value;
    int step;      /* index of the step that made it; -1: none did */
    Stamp stamp;   /* one more than older's */
    bool released; /* view is what an acquiring reader joins */
    View view;
};

typedef struct Location {
    volatile void *at;
    unsigned size;
    Store *newest;  /* NULL: not touched yet in this execution */
    Stamp sc_bound; /* the oldest store that a seq_cst load may read */
} Location;

static struct {
    Location locations[LOCATIONS_MAX];
    int count;
    int hash[HASH_SLOTS]; /* index + 1 by address; 0: free */
    Store stores[STORES_MAX];
    int store_count;
    View views[THREADS_MAX];
    LocationSet watched[THREADS_MAX];
    uint64_t seen[THREADS_MAX][LOCATIONS_MAX]; /* value last read from what is watched */
} memory;

static bool orderAcquires(int order)
{
    return order == SMP_ACQUIRE || order == SMP_ACQ_REL || order == SMP_SEQ_CST;
}

static bool orderReleases(int order)
{
    return order == SMP_RELEASE || order == SMP_ACQ_REL || order == SMP_SEQ_CST;
}

static void raiseStamp(Stamp *stamp, Stamp to)
{
    if (*stamp < to)
        *stamp = to;
}

static void joinView(View *into, const View *from)
{
    for (int i = 0; i < memory.count; i++)
        raiseStamp(&into->at[i], from->at[i]);
}

uint64_t memoryPeek(const volatile void *at, unsigned size)
{
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)at;
    case 2:
        return *(const volatile uint16_t *)at;
    case 4:
        return *(const volatile uint32_t *)at;
    default:
        return *(const volatile uint64_t *)at;
    }
}

void memoryPoke(volatile void *at, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)at = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)at = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)at = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)at = value;
        break;
    }
}

uint64_t memoryArithmetic(int arithmetic, uint64_t old, uint64_t operand)
{
    switch (arithmetic) {
    case SMP_ADD:
        return old + operand;
    case SMP_OR:
        return old | operand;
    case SMP_AND:
        return old & operand;
    default:
        return operand;
    }
}

void memoryClear(void)
{
    memset(memory.hash, 0, sizeof memory.hash);
    memory.count = 0;
}

void memoryReset(int threads)
{
    for (int i = 0; i < memory.count; i++) {
        memory.locations[i].newest = NULL;
        memory.locations[i].sc_bound = 0;
    }
    memory.store_count = 0;
    for (int i = 0; i < threads; i++) {
        memset(&memory.views[i], 0, sizeof memory.views[i]);
        memset(&memory.watched[i], 0, sizeof memory.watched[i]);
    }
}

/* A store at the end of the location's list; NULL when the pool is empty. */
static Store *appendStore(int location, uint64_t value, int step)
{
    if (memory.store_count == STORES_MAX)
        return NULL;
    Location *where = &memory.locations[location];
    Store *store = &memory.stores[memory.store_count++];
    store->older = where->newest;
    store->value = value;
    store->step = step;
    store->stamp = where->newest ? (Stamp)(where->newest->stamp + 1) : 0;
    store->released = false;
    where->newest = store;
    return store;
}

static int addLocation(volatile void *at, unsigned size, int *slot, const char **problem)
{
    uintptr_t first = (uintptr_t)at, end = first + size;
    for (int i = 0; i < memory.count; i++) {
        uintptr_t other = (uintptr_t)memory.locations[i].at;
        if (first < other + memory.locations[i].size && other < end) {
            *problem = "the same bytes are accessed with two sizes";
            return -1;
        }
    }
    if (size != 1 && size != 2 && size != 4 && size != 8) {
        *problem = "an access that is not 1, 2, 4 or 8 bytes wide";
        return -1;
    }
    if (memory.count == LOCATIONS_MAX) {
        *problem = "more than LOCATIONS_MAX locations";
        return -1;
    }
    memory.locations[memory.count] = (Location){at, size, NULL, 0};
    *slot = memory.count + 1;
    return memory.count++;
}

int memoryLocate(volatile void *at, unsigned size, const char **problem)
{
    size_t slot = ((uintptr_t)at >> 2) * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    int found = -1;
    for (slot %= HASH_SLOTS; memory.hash[slot]; slot = (slot + 1) % HASH_SLOTS) {
        int index = memory.hash[slot] - 1;
        if (memory.locations[index].at == at && memory.locations[index].size == size) {
            found = index;
            break;
        }
    }
    if (found < 0)
        found = addLocation(at, size, &memory.hash[slot], problem);
    if (found < 0)
        return -1;
    Location *where = &memory.locations[found];
    if (!where->newest && !appendStore(found, memoryPeek(at, size), -1)) {
        *problem = "more than STORES_MAX stores in one execution";
        return -1;
    }
    return found;
}

bool memoryForget(const volatile void *at, size_t size)
{
    uintptr_t first = (uintptr_t)at, end = first + size;
    for (int i = 0; i < memory.count; i++) {
        Location *where = &memory.locations[i];
        uintptr_t here = (uintptr_t)where->at;
        if (!where->newest || here < first || here >= end)
            continue;
        Store *store = appendStore(i, memoryPeek(where->at, where->size), where->newest->step);
        if (!store)
            return false;
        store->older = NULL;
    }
    return true;
}

Store *memoryCandidate(int thread, const Op *op, int floor, int index)
{
    const Location *where = &memory.locations[op->location];
    Stamp bound = memory.views[thread].at[op->location];
    if (op->order == SMP_SEQ_CST)
        raiseStamp(&bound, where->sc_bound);
    for (Store *store = where->newest; store; store = store->older) {
        if (store->stamp < bound || store->stamp <= floor)
            return NULL;
        bool wanted = op->kind == OpLoad || store == where->newest || store->value != op->expected;
        if (wanted && index-- == 0)
            return store;
    }
    return NULL;
}

static void readStore(int thread, Step *step, const Store *from, int order)
{
    View *view = &memory.views[thread];
    Location *where = &memory.locations[step->op.location];
    step->read = true;
    step->read_stamp = from->stamp;
    step->read_value = from->value;
    step->read_step = from->step;
    raiseStamp(&view->at[step->op.location], from->stamp);
    if (orderAcquires(order) && from->released)
        joinView(view, &from->view);
    if (order == SMP_SEQ_CST && where->sc_bound < from->stamp) {
        where->sc_bound = from->stamp;
        step->raised = true;
    }
    locationSetAdd(&memory.watched[thread], step->op.location);
    memory.seen[thread][step->op.location] = from->value;
}

/* Append the value; `from` is the store that an RMW read, NULL for a plain store. */
static bool writeStore(int thread, Step *step, uint64_t value, const Store *from, int step_index)
{
    int location = step->op.location, order = step->op.order;
    Location *where = &memory.locations[location];
    View *view = &memory.views[thread];
    value &= where->size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * where->size)) - 1;
    step->mo_step = where->newest->step;
    Store *store = appendStore(location, value, step_index);
    if (!store)
        return false;
    view->at[location] = store->stamp;
    if (orderReleases(order)) {
        store->released = true;
        store->view = *view;
        if (from && from->released)
            joinView(&store->view, &from->view);
    } else if (from && from->released) {
        store->released = true;
        store->view = from->view;
        store->view.at[location] = store->stamp;
    }
    if (order == SMP_SEQ_CST)
        where->sc_bound = store->stamp;
    memoryPoke(where->at, where->size, value);
    step->wrote = true;
    step->written_value = value;
    memory.seen[thread][location] = value;
    return true;
}

const char *memoryApply(int thread, Step *step, Store *from, int step_index)
{
    const Op *op = &step->op;
    Location *where = &memory.locations[op->location];
    Store *newest = where->newest;
    step->newest_stamp = newest->stamp;
    step->newest_value = newest->value;
    if (memoryPeek(where->at, where->size) != newest->value)
        return "a plain store changed a shared field (use SMP.h, or modelForget after it)";
    if (op->plain && memory.views[thread].at[op->location] != newest->stamp)
        return "race: a plain access is not ordered after another thread's write";
    bool written = true;
    if (op->kind == OpStore) {
        written = writeStore(thread, step, op->operand, NULL, step_index);
    } else {
        readStore(thread, step, from, op->order);
        if (op->kind == OpRmw) {
            uint64_t value = memoryArithmetic(op->arithmetic, from->value, op->operand);
            written = writeStore(thread, step, value, from, step_index);
        } else if (op->kind == OpCas && from == newest && from->value == op->expected) {
            written = writeStore(thread, step, op->operand, from, step_index);
        }
    }
    return written ? NULL : "more than STORES_MAX stores in one execution";
}

void memoryRefresh(int thread)
{
    for (int i = 0; i < memory.count; i++) {
        const Store *newest = memory.locations[i].newest;
        if (newest)
            memory.views[thread].at[i] = newest->stamp;
    }
}

void memoryBarrier(int threads)
{
    for (int i = 0; i < threads; i++)
        memoryRefresh(i);
}

LocationSet memoryWatched(int thread)
{
    return memory.watched[thread];
}

bool memoryChanged(int thread)
{
    for (int i = 0; i < memory.count; i++) {
        const Store *newest = memory.locations[i].newest;
        if (locationSetHas(&memory.watched[thread], i) && newest &&
            newest->value != memory.seen[thread][i])
            return true;
    }
    return false;
}

void memoryRenew(int thread, const LocationSet *watched)
{
    for (int i = 0; i < memory.count; i++) {
        const Store *newest = memory.locations[i].newest;
        if (locationSetHas(watched, i) && newest)
            memory.views[thread].at[i] = newest->stamp;
    }
    memset(&memory.watched[thread], 0, sizeof memory.watched[thread]);
}

Stamp memoryNewestStamp(int location)
{
    return memory.locations[location].newest->stamp;
}

int memoryNewestStep(int location)
{
    return memory.locations[location].newest->step;
}

const volatile void *memoryAddress(int location)
{
    return memory.locations[location].at;
}

int memoryLocationCount(void)
{
    return memory.count;
}
