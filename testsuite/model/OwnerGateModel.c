/* OwnerGateModel.c -- every interleaving at the gate: the owner, visitors, and going back to
 * biased.
 *
 * not-under: tsan asan valgrind
 *
 * What the gate guards is a plain counter: two who are inside at once are a race, and so is one who
 * does not see what the last one did.  A visitor waits for an owner who is inside, or gives up at
 * once, and then it is as if it had not come.
 */
#define GATE_VISIT_SPINS visit_spins
static int visit_spins;
#include "iomgr/OwnerGate.c" /* the real code */

#include "testsuite/model/Explorer.h"

enum { PATIENT = 1000 }; /* a pause lasts until something changes: it never gives up */

typedef struct State {
    OwnerGate gate;
    uint32_t seen_visits; /* owner */
    uint64_t guarded;     /* plain, inside only */
    uint32_t entered;     /* times the owner was inside: its own */
    uint32_t visited[2];  /* each visitor's own */
} State;

static void setUp(void *at)
{
    State *state = at;
    visit_spins = PATIENT;
    ownerGateStart();
    ownerGateInit(&state->gate);
}

static void setUpShared(void *at)
{
    State *state = at;
    setUp(at);
    state->gate.shared = 1;
}

static void setUpHasty(void *at)
{
    setUp(at);
    visit_spins = 0;
}

static void setUpHastyShared(void *at)
{
    setUpShared(at);
    visit_spins = 0;
}

static void inside(State *state)
{
    MODEL_WRITE(state->guarded, MODEL_READ(state->guarded) + 1);
}

static void enter(State *state)
{
    GateWay way = ownerGateEnter(&state->gate);
    inside(state);
    ownerGateLeave(&state->gate, way);
    state->entered++;
}

static void visit(State *state, int visitor)
{
    if (!ownerGateVisit(&state->gate))
        return;
    inside(state);
    ownerGateVisitEnd(&state->gate);
    state->visited[visitor]++;
}

static void own(void *at)
{
    enter(at);
}

static void ownTwice(void *at)
{
    enter(at);
    enter(at);
}

/* Not while somebody has visited since the last offer. */
static void rebias(State *state)
{
    uint32_t seen = state->seen_visits;
    bool was_shared = RELAXED_LOAD(&state->gate.shared) != 0;
    bool biased = ownerGateRebias(&state->gate, &state->seen_visits);
    if (was_shared && state->seen_visits != seen)
        MODEL_CHECK(!biased);
}

/* The second offer finds no new visit, unless one came. */
static void ownAndRebias(void *at)
{
    State *state = at;
    enter(state);
    rebias(state);
    rebias(state);
    enter(state);
}

static void rebiasThenOwn(void *at)
{
    State *state = at;
    rebias(state);
    enter(state);
}

static void visit0(void *at)
{
    visit(at, 0);
}
static void visit1(void *at)
{
    visit(at, 1);
}

static void visitTwice(void *at)
{
    visit(at, 0);
    visit(at, 0);
}

static void checkEnd(void *at)
{
    State *state = at;
    MODEL_CHECK(state->guarded == state->entered + state->visited[0] + state->visited[1]);
    MODEL_CHECK(state->gate.lock == 0 && state->gate.busy == 0);
    MODEL_CHECK(state->gate.visits <= 2 && state->entered >= 1);
}

/* Whoever gave up is not in the way of the next. */
static void checkHasty(void *at)
{
    State *state = at;
    checkEnd(at);
    MODEL_CHECK(ownerGateVisit(&state->gate));
}

/* One visitor alone with an owner that never holds the lock gets in. */
static void checkVisited(void *at)
{
    State *state = at;
    checkEnd(at);
    MODEL_CHECK(state->visited[0] == 1 || state->gate.visits == 0);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"ownerAgainstVisitor", SIZE, 2, setUp, {own, visit0}, checkVisited, NULL, 0},
    {"ownerTwice", SIZE, 2, setUp, {ownTwice, visit0}, checkEnd, NULL, 0},
    {"visitorTwice", SIZE, 2, setUp, {ownTwice, visitTwice}, checkEnd, NULL, 0},
    {"twoVisitors", SIZE, 3, setUp, {ownTwice, visit0, visit1}, checkEnd, NULL, 0},
    {"shared", SIZE, 3, setUpShared, {ownTwice, visit0, visit1}, checkEnd, NULL, 0},
    {"rebias", SIZE, 2, setUp, {ownAndRebias, visitTwice}, checkEnd, NULL, 0},
    {"rebiasShared", SIZE, 3, setUpShared, {rebiasThenOwn, visit0, visit1}, checkEnd, NULL, 0},
    {"hasty", SIZE, 2, setUpHasty, {ownTwice, visitTwice}, checkHasty, NULL, 0},
    {"hastyTwo", SIZE, 3, setUpHasty, {own, visit0, visit1}, checkHasty, NULL, 0},
    {"hastyShared", SIZE, 3, setUpHastyShared, {own, visit0, visit1}, checkHasty, NULL, 0},
    {"hastyRebias", SIZE, 2, setUpHasty, {ownAndRebias, visitTwice}, checkHasty, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
