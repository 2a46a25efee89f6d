/* TimeoutHomeModel.c -- every interleaving of timeouts at home with others who cancel, update,
 * register and fire, and with another OS thread that becomes home.
 *
 * not-under: tsan asan valgrind
 * model-sources: iomgr/Timeout.c iomgr/TimerManager.c iomgr/TimeoutWord.c iomgr/TimeoutPool.c
 * model-sources: iomgr/TimerHeap.c iomgr/TimerEntries.c
 *
 * See Note [Timeout home] and Note [Timeout words at home].  Thread 0 is home at first, and so is
 * the setup; nobody else has changed a word yet.  What must hold is that of TimeoutModel.c.
 */
#include "testsuite/model/TimeoutStage.h"

/* ---- under capabilities: home stays where it is ---------------------------------------------- */

static bool ownsFirst(const EventManager *manager)
{
    (void)manager;
    return modelThread() <= 0;
}

static void setUp(void *at)
{
    State *state = at;
    stageSetUp(state, RECORDS);
    state->manager.owns = ownsFirst;
}

static void setUpPlaced(void *at)
{
    State *state = at;
    setUp(at);
    add(at, 0, EARLY_US);
    MODEL_CHECK(state->manager.timeouts.inbox == NULL);
    MODEL_CHECK(state->manager.timeouts.sharing.words == TIMEOUT_WORDS_HOME);
}

static void setUpTwoPlaced(void *at)
{
    setUpPlaced(at);
    add(at, 1, EARLY_US);
}

/* Somebody else has registered it. */
static void setUpQueued(void *at)
{
    State *state = at;
    stageSetUp(state, RECORDS);
    add(at, 0, EARLY_US);
    MODEL_CHECK(state->manager.timeouts.inbox != NULL);
    state->manager.owns = ownsFirst;
}

static void homeExpires(void *at)
{
    expireAs(at, true, DUE_NS);
}

static void rescuerExpires(void *at)
{
    expireAs(at, false, DUE_NS);
}

static void stopFirst(void *at)
{
    stop(at, 0);
}

/* Another one is about to change some word. */
static void shareWords(void *at)
{
    State *state = at;
    timeoutWordShare(&state->manager.timeouts.sharing);
}

static void addSecond(void *at)
{
    add(at, 1, EARLY_US);
}

/* The record may be the same. */
static void stopAndAdd(void *at)
{
    stop(at, 0);
    add(at, 1, EARLY_US);
}

static void stopAndExpire(void *at)
{
    stop(at, 1);
    expireAs(at, true, DUE_NS);
}

static void updateLater(void *at)
{
    update(at, 0, LATE_US);
}

static void updateAndExpire(void *at)
{
    update(at, 0, LATE_US);
    expireAs(at, true, DUE_NS);
}

static void updateEarlier(void *at)
{
    update(at, 0, EARLY_US);
}

/* ---- a standalone manager: thread 1 becomes home --------------------------------------------- */

static void setUpAlone(void *at)
{
    State *state = at;
    stageSetUp(state, RECORDS - 1);
    state->manager.exclusive = true;
    timerManagerSettle(&state->manager);
    add(at, 0, EARLY_US);
    add(at, 2, LATE_US);
    MODEL_CHECK(state->manager.timeouts.inbox == NULL);
    timerManagerGive(&state->manager, &state->records[RECORDS - 1], 1); /* for whoever comes */
    state->manager.timeouts.home = osThreadSelf() + 1;                  /* thread 0 */
}

static void becomeHome(void *at)
{
    State *state = at;
    timerManagerSettle(&state->manager);
}

static void becomeHomeAndExpire(void *at)
{
    becomeHome(at);
    expireAs(at, true, DUE_NS);
}

static void becomeHomeAndStop(void *at)
{
    becomeHome(at);
    stop(at, 2);
}

static void checkAlone(void *at)
{
    State *state = at;
    checkNotes(at);
    MODEL_CHECK(state->manager.timeouts.moved && state->manager.timers.gate.shared == 1);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"fireAgainstCancel", SIZE, 2, setUpPlaced, {homeExpires, stopFirst}, checkNotes, NULL, 0},
    {"cancelAgainstCancel", SIZE, 2, setUpPlaced, {stopFirst, stopFirst}, checkNotes, NULL, 0},
    {"cancelAgainstRescuer",
     SIZE,
     2,
     setUpPlaced,
     {stopFirst, rescuerExpires},
     checkNotes,
     NULL,
     0},
    {"reuseAgainstCancel", SIZE, 2, setUpPlaced, {stopAndAdd, stopFirst}, checkNotes, NULL, 0},
    {"reuseAgainstRescuer",
     SIZE,
     2,
     setUpPlaced,
     {stopAndAdd, rescuerExpires},
     checkNotes,
     NULL,
     0},
    {"armAgainstRescuer", SIZE, 2, setUpPlaced, {addSecond, rescuerExpires}, checkNotes, NULL, 0},
    {"armAgainstRegister", SIZE, 2, setUpQueued, {addSecond, updateLater}, checkNotes, NULL, 0},
    {"othersComeAtOnce",
     SIZE,
     3,
     setUpPlaced,
     {stopFirst, shareWords, shareWords},
     checkNotes,
     NULL,
     0},
    {"cancelAfterOthers", SIZE, 2, setUpTwoPlaced, {stopAndExpire, stopFirst}, checkNotes, NULL, 0},
    {"updateAgainstRescuer",
     SIZE,
     2,
     setUpPlaced,
     {updateLater, rescuerExpires},
     checkNotes,
     NULL,
     0},
    {"updateAgainstCancel",
     SIZE,
     2,
     setUpPlaced,
     {updateAndExpire, stopFirst},
     checkNotes,
     NULL,
     0},
    {"updateAgainstUpdate",
     SIZE,
     2,
     setUpPlaced,
     {updateAndExpire, updateEarlier},
     checkNotes,
     NULL,
     0},
    {"cancelQueued", SIZE, 2, setUpQueued, {stopFirst, updateLater}, checkNotes, NULL, 0},
    {"cancelQueuedTwice", SIZE, 2, setUpQueued, {stopFirst, stopFirst}, checkNotes, NULL, 0},
    {"moveAgainstCancel",
     SIZE,
     2,
     setUpAlone,
     {stopFirst, becomeHomeAndExpire},
     checkAlone,
     NULL,
     0},
    {"moveAgainstArm", SIZE, 2, setUpAlone, {addSecond, becomeHomeAndExpire}, checkAlone, NULL, 0},
    {"moveAgainstUpdate", SIZE, 2, setUpAlone, {updateLater, becomeHome}, checkAlone, NULL, 0},
    {"moveAndCancel", SIZE, 2, setUpAlone, {stopFirst, becomeHomeAndStop}, checkAlone, NULL, 0},
};

int main(int argc, char **argv)
{
    return stageMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
