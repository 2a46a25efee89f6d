/* CallModel.c -- every interleaving of a call's return with who takes the capability or holds it.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/OwnerGate.c
 *
 * What the worker carries is a plain counter: two who own it at once are a race, and so is one who
 * does not see what the last one did.  So is what the host's code uses, for who pauses.
 */
#include "testsuite/model/Explorer.h"

#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The real one, except for its futex. */
static long sleepOnFutex(long number, uint32_t *word, int operation, ...);
#define syscall sleepOnFutex
#include "capability/Call.c"
#undef syscall

typedef struct State {
    Call call;
    uint64_t carried; /* plain: whoever owns the capability */
    uint64_t offered; /* relaxed: taken and passed on (release) */
    uint32_t lost;    /* the worker's: calls that cost it the capability */
    uint32_t used;    /* times `carried` was changed, all together: relaxed add */
    uint64_t host;    /* plain: what the host's code uses, and who pauses */
} State;

typedef struct Futex {
    uint32_t *word;
    uint32_t expected;
} Futex;

static bool isFutexChanged(void *at)
{
    const Futex *futex = at;
    return *futex->word != futex->expected;
}

/* Waking costs nothing here: a waiter goes on as soon as the word has changed. */
static long sleepOnFutex(long number, uint32_t *word, int operation, ...)
{
    MODEL_CHECK(number == SYS_futex);
    if (operation != FUTEX_WAIT_PRIVATE)
        return 0;
    va_list arguments;
    va_start(arguments, operation);
    Futex futex = {word, va_arg(arguments, uint32_t)};
    va_end(arguments);
    modelBlock(isFutexChanged, &futex);
    return 0;
}

static void setUp(void *at)
{
    (void)at;
    ownerGateStart();
    callStart();
}

static void setUpFenced(void *at)
{
    setUp(at);
    call_fenced = true;
}

static void use(State *state)
{
    MODEL_WRITE(state->carried, MODEL_READ(state->carried) + 1);
    ADD_RELAXED(&state->used, 1);
}

/* One call after the other, until the capability is lost. */
static void callTimes(State *state, int calls)
{
    use(state);
    for (int i = 0; i < calls; i++) {
        callEnter(&state->call);
        if (!callReturn(&state->call)) {
            state->lost++;
            return;
        }
        use(state);
    }
}

static void callOnce(void *at)
{
    callTimes(at, 1);
}

static void callTwice(void *at)
{
    callTimes(at, 2);
}

static void claim(State *state, CallClaim verdict)
{
    uint64_t count = callLook(&state->call);
    if (count == 0 || !callClaim(&state->call, count))
        return;
    if (verdict == CallFree) { /* it carries another one: nothing is touched */
        callDecide(&state->call, CallFree);
        return;
    }
    use(state);
    callDecide(&state->call, verdict);
    if (verdict == CallHeld) {
        use(state); /* the world stands still */
        callDecide(&state->call, CallFree);
    } else {
        use(state); /* the next carrier */
        RELEASE_STORE(&state->offered, 1);
    }
}

static void take(void *at)
{
    claim(at, CallTaken);
}
static void hold(void *at)
{
    claim(at, CallHeld);
}
static void mistake(void *at)
{
    claim(at, CallFree);
}

static void holdTwice(void *at)
{
    hold(at);
    hold(at);
}

static void checkEnd(void *at)
{
    State *state = at;
    MODEL_CHECK(state->carried == state->used);
    MODEL_CHECK(state->lost == state->offered && state->lost <= 1);
    MODEL_CHECK(state->call.claim == CallFree && (state->call.count & 1) == 0);
}

/* A worker that has lost one carries another one, and is in a call with it: a taker that looked
 * long ago must not take that. */
static void callAgain(void *at)
{
    State *state = at;
    callTimes(state, 1);
    if (state->lost == 0)
        return;
    callEnter(&state->call);
    MODEL_CHECK(callReturn(&state->call) || state->lost != 0);
}

/* ---- A thread that is handed over, and who pauses: See Note [Away]. ---- */

static void useHost(State *state)
{
    MODEL_WRITE(state->host, MODEL_READ(state->host) + 1);
}

/* Its thread goes on when it has a capability again: not here, if it was lost. */
static void handOver(State *state)
{
    useHost(state);
    callGo(&state->call);
    useHost(state);
    callArrive();
    if (!callReturn(&state->call)) {
        state->lost++;
        return;
    }
    use(state);
    useHost(state);
}

static void handOverOnce(void *at)
{
    handOver(at);
}

static void handOverTwice(void *at)
{
    handOver(at);
    if (((State *)at)->lost == 0)
        handOver(at);
}

static bool isNobodyAway(void *at)
{
    (void)at;
    return call_away == 0;
}

static void pauseNow(State *state)
{
    while (callAnyAway())
        modelBlock(isNobodyAway, state);
    useHost(state);
}

/* Where it is in a call: its capability would have to halt otherwise. */
static void pauseWorld(void *at)
{
    State *state = at;
    uint64_t count = callLook(&state->call);
    if (count == 0 || !callClaim(&state->call, count))
        return;
    callDecide(&state->call, CallHeld);
    use(state);
    pauseNow(state);
    callDecide(&state->call, CallFree);
}

/* The next carrier stands still. */
static void pauseTaken(void *at)
{
    State *state = at;
    if (ACQUIRE_LOAD(&state->offered) != 0)
        pauseNow(state);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"takeAgainstReturn", SIZE, 2, setUp, {callTwice, take}, checkEnd, NULL, 0},
    {"holdAgainstReturn", SIZE, 2, setUp, {callTwice, holdTwice}, checkEnd, NULL, 0},
    {"takeAndHold", SIZE, 3, setUp, {callOnce, take, hold}, checkEnd, NULL, 0},
    {"mistaken", SIZE, 3, setUp, {callOnce, mistake, take}, checkEnd, NULL, 0},
    {"again", SIZE, 2, setUp, {callAgain, take}, checkEnd, NULL, 0},
    {"pauseAgainstBack", SIZE, 2, setUp, {handOverTwice, pauseWorld}, checkEnd, NULL, 0},
    {"pauseAndTake", SIZE, 3, setUp, {handOverOnce, take, pauseTaken}, checkEnd, NULL, 0},
    {"fencedPause", SIZE, 3, setUpFenced, {handOverOnce, take, pauseWorld}, checkEnd, NULL, 0},
    {"fencedTake", SIZE, 2, setUpFenced, {callTwice, take}, checkEnd, NULL, 0},
    {"fencedHold", SIZE, 3, setUpFenced, {callOnce, take, hold}, checkEnd, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
