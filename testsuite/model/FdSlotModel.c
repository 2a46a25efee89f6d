/* FdSlotModel.c -- every interleaving of waiting for an fd, events and closing, at one slot.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/FdSlot.c iomgr/WatchList.c
 *
 * The kernel is one word, `readable`: an arrival stores it before its event is dispatched.  No
 * wake-up is lost, nobody is fired twice, and a new file inherits nothing from the old one.
 */
#include "iomgr/FdTable.h"
#include "testsuite/model/Explorer.h"

#include <errno.h>
#include <stddef.h>

enum { WATCHERS = 2 };

typedef struct Watcher {
    WatchNode node;
    uint32_t fired;  /* relaxed */
    int32_t result;  /* of the firing; relaxed */
    uint32_t parked; /* relaxed: published and never taken back */
} Watcher;

typedef struct State {
    FdSlot slot;
    Watcher watchers[WATCHERS];
    uint32_t readable; /* the kernel's; relaxed: its calls need not order anything */
    uint32_t closed;   /* likewise: the number is another file now */
    uint64_t guarded;  /* plain: under CONTROL */
    uint32_t news;     /* relaxed: done before the event */
} State;

static void noteFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    Watcher *watcher = (Watcher *)(void *)((char *)node - offsetof(Watcher, node));
    State *state = sink;
    MODEL_CHECK(number == 1);
    MODEL_CHECK(result == -EBADF || RELAXED_LOAD(&state->news) == 1);
    RELAXED_STORE(&watcher->result, result);
    MODEL_CHECK(ADD_RELAXED(&watcher->fired, 1) == 0);
}

static void setUp(void *at)
{
    State *state = at;
    state->slot.edges = UINT64_C(1) << 32 | 1;
    state->slot.control = SLOT_EDGE;
}

/* The next event brings the counter round: 0 is no count. */
static void setUpWrap(void *at)
{
    State *state = at;
    setUp(at);
    state->slot.edges = UINT64_C(1) << 32 | UINT32_MAX;
}

static bool isFired(void *at)
{
    return ((Watcher *)at)->fired != 0;
}

/* Read: EAGAIN, then wait as awaitWarm does; until something came.  False: closed. */
static bool readOnce(State *state, Watcher *watcher)
{
    FdSlot *slot = &state->slot;
    uint32_t edges = fdSlotEdges(slot, FdRead);
    MODEL_CHECK(edges != 0);
    if (RELAXED_LOAD(&state->readable) != 0)
        return true;
    RELAXED_STORE(&watcher->node.fire, noteFired);
    RELAXED_STORE(&watcher->node.number, 1);
    int result = fdSlotPublish(slot, FdRead, 0, edges, &watcher->node, state);
    if (result == 0) {
        RELAXED_STORE(&watcher->parked, 1);
        modelBlock(isFired, watcher);
        return RELAXED_LOAD(&watcher->result) == 0;
    }
    MODEL_CHECK(result == 1 || result == -EBADF);
    MODEL_WRITE(watcher->node.next, NULL); /* ours again */
    MODEL_WRITE(watcher->node.linked, 0);
    return result == 1;
}

/* An edge came: it is worth another look, and that one finds it (or the close). */
static void await(State *state, int index)
{
    Watcher *watcher = &state->watchers[index];
    if (readOnce(state, watcher))
        MODEL_CHECK(RELAXED_LOAD(&state->readable) != 0 || RELAXED_LOAD(&state->closed) != 0);
    else
        MODEL_CHECK(RELAXED_LOAD(&state->closed) != 0);
}

static void await0(void *at)
{
    await(at, 0);
}

static void arrive(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->news, 1);
    RELAXED_STORE(&state->readable, 1);
    fdSlotFire(&state->slot, FdRead, 0, state);
}

/* Two waiters: as await, but without the kernel's word, for the sake of few interleavings. */
static void awaitEdge(State *state, int index)
{
    Watcher *watcher = &state->watchers[index];
    uint32_t edges = fdSlotEdges(&state->slot, FdRead);
    if (edges != 1)
        return;
    RELAXED_STORE(&watcher->node.fire, noteFired);
    RELAXED_STORE(&watcher->node.number, 1);
    if (fdSlotPublish(&state->slot, FdRead, 0, edges, &watcher->node, state) != 0)
        return;
    watcher->parked = 1;
    modelBlock(isFired, watcher);
}

static void awaitEdge0(void *at)
{
    awaitEdge(at, 0);
}
static void awaitEdge1(void *at)
{
    awaitEdge(at, 1);
}

static void arriveEdge(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->news, 1);
    fdSlotFire(&state->slot, FdRead, 0, state);
}

static void checkEnd(void *at)
{
    State *state = at;
    for (int i = 0; i < WATCHERS; i++) {
        Watcher *watcher = &state->watchers[i];
        MODEL_CHECK(!watcher->parked || watcher->fired == 1);
        MODEL_CHECK(watcher->fired <= 1);
    }
    MODEL_CHECK(fdSlotEdges(&state->slot, FdRead) != 0);
    MODEL_CHECK(fdSlotSane(&state->slot));
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void advance(void *at)
{
    State *state = at;
    WatchNode *older[2] = {NULL, NULL};
    RELAXED_STORE(&state->closed, 1);
    fdSlotLock(&state->slot);
    fdSlotAdvance(&state->slot, older);
    fdSlotUnlock(&state->slot);
    watchListFire(older[FdRead], -EBADF, state);
    watchListFire(older[FdWrite], -EBADF, state);
}

static void checkClosed(void *at)
{
    State *state = at;
    checkEnd(at);
    MODEL_CHECK(fdControlGeneration(state->slot.control) == 1);
    MODEL_CHECK((state->slot.waiters[FdRead] & UINT64_C(0xffffffffffff)) == 0);
}

/* Two changes of the kernel's interest exclude each other. */
static void checkTwice(void *at)
{
    State *state = at;
    MODEL_CHECK(fdControlGeneration(state->slot.control) == 2 && fdSlotSane(&state->slot));
}

static void advanceGuarded(void *at)
{
    State *state = at;
    WatchNode *older[2] = {NULL, NULL};
    fdSlotLock(&state->slot);
    fdSlotAdvance(&state->slot, older);
    MODEL_WRITE(state->guarded, MODEL_READ(state->guarded) + 1); /* under CONTROL: no race */
    fdSlotUnlock(&state->slot);
}

/* ---- Sticky bits: See Note [Fd slot generation] ---------------------------------------------- */

/* As dispatchRecord: the bits, then the edge. */
static void hangUp(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->news, 1);
    RELAXED_STORE(&state->readable, 1);
    if (fdSlotMark(&state->slot, 0, SLOT_PEER_CLOSED))
        fdSlotFire(&state->slot, FdRead, 0, state);
}

/* As awaitWarm: word first, control second; who agrees on the generation may trust the bits. */
static void lookWarm(void *at)
{
    State *state = at;
    FdSlot *slot = &state->slot;
    uint16_t generation = watchListGeneration(ACQUIRE_LOAD(&slot->waiters[FdRead]));
    uint32_t control = ACQUIRE_LOAD(&slot->control);
    if (fdControlGeneration(control) != generation)
        return;
    MODEL_CHECK(generation == 0 || (control & SLOT_PEER_CLOSED) == 0);
    MODEL_CHECK(generation == 1 || (control & SLOT_EDGE) != 0);
}

/* Whoever has seen the new count sees the bits. */
static void countThenBits(void *at)
{
    State *state = at;
    FdSlot *slot = &state->slot;
    if (fdSlotEdges(slot, FdRead) != 1)
        MODEL_CHECK(RELAXED_LOAD(&slot->control) & SLOT_PEER_CLOSED);
}

static void checkMarked(void *at)
{
    State *state = at;
    MODEL_CHECK((state->slot.control & SLOT_PEER_CLOSED) != 0);
}

/* The event was of the old file: nothing of it sticks to the new one. */
static void checkClean(void *at)
{
    State *state = at;
    checkClosed(at);
    MODEL_CHECK((state->slot.control & SLOT_STATE) == 0);
}

/* ---- Two files, one number ------------------------------------------------------------------- */

/* The reader of the new file (generation 1) must not be fired by the old one's event. */
static void awaitNew(void *at)
{
    State *state = at;
    Watcher *watcher = &state->watchers[0];
    advance(at);
    RELAXED_STORE(&watcher->node.fire, noteFired);
    RELAXED_STORE(&watcher->node.number, 1);
    uint32_t edges = fdSlotEdges(&state->slot, FdRead);
    int result = fdSlotPublish(&state->slot, FdRead, 1, edges, &watcher->node, state);
    MODEL_CHECK(result == 0 || result == 1);
    if (result == 0)
        RELAXED_STORE(&watcher->parked, 1);
}

static void checkNew(void *at)
{
    State *state = at;
    MODEL_CHECK(state->watchers[0].fired == 0 && (state->slot.control & SLOT_STATE) == 0);
    MODEL_CHECK(watchListHasWatchers(&state->slot.waiters[FdRead]) ==
                (state->watchers[0].parked != 0));
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"publishAgainstArrival", SIZE, 2, setUp, {await0, arrive}, checkEnd, NULL, 0},
    {"arrivalWraps", SIZE, 2, setUpWrap, {await0, arrive}, checkEnd, NULL, 0},
    {"twoArrivals", SIZE, 3, setUp, {await0, arrive, arrive}, checkEnd, NULL, 0},
    {"twoWaiters", SIZE, 3, setUp, {awaitEdge0, awaitEdge1, arriveEdge}, checkEnd, NULL, 0},
    {"publishAgainstClose", SIZE, 2, setUp, {await0, advance}, checkClosed, NULL, 0},
    {"publishArrivalClose", SIZE, 3, setUp, {await0, arrive, advance}, checkClosed, NULL, 0},
    {"closeAgainstClose", SIZE, 2, setUp, {advanceGuarded, advanceGuarded}, checkTwice, NULL, 0},
    {"markAgainstClose", SIZE, 3, setUp, {lookWarm, hangUp, advance}, checkClean, NULL, 0},
    {"marksAgainstLook", SIZE, 2, setUp, {countThenBits, hangUp}, checkMarked, NULL, 0},
    {"newFileOldEvent", SIZE, 2, setUp, {awaitNew, hangUp}, checkNew, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
