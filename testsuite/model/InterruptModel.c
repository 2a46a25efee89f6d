/* InterruptModel.c -- every interleaving of being interrupted with waking, masking, giving up.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/Interrupt.c rts/MVar.c rts/WaitQueue.c rts/Park.c rts/Wait.c iomgr/WatchList.c
 *
 * See testsuite/model/WaitStage.h for who plays.  An interrupt is raised once or withdrawn, whoever
 * throws it is told, a wait that is deaf is ended by what it waits for only, and nobody is left
 * behind.
 */
#include "rts/Interrupt.h"

#include "rts/MVar.h"
#include "testsuite/model/WaitStage.h"

#include <errno.h>

typedef struct State {
    MVar mvar;
    WatchList list;
    Actor actors[ACTORS];
    Stack stacks[ACTORS];
    Interrupt posted;
    uint32_t happened; /* seq_cst: what is waited for in the list */
    int caught[ACTORS];
    int late; /* actor 0's: of what it did after its wait */
} State;

static State *current;

static void setUp(void *at)
{
    current = at;
    stage_actors = current->actors;
    parkCancelReset();
    for (int i = 0; i < ACTORS; i++) {
        current->actors[i].thread.stack = &current->stacks[i];
        current->actors[i].thread.id = (uint64_t)i + 1;
    }
}

static void setUpOutside(void *at)
{
    setUp(at);
    current->actors[1].outside = true;
}

static void setUpDeaf(void *at)
{
    setUp(at);
    current->actors[0].thread.node.tag = MaskedUninterruptible << TAG_MASKING_SHIFT;
}

static void mask(MaskingState state)
{
    uint32_t *tag = &self()->thread.node.tag;
    RELAXED_STORE(tag, (*tag & ~(uint32_t)TAG_MASKING) | (uint32_t)state << TAG_MASKING_SHIFT);
}

static int unmask(void)
{
    mask(Unmasked);
    return interruptPoint(&self()->thread);
}

/* ---- What the threads do --------------------------------------------------------------------- */

/* A body's end, as in threadEnded. */
static void endQuietly(void)
{
    Thread *me = &self()->thread;
    WatchList nobody = 0;
    MODEL_CHECK(CAS_SEQ_CST(&me->ended, &nobody, UINT64_C(1) << 48));
    interruptEnd(me, RELAXED_LOAD(&me->id), NULL);
}

static void end(void)
{
    current->caught[modelThread()] += (int)current->stacks[modelThread()].caught.count;
    endQuietly();
}

static int waitForList(void)
{
    Capability *here = workerCapability();
    *scheduleWait(here) = (ListedWait){.list = &current->list};
    return parkListed(here, ThreadBlockedOnTVar, -1);
}

static void takeAndEnd(void *at)
{
    State *state = at;
    void *value = NULL;
    self()->result = mvarTake(&state->mvar, &value);
    self()->got = (uintptr_t)value;
    end();
}

static void takeUntilAndEnd(void *at)
{
    State *state = at;
    void *value = NULL;
    self()->result = mvarTakeUntil(&state->mvar, &value, 1);
    self()->got = (uintptr_t)value;
    end();
}

static void listAndEnd(void *at)
{
    (void)at;
    self()->result = waitForList();
    end();
}

/* The first wait may be interrupted, the second, in the same list, may not. */
static void listThenDeafList(void *at)
{
    State *state = at;
    self()->result = waitForList();
    mask(MaskedUninterruptible);
    state->late = waitForList();
    endQuietly();
}

static void deafList(void *at)
{
    State *state = at;
    self()->result = waitForList();
    state->late = unmask();
    end();
}

/* Runs, may be interrupted only in the end. */
static void restoreAndEnd(void *at)
{
    State *state = at;
    state->late = unmask();
    endQuietly();
}

static void put1(void *at)
{
    State *state = at;
    self()->result = mvarTryPut(&state->mvar, (void *)1);
}

static void fire(void *at)
{
    State *state = at;
    ADD_SEQ_CST(&state->happened, 1);
    WatchNode *taken = watchListTake(&state->list, 0);
    if (taken != NULL)
        parkFire(taken, NULL);
}

static void throwTo0(void *at)
{
    State *state = at;
    self()->result = threadThrowTo(&state->actors[0].thread, 1, NULL);
}

/* Without waiting for it: the sender's part is played where there are only two. */
static void postTo0(void *at)
{
    State *state = at;
    interruptPost(&state->actors[0].thread, &state->posted, NULL);
}

static void throwUntil(void *at)
{
    State *state = at;
    self()->result = threadThrowToUntil(&state->actors[0].thread, 1, NULL, 1);
}

static void duel(void *at)
{
    State *state = at;
    self()->result = threadThrowTo(&state->actors[1 - modelThread()].thread, 1, NULL);
    end();
}

/* The timer of actor 1's first wait, whenever it knows of that wait. */
static void timeOut(void *at)
{
    State *state = at;
    Actor *actor = &state->actors[1];
    if (actor->outside)
        claimTry(&actor->claim, 1, -ETIMEDOUT);
    else if (claimNumber(ACQUIRE_LOAD(&actor->thread.claim)) != 0)
        parkTimerFired(&actor->thread.timer, 1, NULL);
}

/* ---- What must hold in the end --------------------------------------------------------------- */

static void checkQuiet(State *state)
{
    MODEL_CHECK(mvarSane(&state->mvar) && state->mvar.queue.first == NULL);
    MODEL_CHECK(watchListHead(state->list) == NULL);
    for (int i = 0; i < ACTORS; i++) {
        MODEL_CHECK(state->actors[i].queued == state->actors[i].parks);
        MODEL_CHECK((state->actors[i].thread.interrupts & ~(Interrupts)2) == 0); /* uncaught */
    }
    MODEL_CHECK(state->posted.place != InterruptPending);
}

/* Actor 0 has the value, or was interrupted and the value is in the box. */
static void checkTakenOrNot(void *at)
{
    State *state = at;
    const Actor *taker = &state->actors[0];
    checkQuiet(state);
    MODEL_CHECK(state->actors[1].result == 0 && state->actors[2].result == 0);
    MODEL_CHECK(taker->result == 0 || taker->result == -ECANCELED);
    MODEL_CHECK(state->caught[0] == (taker->result == -ECANCELED));
    MODEL_CHECK((taker->got == 1) == (taker->result == 0));
    MODEL_CHECK((state->mvar.queue.state == MVarFull) == (taker->result != 0));
    modelOutcome((uint64_t)-taker->result);
}

static void checkInterrupted(void *at)
{
    State *state = at;
    checkQuiet(state);
    MODEL_CHECK(state->actors[0].result == -ECANCELED && state->actors[1].result == 0);
    MODEL_CHECK(state->caught[0] == 1);
}

static void checkListedOrNot(void *at)
{
    State *state = at;
    int result = state->actors[0].result;
    checkQuiet(state);
    MODEL_CHECK(state->actors[1].result == 0);
    MODEL_CHECK(result == 0 || result == -ECANCELED);
    MODEL_CHECK(state->caught[0] == (result == -ECANCELED));
    modelOutcome((uint64_t)-result);
}

/* Nobody fired it again after it had begun to wait. */
static bool firedTooEarly(void *at)
{
    State *state = at;
    return state->happened != 0 && state->actors[0].queued != state->actors[0].parks;
}

/* It was woken for nothing. */
static void checkDeafLater(void *at)
{
    State *state = at;
    MODEL_CHECK(state->late == 0);
    modelOutcome((uint64_t)-state->actors[0].result);
}

/* Nobody ends the second wait. */
static bool waitsDeaf(void *at)
{
    State *state = at;
    return (state->actors[0].thread.claim & CLAIM_DEAF) != 0 &&
           state->actors[0].queued != state->actors[0].parks;
}

static void checkDeaf(void *at)
{
    State *state = at;
    checkQuiet(state);
    MODEL_CHECK(state->actors[0].result == 0 && state->actors[1].result == 0);
    MODEL_CHECK(state->late == 0 || state->late == -ECANCELED);
    MODEL_CHECK(state->caught[0] == (state->late == -ECANCELED));
    modelOutcome((uint64_t)-state->late);
}

/* Who gave up has withdrawn it, unless it was raised at that moment. */
static void checkGivenUp(void *at)
{
    State *state = at;
    int thrown = state->actors[1].result;
    checkQuiet(state);
    MODEL_CHECK(thrown == 0 || thrown == -ETIMEDOUT);
    MODEL_CHECK(state->late == 0 || state->late == -ECANCELED);
    modelOutcome((uint64_t)-thrown << 16 | (uint64_t)-state->late);
}

static void checkDuel(void *at)
{
    State *state = at;
    int a = state->actors[0].result, b = state->actors[1].result;
    checkQuiet(state);
    MODEL_CHECK((a == 0 && b == -ECANCELED) || (a == -ECANCELED && b == 0));
    MODEL_CHECK(state->caught[0] == (a != 0) && state->caught[1] == (b != 0));
    modelOutcome((uint64_t)-a);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"take", SIZE, 2, setUp, {takeAndEnd, throwTo0}, checkInterrupted, NULL, 0},
    {"takeUntil", SIZE, 2, setUp, {takeUntilAndEnd, throwTo0}, checkInterrupted, NULL, 0},
    {"list", SIZE, 2, setUp, {listAndEnd, throwTo0}, checkInterrupted, NULL, 0},
    {"listOutside", SIZE, 2, setUpOutside, {listAndEnd, throwTo0}, checkInterrupted, NULL, 0},
    {"takeAgainstPut", SIZE, 3, setUp, {takeAndEnd, postTo0, put1}, checkTakenOrNot, NULL, 0},
    {"takeUntilAgainstPut",
     SIZE,
     3,
     setUp,
     {takeUntilAndEnd, postTo0, put1},
     checkTakenOrNot,
     NULL,
     0},
    {"listAgainstFire", SIZE, 3, setUp, {listAndEnd, postTo0, fire}, checkListedOrNot, NULL, 0},
    {"deafList", SIZE, 3, setUpDeaf, {deafList, postTo0, fire}, checkDeaf, firedTooEarly, 0},
    {"laterWaitIsDeaf",
     SIZE,
     3,
     setUp,
     {listThenDeafList, postTo0, fire},
     checkDeafLater,
     waitsDeaf,
     0},
    {"giveUp", SIZE, 3, setUpDeaf, {restoreAndEnd, throwUntil, timeOut}, checkGivenUp, NULL, 0},
    {"duel", SIZE, 2, setUp, {duel, duel}, checkDuel, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
