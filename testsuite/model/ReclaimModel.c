/* ReclaimModel.c -- every interleaving of attempts, a commit that retires, and freeing.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/stm/Reclaim.c iomgr/WatchList.c
 *
 * A variable points to a cell.  The writer points it elsewhere, as a commit does, retires the cell
 * and frees what can be freed; an attempt that has got hold of the cell may look at it until it is
 * over.  The explorer tells of a look that is not ordered before the freeing.
 */
#include "capability/CapabilityTable.h"
#include "rts/Startup.h"
#include "rts/stm/Log.h"
#include "rts/stm/Reclaim.h"
#include "testsuite/model/Explorer.h"

typedef struct State {
    Capability carriers[2]; /* one a thread */
    TVar tvar;              /* 1: the cell; 2: elsewhere */
    uint64_t cell;          /* plain: 1 until it is freed */
} State;

static State *current;
CapabilityTable capabilities;

const Allocator *startupAllocator(void)
{
    return NULL;
}

static bool asymmetric; /* set by setUp */

bool ownerGateAsymmetric(void)
{
    return asymmetric;
}

void logFreeSpare(StmShare *share)
{
    (void)share;
}

void *tvarLookSlow(TVar *tvar, uint64_t *version)
{
    while ((SEQ_CST_LOAD(&tvar->watchers) & WATCH_LOCK) != 0)
        SMP_PAUSE();
    return tvarLook(tvar, version);
}

static StmShare *share(int thread)
{
    return &schedulerOf(&current->carriers[thread])->stm;
}

static void prepare(void *at, bool membarrier)
{
    current = at;
    asymmetric = membarrier;
    for (int i = 0; i < 2; i++)
        capabilities.items[i] = &current->carriers[i];
    capabilities.count = 2;
    reclaimStart();
    current->tvar.value = (void *)1;
    current->cell = 1;
}

static void setUp(void *at)
{
    prepare(at, true);
}

static void setUpFenced(void *at)
{
    prepare(at, false);
}

static void attempt(State *state, int thread)
{
    uint64_t version;
    reclaimEnter(share(thread));
    if (tvarLook(&state->tvar, &version) == (void *)1)
        MODEL_CHECK(MODEL_READ(state->cell) == 1);
    reclaimLeave(share(thread));
}

static void attemptOnce(void *at)
{
    attempt(at, 0);
}

static void attemptTwice(void *at)
{
    attempt(at, 0);
    attempt(at, 0);
}

static void freeCell(void *cell)
{
    MODEL_WRITE(*(uint64_t *)cell, 0);
}

/* T1 to T7 of one variable. */
static void pointElsewhere(State *state)
{
    while (!watchListTryLock(&state->tvar.watchers))
        SMP_PAUSE();
    RELEASE_STORE(&state->tvar.version, 1);
    RELEASE_STORE(&state->tvar.value, (void *)2);
    RELEASE_STORE(&state->tvar.version, 2);
    watchListUnlock(&state->tvar.watchers);
}

static void retireAndFree(void *at)
{
    State *state = at;
    reclaimEnter(share(1));
    pointElsewhere(state);
    reclaimLater(share(1), reclaimNew(&state->cell, freeCell));
    reclaimLeave(share(1));
    reclaimSome(share(1));
    modelOutcome(share(1)->limbo_count);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"attemptAgainstFree", SIZE, 2, setUp, {attemptOnce, retireAndFree}, NULL, NULL, 0},
    {"withoutMembarrier", SIZE, 2, setUpFenced, {attemptOnce, retireAndFree}, NULL, NULL, 0},
    {"attemptsAgainstFree", SIZE, 2, setUp, {attemptTwice, retireAndFree}, NULL, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
