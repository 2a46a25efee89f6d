/* WatchListModel.c -- every interleaving of adding, taking, removing and closing on one WatchList.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/WatchList.c
 *
 * No wake-up is lost, nobody is fired twice or after a remove that said true, and whoever has its
 * node back may treat it as private memory: `reuse` writes it with plain stores, which the explorer
 * reports as a race if the taker or another remover could still be at it.
 */
#include "iomgr/WatchList.h"
#include "testsuite/model/Explorer.h"

#include <errno.h>
#include <stddef.h>

enum { NODES = 4 };

typedef enum Left { LeftNot, LeftRemoved, LeftFired } Left;

typedef struct Watcher {
    WatchNode node;
    uint64_t number; /* of the wait; constant, or changed by the watcher between two waits */
    uint32_t fired;  /* by whoever fires (relaxed add) */
    uint32_t old;    /* firings of the wait before `number` */
    int32_t result;  /* of the latest firing */
    Left left;       /* the watcher's own */
} Watcher;

typedef struct State {
    Watcher watchers[NODES];
    WatchList list;
    WatchList other;   /* where a node goes next */
    uint32_t happened; /* the thing that is waited for */
    uint32_t closing;  /* relaxed: what was done before the list was closed */
    uint32_t news;     /* relaxed: what was done before it happened */
} State;

/* sink: the state.  Whoever fires for an event sees what was done before the event. */
static void noteFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    Watcher *watcher = (Watcher *)(void *)((char *)node - offsetof(Watcher, node));
    State *state = sink;
    MODEL_CHECK(number != 0 && number <= 2);
    if (result == 0)
        MODEL_CHECK(RELAXED_LOAD(&state->news) == 1);
    else
        MODEL_CHECK(RELAXED_LOAD(&state->closing) == 1);
    if (number == 2)
        ADD_RELAXED(&watcher->fired, 1);
    else
        ADD_RELAXED(&watcher->old, 1);
    RELAXED_STORE(&watcher->result, result);
}

/* Wait number 2 is the usual one; 1 is the wait before it, where a model has two. */
static void fill(Watcher *watcher, uint64_t number)
{
    RELAXED_STORE(&watcher->node.fire, noteFired);
    RELAXED_STORE(&watcher->node.number, number);
}

/* The node is ours again: private memory, touched by nobody else. */
static void reuse(Watcher *watcher)
{
    MODEL_WRITE(watcher->node.next, NULL);
    MODEL_WRITE(watcher->node.number, 0);
    MODEL_WRITE(watcher->node.linked, 0);
}

static void happen(State *state)
{
    RELAXED_STORE(&state->news, 1);
    SEQ_CST_STORE(&state->happened, 1);
    if (watchListHasWatchers(&state->list))
        watchListFire(watchListTake(&state->list, 0), 0, state);
}

static void removeWatcher(State *state, int index)
{
    Watcher *watcher = &state->watchers[index];
    bool removed = watchListRemove(&state->list, 0, &watcher->node, state);
    watcher->left = removed ? LeftRemoved : LeftFired;
    reuse(watcher);
}

static bool isFired(void *at)
{
    return ((Watcher *)at)->fired != 0;
}

/* Publish, look, and park if there is nothing to see. */
static void await(State *state, int index)
{
    Watcher *watcher = &state->watchers[index];
    fill(watcher, 2);
    if (!watchListAdd(&state->list, 0, &watcher->node)) {
        reuse(watcher);
        return;
    }
    watcher->left = LeftFired;
    if (SEQ_CST_LOAD(&state->happened) != 0)
        removeWatcher(state, index);
    else
        modelBlock(isFired, watcher);
}

/* All who were on the list: fired once, or removed and never fired. */
static void checkLeft(void *at)
{
    State *state = at;
    for (int i = 0; i < NODES; i++) {
        Watcher *watcher = &state->watchers[i];
        MODEL_CHECK(watcher->fired == (watcher->left == LeftFired ? 1 : 0));
    }
    MODEL_CHECK((state->list & (WATCH_FLAGS & ~WATCH_INDEXED)) == 0);
    MODEL_CHECK(watchListSane(&state->list) && watchListSane(&state->other));
}

/* Node 0 is the oldest and lies at the end of the list. */
static void link(State *state, int count)
{
    for (int i = 0; i < count; i++) {
        fill(&state->watchers[i], 2);
        MODEL_CHECK(watchListAdd(&state->list, 0, &state->watchers[i].node));
    }
}

static void linkOne(void *at)
{
    link(at, 1);
}
static void linkTwo(void *at)
{
    link(at, 2);
}
static void linkThree(void *at)
{
    link(at, 3);
}

static void await0(void *at)
{
    await(at, 0);
}
static void await1(void *at)
{
    await(at, 1);
}
static void happenOnce(void *at)
{
    happen(at);
}

/* The same without a first look. */
static void happenAndTake(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->news, 1);
    SEQ_CST_STORE(&state->happened, 1);
    watchListFire(watchListTake(&state->list, 0), 0, state);
}

static void remove0(void *at)
{
    removeWatcher(at, 0);
}
static void remove1(void *at)
{
    removeWatcher(at, 1);
}
static void remove2(void *at)
{
    removeWatcher(at, 2);
}

/* Takes everyone and stays: who is never removed must be fired by somebody. */
static void take(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->news, 1);
    watchListFire(watchListTake(&state->list, 0), 0, state);
}

static void add3(void *at)
{
    State *state = at;
    fill(&state->watchers[3], 2);
    MODEL_CHECK(watchListAdd(&state->list, 0, &state->watchers[3].node));
}

static void addThenRemove3(void *at)
{
    add3(at);
    removeWatcher(at, 3);
}

/* In the end: whoever neither left nor was fired must still be on the list. */
static void checkRest(void *at)
{
    State *state = at;
    state->news = 1;
    watchListFire(watchListTake(&state->list, 0), 0, state);
    for (int i = 0; i < NODES; i++) {
        Watcher *watcher = &state->watchers[i];
        bool was_on = watcher->node.fire != NULL;
        MODEL_CHECK(watcher->fired == (was_on && watcher->left != LeftRemoved ? 1 : 0));
    }
    MODEL_CHECK((state->list & (WATCH_FLAGS & ~WATCH_INDEXED)) == 0);
}

/* ---- The list goes on to another generation -------------------------------------------------- */

static void closeList(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->closing, 1);
    watchListFire(watchListClose(&state->list, 1), -EBADF, state);
}

static void checkClosed(void *at)
{
    State *state = at;
    checkLeft(at);
    MODEL_CHECK(state->list == (uint64_t)1 << 48);
    for (int i = 0; i < NODES; i++)
        MODEL_CHECK(state->watchers[i].fired == 0 || state->watchers[i].result == -EBADF);
}

/* Taken or closed: every waiter is fired once all the same. */
static void checkOver(void *at)
{
    State *state = at;
    checkLeft(at);
    MODEL_CHECK(state->list == (uint64_t)1 << 48);
}

static void awaitClose(void *at)
{
    State *state = at;
    Watcher *watcher = &state->watchers[0];
    fill(watcher, 2);
    if (!watchListAdd(&state->list, 0, &watcher->node)) {
        MODEL_CHECK(RELAXED_LOAD(&state->closing) == 1);
        reuse(watcher);
        return;
    }
    watcher->left = LeftFired;
    modelBlock(isFired, watcher);
    while (ACQUIRE_LOAD(&watcher->node.linked) != 0)
        modelYield();
    reuse(watcher);
}

/* ---- The node waits for the next thing at once ----------------------------------------------- */

static void linkForReuse(void *at)
{
    State *state = at;
    for (int i = 0; i < 2; i++) {
        fill(&state->watchers[i], 1);
        MODEL_CHECK(watchListAdd(&state->list, 0, &state->watchers[i].node));
    }
}

static bool isFiredOld(void *at)
{
    return ((Watcher *)at)->old != 0;
}

/* Its claim was won, maybe by somebody else: the node is taken back, then waits elsewhere. */
static void moveOn(void *at)
{
    State *state = at;
    Watcher *watcher = &state->watchers[0];
    bool removed = watchListRemove(&state->list, 0, &watcher->node, state);
    MODEL_WRITE(watcher->node.next, NULL);
    fill(watcher, 2);
    MODEL_CHECK(watchListAdd(&state->other, 0, &watcher->node));
    watcher->left = removed ? LeftRemoved : LeftFired;
}

/* As after parkUntil: was fired; if the node is not linked any more it is used again at once. */
static void parkAndMoveOn(void *at)
{
    State *state = at;
    Watcher *watcher = &state->watchers[0];
    modelBlock(isFiredOld, watcher);
    MODEL_CHECK(RELAXED_LOAD(&watcher->node.linked) == 0);
    MODEL_WRITE(watcher->node.next, NULL);
    fill(watcher, 2);
    MODEL_CHECK(watchListAdd(&state->other, 0, &watcher->node));
    watcher->left = LeftFired;
}

/* Somebody else fired the wait (a timer, say): linked says whether the node is still out there. */
static void moveOnIfUnlinked(void *at)
{
    State *state = at;
    Watcher *watcher = &state->watchers[0];
    if (ACQUIRE_LOAD(&watcher->node.linked) != 0)
        watcher->left =
            watchListRemove(&state->list, 0, &watcher->node, state) ? LeftRemoved : LeftFired;
    else
        watcher->left = LeftFired;
    MODEL_WRITE(watcher->node.next, NULL);
    fill(watcher, 2);
    MODEL_CHECK(watchListAdd(&state->other, 0, &watcher->node));
}

static void takeOther(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->news, 1);
    watchListFire(watchListTake(&state->other, 0), 0, state);
}

static void checkReuse(void *at)
{
    State *state = at;
    state->news = 1;
    watchListFire(watchListTake(&state->list, 0), 0, state);
    watchListFire(watchListTake(&state->other, 0), 0, state);
    MODEL_CHECK(state->watchers[0].fired == 1);
    MODEL_CHECK(state->watchers[0].old == (state->watchers[0].left == LeftFired ? 1 : 0));
    MODEL_CHECK(state->watchers[1].fired == 0 && state->watchers[1].old == 1);
}

static const Model models[] = {
    {"publishAgainstEvent", sizeof(State), 2, NULL, {await0, happenOnce}, checkLeft, NULL, 0},
    {"publishAgainstTake", sizeof(State), 2, NULL, {await0, happenAndTake}, checkLeft, NULL, 0},
    {"twoWaitersOneEvent",
     sizeof(State),
     3,
     NULL,
     {await0, await1, happenOnce},
     checkLeft,
     NULL,
     0},
    {"oneWaiterTwoEvents",
     sizeof(State),
     3,
     NULL,
     {await0, happenOnce, happenOnce},
     checkLeft,
     NULL,
     0},
    {"removeAgainstTake", sizeof(State), 2, linkOne, {remove0, take}, checkRest, NULL, 0},
    {"removeOldestAgainstTake", sizeof(State), 2, linkTwo, {remove0, take}, checkRest, NULL, 0},
    {"removeNewestAgainstTake", sizeof(State), 2, linkTwo, {remove1, take}, checkRest, NULL, 0},
    {"removeTwoAgainstTake",
     sizeof(State),
     3,
     linkTwo,
     {remove0, remove1, take},
     checkRest,
     NULL,
     0},
    {"removeTwoOfThree", sizeof(State), 2, linkThree, {remove0, remove1}, checkRest, NULL, 0},
    {"removeTwoNewest", sizeof(State), 2, linkThree, {remove1, remove2}, checkRest, NULL, 0},
    {"removeNewestAgainstAdd", sizeof(State), 2, linkTwo, {remove1, add3}, checkRest, NULL, 0},
    {"removeAddTake", sizeof(State), 3, linkTwo, {remove1, add3, take}, checkRest, NULL, 0},
    {"removeOldestAddTake", sizeof(State), 3, linkTwo, {remove0, add3, take}, checkRest, NULL, 0},
    {"removeAgainstNewcomer",
     sizeof(State),
     2,
     linkTwo,
     {remove0, addThenRemove3},
     checkRest,
     NULL,
     0},
    {"addAgainstClose", sizeof(State), 2, NULL, {awaitClose, closeList}, checkClosed, NULL, 0},
    {"removeAgainstClose", sizeof(State), 2, linkOne, {remove0, closeList}, checkClosed, NULL, 0},
    {"removeTwoAgainstClose",
     sizeof(State),
     3,
     linkTwo,
     {remove0, remove1, closeList},
     checkClosed,
     NULL,
     0},
    {"addTakeClose", sizeof(State), 3, NULL, {awaitClose, take, closeList}, checkOver, NULL, 0},
    {"reuseAgainstTake", sizeof(State), 2, linkForReuse, {moveOn, take}, checkReuse, NULL, 0},
    {"reuseAgainstTwoTakes",
     sizeof(State),
     3,
     linkForReuse,
     {moveOn, take, takeOther},
     checkReuse,
     NULL,
     0},
    {"reuseParked",
     sizeof(State),
     3,
     linkForReuse,
     {parkAndMoveOn, take, takeOther},
     checkReuse,
     NULL,
     0},
    {"reuseUnlinked",
     sizeof(State),
     3,
     linkForReuse,
     {moveOnIfUnlinked, take, takeOther},
     checkReuse,
     NULL,
     0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
