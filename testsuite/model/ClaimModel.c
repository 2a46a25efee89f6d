/* ClaimModel.c -- every interleaving of waiting and being woken over one claim word.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/Wait.c
 *
 * Of all sources of one wait exactly one wins, a parked waiter is queued exactly once, a late
 * source of an earlier wait does nothing, and whoever resumes the waiter sees its saved stack.
 */
#include "rts/Wait.h"
#include "testsuite/model/Explorer.h"

#include <errno.h>

enum { SOURCE_A = -5, SOURCE_B = -7 };

typedef struct State {
    Claim claim;
    uint64_t stack;   /* plain: what the waiter leaves behind for whoever resumes it */
    uint64_t news_a;  /* plain: what source A did before it claimed */
    uint64_t number;  /* the wait that the sources know of; given to them by the waiter */
    uint32_t queued;  /* how often the waiter was made ready */
    uint32_t wins;    /* claims won */
    uint32_t resumed; /* waits that ended */
    bool abandoned;   /* the waiter's own */
} State;

/* The winner queues it; whoever takes it from the queue (here: the winner) runs on its stack. */
static void makeReady(State *state)
{
    MODEL_CHECK(MODEL_READ(state->stack) == 1);
    MODEL_WRITE(state->stack, 2);
    MODEL_CHECK(ADD_RELAXED(&state->queued, 1) == 0);
}

static void claimAs(State *state, uint64_t number, int result)
{
    ClaimOutcome outcome = claimTry(&state->claim, number, result);
    if (outcome != ClaimLost)
        ADD_RELAXED(&state->wins, 1);
    if (outcome == ClaimWonParked)
        makeReady(state);
}

/* A source learns of the wait before it can claim it: through a list, a heap. */
static uint64_t learnNumber(State *state)
{
    return ACQUIRE_LOAD(&state->number);
}

static void sourceA(void *at)
{
    State *state = at;
    uint64_t number = learnNumber(state);
    if (number == 0)
        return;
    MODEL_WRITE(state->news_a, 1);
    claimAs(state, number, SOURCE_A);
}

static void sourceB(void *at)
{
    State *state = at;
    uint64_t number = learnNumber(state);
    if (number != 0)
        claimAs(state, number, SOURCE_B);
}

/* What the fired waiter finds; source A's news must be there to see. */
static void lookAround(State *state)
{
    Claim claim = ACQUIRE_LOAD(&state->claim);
    MODEL_CHECK(claimState(claim) == ClaimFired);
    MODEL_CHECK(claimResult(claim) == SOURCE_A || claimResult(claim) == SOURCE_B);
    if (claimResult(claim) == SOURCE_A)
        MODEL_CHECK(MODEL_READ(state->news_a) == 1);
    RELAXED_STORE(&state->resumed, 1);
}

static void begin(State *state)
{
    RELEASE_STORE(&state->number, claimBegin(&state->claim));
}

/* Its stack is saved and left; the scheduler commits.  False: it goes on at once. */
static bool park(State *state)
{
    MODEL_WRITE(state->stack, 1);
    if (claimCommit(&state->claim, 0))
        return true;
    MODEL_CHECK(MODEL_READ(state->stack) == 1);
    MODEL_WRITE(state->stack, 2);
    return false;
}

static bool isQueued(void *at)
{
    return ((State *)at)->queued != 0;
}

static void waitOnce(void *at)
{
    State *state = at;
    begin(state);
    if (park(state))
        modelBlock(isQueued, state);
    lookAround(state);
}

/* Without a source nobody wakes it. */
static bool isUnknown(void *at)
{
    State *state = at;
    return state->wins == 0 && claimState(state->claim) == ClaimParked;
}

static void checkOnce(void *at)
{
    State *state = at;
    MODEL_CHECK(state->wins == 1 && state->queued <= 1 && state->resumed == 1);
}

/* ---- Giving up before parking ---------------------------------------------------------------- */

static void waitOrAbandon(void *at)
{
    State *state = at;
    begin(state);
    if (claimEnd(&state->claim)) {
        state->abandoned = true;
        return;
    }
    lookAround(state);
}

static void checkAbandoned(void *at)
{
    State *state = at;
    MODEL_CHECK(state->queued == 0 && state->wins == (state->abandoned ? 0 : 1));
    MODEL_CHECK(claimState(state->claim) == (state->abandoned ? ClaimIdle : ClaimFired));
}

/* ---- The next wait, and a source that comes late --------------------------------------------- */

static void abandonThenWait(void *at)
{
    State *state = at;
    uint64_t first = claimBegin(&state->claim);
    RELEASE_STORE(&state->number, first);
    claimEnd(&state->claim); /* claimed or not: that wait is over */
    RELAXED_STORE(&state->wins, 0);
    uint64_t second = claimBegin(&state->claim);
    MODEL_CHECK(second == first + 1);
    if (park(state))
        modelBlock(isQueued, state);
    else
        MODEL_CHECK(claimResult(RELAXED_LOAD(&state->claim)) == SOURCE_B);
    MODEL_CHECK(claimNumber(RELAXED_LOAD(&state->claim)) == second);
}

static void lateSource(void *at)
{
    State *state = at;
    uint64_t number = learnNumber(state);
    if (number != 0)
        claimTry(&state->claim, 1, SOURCE_A);
}

static void secondSource(void *at)
{
    State *state = at;
    if (claimTry(&state->claim, 2, SOURCE_B) == ClaimWonParked)
        makeReady(state);
}

/* The second source may have come too early to be of use: then the waiter stays parked. */
static bool isParkedSecond(void *at)
{
    State *state = at;
    return claimState(state->claim) == ClaimParked && claimNumber(state->claim) == 2 &&
           state->queued == 0;
}

static void checkSecond(void *at)
{
    State *state = at;
    MODEL_CHECK(claimNumber(state->claim) == 2 && claimState(state->claim) == ClaimFired);
    MODEL_CHECK(claimResult(state->claim) == SOURCE_B && state->queued <= 1);
}

/* ---- An OS thread: never commits, the word is its futex -------------------------------------- */

static bool isNotArmed(void *at)
{
    return claimState(((State *)at)->claim) != ClaimArmed;
}

static void waitOutside(void *at)
{
    State *state = at;
    begin(state);
    while (!claimFired(&state->claim))
        modelBlock(isNotArmed, state);
    lookAround(state);
}

/* Likewise without the kernel's help: what it sees, it sees by the word alone. */
static void spinOutside(void *at)
{
    State *state = at;
    begin(state);
    while (!claimFired(&state->claim))
        modelYield();
    MODEL_CHECK(MODEL_READ(state->news_a) == 1);
    lookAround(state);
}

static bool isArmed(void *at)
{
    State *state = at;
    return state->wins == 0 && claimState(state->claim) == ClaimArmed;
}

static void checkOutside(void *at)
{
    State *state = at;
    MODEL_CHECK(state->wins == 1 && state->queued == 0 && state->resumed == 1);
}

static const Model models[] = {
    {"oneSource", sizeof(State), 2, NULL, {waitOnce, sourceA}, checkOnce, isUnknown, 0},
    {"twoSources", sizeof(State), 3, NULL, {waitOnce, sourceA, sourceB}, checkOnce, isUnknown, 0},
    {"abandon", sizeof(State), 3, NULL, {waitOrAbandon, sourceA, sourceB}, checkAbandoned, NULL, 0},
    {"lateSource",
     sizeof(State),
     3,
     NULL,
     {abandonThenWait, lateSource, secondSource},
     checkSecond,
     isParkedSecond,
     0},
    {"outside", sizeof(State), 3, NULL, {waitOutside, sourceA, sourceB}, checkOutside, isArmed, 0},
    {"outsideSpins", sizeof(State), 2, NULL, {spinOutside, sourceA}, checkOutside, isArmed, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
