/* WatchPlaceModel.c -- every interleaving of taking out nodes that know who stands before them.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/WatchList.c
 *
 * The list begins with all its nodes but the head told.  Whoever trusts a place that is out of date
 * writes into a list that is not his: somebody is then fired twice or never, or the walker at the
 * end finds the list insane.  See Note [WatchList places].
 */
#include "iomgr/WatchList.h"
#include "testsuite/model/Explorer.h"

#include <errno.h>
#include <stddef.h>

enum { NODES = 7, EXTRA = 6, BEFORE = 1, NOW = 2 };

typedef enum Left { LeftNot, LeftRemoved, LeftFired } Left;

typedef struct Watcher {
    WatchNode node;
    uint32_t fired; /* by whoever fires (relaxed add) */
    uint32_t old;   /* of the wait before */
    Left left;      /* the watcher's own; LeftNot: it may be fired, or in the list still */
} Watcher;

typedef struct State {
    Watcher watchers[NODES];
    WatchList list, other;
    uint64_t claim;   /* of node 0's wait: BEFORE, or NOW */
    uint64_t guarded; /* plain, under LOCK */
} State;

static void noteFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    Watcher *watcher = (Watcher *)(void *)((char *)node - offsetof(Watcher, node));
    (void)sink;
    if (number == BEFORE)
        ADD_RELEASE(&watcher->old, 1); /* as the run queue */
    else
        ADD_RELAXED(&watcher->fired, 1);
    MODEL_CHECK(result != -ECANCELED || number == BEFORE);
}

static void push(State *state, WatchList *list, uint16_t generation, int index, uint64_t number)
{
    WatchNode *node = &state->watchers[index].node;
    RELAXED_STORE(&node->fire, noteFired);
    RELAXED_STORE(&node->number, number);
    MODEL_CHECK(watchListAdd(list, generation, node));
}

/* The head is the youngest of `count`; all others are told, by the removal of one more. */
static void linkTold(State *state, int count, uint64_t number)
{
    push(state, &state->list, 0, EXTRA, NOW);
    for (int i = 0; i < count; i++)
        push(state, &state->list, 0, i, number);
    MODEL_CHECK(watchListRemove(&state->list, 0, &state->watchers[EXTRA].node, state));
    state->watchers[EXTRA].left = LeftRemoved;
    MODEL_CHECK((state->list & WATCH_INDEXED) != 0 && watchListSane(&state->list));
}

static void tellThree(void *at)
{
    linkTold(at, 3, NOW);
}

static void tellFour(void *at)
{
    linkTold(at, 4, NOW);
}

static void removeWatcher(State *state, int index)
{
    Watcher *watcher = &state->watchers[index];
    uint16_t generation = watchListGeneration(RELAXED_LOAD(&state->list));
    bool removed = watchListRemove(&state->list, generation, &watcher->node, state);
    watcher->left = removed ? LeftRemoved : LeftFired;
    MODEL_WRITE(watcher->node.next, NULL); /* its owner's again */
    MODEL_WRITE(watcher->node.linked, 0);
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

static void remove3(void *at)
{
    removeWatcher(at, 3);
}

static void remove1Then0(void *at)
{
    removeWatcher(at, 1);
    removeWatcher(at, 0);
}

static void take(void *at)
{
    State *state = at;
    watchListFire(watchListTake(&state->list, 0), 0, state);
}

static void add3(void *at)
{
    push(at, &((State *)at)->list, 0, 3, NOW);
}

static void takeThenAdd3(void *at)
{
    take(at);
    add3(at);
}

/* The list that a remover finds FIRED begins with somebody it has not met. */
static void addTakeAdd(void *at)
{
    add3(at);
    take(at);
    push(at, &((State *)at)->list, 0, 4, NOW);
}

static void addThenRemove3(void *at)
{
    add3(at);
    removeWatcher(at, 3);
}

static void closeThenAdd3(void *at)
{
    State *state = at;
    watchListFire(watchListClose(&state->list, 1), -EBADF, state);
    push(state, &state->list, 1, 3, NOW);
}

/* As a write does. */
static void lockThenAdd3(void *at)
{
    State *state = at;
    watchListLock(&state->list);
    MODEL_WRITE(state->guarded, MODEL_READ(state->guarded) + 1);
    WatchTaken taken = watchListUnlock(&state->list);
    if (taken != 0)
        watchListFire(watchListTaken(&state->list, taken), 0, state);
    add3(at);
}

/* As a commit that is given up does. */
static void lockAndKeep(void *at)
{
    State *state = at;
    if (!watchListTryLock(&state->list))
        return;
    MODEL_WRITE(state->guarded, MODEL_READ(state->guarded) + 1);
    watchListUnlockKeep(&state->list);
}

/* Whoever has not left is fired now at the latest. */
static void checkRest(void *at)
{
    State *state = at;
    MODEL_CHECK((state->list & (WATCH_BUSY | WATCH_LOCK)) == 0);
    MODEL_CHECK(watchListSane(&state->list) && watchListSane(&state->other));
    watchListFire(watchListClose(&state->list, 7), 0, state);
    watchListFire(watchListClose(&state->other, 7), 0, state);
    for (int i = 0; i < NODES; i++) {
        const Watcher *watcher = &state->watchers[i];
        bool was_on = watcher->node.fire != NULL && watcher->left != LeftRemoved;
        MODEL_CHECK(watcher->fired == (was_on ? 1 : 0));
    }
}

/* ---- strangers ------------------------------------------------------------------------------- */

static void tellBefore(void *at)
{
    State *state = at;
    linkTold(state, 3, BEFORE);
    state->claim = BEFORE;
    push(state, &state->other, 0, 4, NOW);
}

/* Node 0's owner: whatever happens in the list, then it waits in the other one, where it is told of
 * its place at once. */
static void moveOnAndBeTold(void *at)
{
    State *state = at;
    take(at);
    push(state, &state->list, 0, 5, NOW); /* so that there is something to look through */
    push(state, &state->list, 0, EXTRA, NOW);
    if (ACQUIRE_LOAD(&state->watchers[0].old) == 0)
        return; /* taken out by a stranger, who is about to fire it */
    MODEL_WRITE(state->watchers[0].node.next, NULL);
    RELAXED_STORE(&state->claim, NOW);
    push(state, &state->other, 0, 0, NOW);
    push(state, &state->other, 0, 3, NOW);
    bool removed = watchListRemove(&state->other, 0, &state->watchers[4].node, state);
    MODEL_CHECK(removed);
    state->watchers[4].left = LeftRemoved;
}

/* See Note [Listed waits]. */
static void retract0(void *at)
{
    State *state = at;
    uint64_t claim = ACQUIRE_LOAD(&state->claim);
    if (claim == BEFORE)
        watchListRetract(&state->list, 0, &state->watchers[0].node,
                         &(WatchProof){&state->claim, claim}, -ECANCELED, state);
}

/* Without a proof: it may have to look at all of them. */
static void retractBlindly0(void *at)
{
    State *state = at;
    watchListRetract(&state->list, 0, &state->watchers[0].node, NULL, -ECANCELED, state);
}

/* It was fired once for the wait before, and at most once for the next. */
static void checkOnce(void *at)
{
    State *state = at;
    MODEL_CHECK(watchListSane(&state->list) && watchListSane(&state->other));
    watchListFire(watchListClose(&state->list, 7), 0, state);
    watchListFire(watchListClose(&state->other, 7), 0, state);
    for (int i = 0; i < 3; i++)
        MODEL_CHECK(state->watchers[i].old == 1);
    for (int i = 0; i < NODES; i++)
        MODEL_CHECK(state->watchers[i].fired <= 1);
    modelOutcome(state->watchers[0].fired);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"removeTwo", SIZE, 2, tellFour, {remove0, remove1}, checkRest, NULL, 0},
    {"removeNeighbours", SIZE, 3, tellFour, {remove0, remove1, remove2}, checkRest, NULL, 0},
    {"removeWithHead", SIZE, 2, tellThree, {remove1Then0, remove2}, checkRest, NULL, 0},
    {"removeHeadAndNext", SIZE, 2, tellFour, {remove2, remove3}, checkRest, NULL, 0},
    {"removeAgainstTake", SIZE, 2, tellThree, {remove0, take}, checkRest, NULL, 0},
    {"removeTwoAgainstTake", SIZE, 3, tellThree, {remove0, remove1, take}, checkRest, NULL, 0},
    {"removeAgainstNextList", SIZE, 2, tellThree, {remove1, takeThenAdd3}, checkRest, NULL, 0},
    {"removeAddTake", SIZE, 3, tellThree, {remove1, add3, take}, checkRest, NULL, 0},
    {"removeTwoAddTakeAdd", SIZE, 3, tellThree, {remove0, remove1, addTakeAdd}, checkRest, NULL, 0},
    {"removeAgainstNewcomer", SIZE, 2, tellThree, {remove0, addThenRemove3}, checkRest, NULL, 0},
    {"removeAgainstClose", SIZE, 2, tellThree, {remove1, closeThenAdd3}, checkRest, NULL, 0},
    {"removeTwoAgainstClose",
     SIZE,
     3,
     tellThree,
     {remove0, remove1, closeThenAdd3},
     checkRest,
     NULL,
     0},
    {"removeAgainstWrite", SIZE, 2, tellThree, {remove1, lockThenAdd3}, checkRest, NULL, 0},
    {"removeBesideLock", SIZE, 3, tellThree, {remove0, remove1, lockAndKeep}, checkRest, NULL, 0},
    {"writeAgainstKeep",
     SIZE,
     3,
     tellThree,
     {remove1, lockThenAdd3, lockAndKeep},
     checkRest,
     NULL,
     0},
    {"strangerAndNextWait", SIZE, 2, tellBefore, {moveOnAndBeTold, retract0}, checkOnce, NULL, 0},
    {"blindStranger", SIZE, 2, tellBefore, {moveOnAndBeTold, retractBlindly0}, checkOnce, NULL, 0},
    {"twoStrangers", SIZE, 2, tellBefore, {retract0, retract0}, checkOnce, NULL, 0},
    {"twoStrangersAndTake", SIZE, 3, tellBefore, {retract0, retract0, take}, checkOnce, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
