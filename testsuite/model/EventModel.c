/* EventModel.c -- every interleaving of a transaction's Event with what makes it happen, with
 * closing, and with giving it back.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/stm/Event.c rts/stm/FdEvent.c iomgr/EventManager.c iomgr/FdAwait.c
 * model-sources: iomgr/WatchList.c
 *
 * Thread 0 is the transaction: it looks at the fd or the thread through the real code, waits until
 * the variable is written, or does not, and gives the Event back.  The kernel is FdWaitModel.c's.
 * What has happened is told; an Event in the pool is touched by nobody.  How a variable is written
 * and waited for: TVarModel.c, BlockModel.c.
 */
#include "capability/FdHome.c"
#include "iomgr/Clock.c"
#include "iomgr/FdRegister.c"
#include "iomgr/FdSlot.c"
#include "iomgr/FdTable.c"
#include "iomgr/Registration.c"
#include "rts/Park.c"
#include "rts/Wait.c"

#include "iomgr/FdAwait.h"
#include "rts/Outside.h"
#include "rts/Pool.h"
#include "rts/stm/Event.h"
#include "testsuite/model/Explorer.h"

#include <capri/fd.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "testsuite/model/FdWaitThreads.h"
#include "testsuite/model/InterruptStubs.h"
#include "testsuite/model/QueueStubs.h"

typedef struct Scene {
    State state; /* of the stage; first */
    Event event; /* the pool's only one */
    Thread other;
    Transaction tx;
    uint64_t owner;  /* plain: written by the transaction while it has the Event, and by firers */
    uint64_t result; /* plain: what the other thread leaves before it ends */
} Scene;

static Scene *scene(void)
{
    return (Scene *)(void *)current;
}

/* ---- What the code under test needs of others ------------------------------------------------ */

int poll(struct pollfd *look, nfds_t count, int timeout_ms)
{
    (void)timeout_ms;
    MODEL_CHECK(count == 1);
    enterKernel();
    look->revents = current->file == 0 ? POLLNVAL : isReadable(current->file) ? POLLIN : 0;
    return look->revents != 0;
}

void *poolTake(Pool *pool)
{
    (void)pool;
    MODEL_WRITE(scene()->owner, 1);
    return &scene()->event;
}

void poolGive(Pool *pool, void *item)
{
    (void)pool;
    MODEL_CHECK(item == &scene()->event);
    MODEL_WRITE(scene()->owner, 0);
}

void tvarReset(TVar *tvar, void *value, TVarKind kind)
{
    (void)kind;
    RELAXED_STORE(&tvar->value, value);
}

void tvarPut(TVar *tvar, void *value, void *sink)
{
    (void)sink;
    MODEL_CHECK(tvar == &scene()->event.tvar);
    MODEL_CHECK(MODEL_READ(scene()->owner) == 1);
    MODEL_WRITE(scene()->owner, 1);
    RELEASE_STORE(&tvar->value, value);
}

void tvarSurviveOne(TVar *tvar)
{
    (void)tvar;
}

void poolOpen(Pool *pool, const Allocator *allocator, size_t item_size, size_t link_offset)
{
    (void)pool, (void)allocator, (void)item_size, (void)link_offset;
}

void poolClose(Pool *pool)
{
    (void)pool;
}

void poolLock(Pool *pool)
{
    (void)pool;
}

void poolUnlock(Pool *pool)
{
    (void)pool;
}

void poolSurvive(Pool *pool)
{
    (void)pool;
}

void poolEach(Pool *pool, void (*visit)(void *item))
{
    (void)pool, (void)visit;
}

/* ---- How it begins ------------------------------------------------------------------------- */

static void begin(void *at)
{
    setUp(at);
    eventStart(NULL);
}

static void beginAdopted(void *at)
{
    setUpAdopted(at);
    eventStart(NULL);
}

static void beginUntouched(void *at)
{
    setUpUntouched(at);
    eventStart(NULL);
}

static void beginElsewhere(void *at)
{
    setUpElsewhere(at);
    eventStart(NULL);
}

/* ---- The transaction ------------------------------------------------------------------------- */

static Event *look(void)
{
    Transaction *tx = &scene()->tx;
    tx->here = &current->capabilities[0];
    Event *event = eventNew(tx, EventOfRead, FD, NULL);
    eventAskFd(event, FdRead, tx->here);
    MODEL_CHECK(eventFind(tx, EventOfRead, FD, NULL) == event);
    return event;
}

static bool isWritten(void *at)
{
    (void)at;
    return scene()->event.tvar.value != NULL;
}

static void release(void)
{
    eventRelease(&scene()->tx);
    RELAXED_STORE(&current->over, 1);
}

/* Until it is told. */
static void waitForIt(void *at)
{
    (void)at;
    Event *event = look();
    if (ACQUIRE_LOAD(&event->tvar.value) == NULL)
        modelBlock(isWritten, current);
    void *value = ACQUIRE_LOAD(&event->tvar.value);
    bool stale = value == EVENT_HAPPENED && eventIsStale(event, FdRead);
    MODEL_CHECK(value == EVENT_HAPPENED || value == (void *)(intptr_t)-EBADF);
    release();
    modelOutcome(stale ? 2 : (uintptr_t)value & 1);
}

/* It happens, and then the number moves: nobody has closed it. */
static void waitForMoved(void *at)
{
    (void)at;
    Event *event = look();
    if (ACQUIRE_LOAD(&event->tvar.value) == NULL)
        modelBlock(isWritten, current);
    MODEL_CHECK(ACQUIRE_LOAD(&event->tvar.value) == EVENT_HAPPENED);
    MODEL_CHECK(!eventIsStale(event, FdRead));
    release();
}

/* Another branch wins; then another transaction has the Event. */
static void giveItUp(void *at)
{
    (void)at;
    look();
    release();
    MODEL_WRITE(scene()->owner, 2);
}

static void joinIt(void *at)
{
    Scene *it = at;
    Event *event;
    it->tx.here = &current->capabilities[0];
    event = eventNew(&it->tx, EventOfEnd, -1, &it->other);
    eventArm(event);
    if (!watchListAdd(&it->other.ended, 0, &event->node)) {
        eventDisarm(event);
        eventSet(event, 0);
    }
    if (ACQUIRE_LOAD(&event->tvar.value) == NULL)
        modelBlock(isWritten, current);
    MODEL_CHECK(ACQUIRE_LOAD(&event->tvar.value) == EVENT_HAPPENED);
    MODEL_CHECK(MODEL_READ(it->result) == 7);
    release();
}

static void joinOrNot(void *at)
{
    Scene *it = at;
    it->tx.here = &current->capabilities[0];
    Event *event = eventNew(&it->tx, EventOfEnd, -1, &it->other);
    eventArm(event);
    if (!watchListAdd(&it->other.ended, 0, &event->node))
        eventDisarm(event);
    release();
    MODEL_WRITE(it->owner, 2);
}

/* ---- The others ------------------------------------------------------------------------------ */

static void endThread(void *at)
{
    Scene *it = at;
    WatchNode *joiners;
    MODEL_WRITE(it->result, 7);
    watchListCloseMarked(&it->other.ended, 1, &joiners);
    watchListFire(joiners, 0, NULL);
}

static void fireOnce(void *at)
{
    (void)at;
    fdSlotFire(fdTableFind(&tables[1], FD), FdRead, 0, NULL);
}

static void fireAndMove(void *at)
{
    fireOnce(at);
    moveHome(at);
}

/* The first half of closeFd. */
static void closeEarly(void *at)
{
    (void)at;
    EventManager *left = fdHomeManager(fdHomeLeave(FD));
    if (left != NULL)
        eventManagerClosingFd(left, FD, NULL);
}

static void checkGone(void *at)
{
    State *state = at;
    MODEL_CHECK(scene()->event.node.linked == 0);
    MODEL_CHECK(!eventIsAwaited() && !scene()->tx.eventful);
    for (int i = 0; i < CAPABILITIES; i++) {
        FdSlot *slot = fdTableFind(&tables[i], FD);
        MODEL_CHECK(fdSlotSane(slot) && !watchListHasWatchers(&slot->waiters[FdRead]));
    }
    MODEL_CHECK(state->over == 1);
}

/* It waits for the file that the number stands for now, which is not readable, and its kernel knows
 * it. */
static bool isKnownThere(void *at)
{
    State *state = at;
    uint32_t home = fdHomeLook(FD) & HOME_MASK;
    return home != 0 && state->file != 0 && state->epolls[home - 1].file == state->file &&
           scene()->event.node.linked == 1 &&
           watchListHasWatchers(&fdTableFind(&tables[home - 1], FD)->waiters[FdRead]);
}

#define SIZE sizeof(Scene)

static const Model models[] = {
    {"arrival", SIZE, 2, begin, {waitForIt, arrival}, checkGone, NULL, 0},
    {"arrivalAdopted", SIZE, 2, beginAdopted, {waitForIt, arrival}, checkGone, NULL, 0},
    {"arrivalElsewhere", SIZE, 2, beginElsewhere, {waitForIt, arrival}, checkGone, NULL, 0},
    {"closeEarly", SIZE, 2, beginElsewhere, {waitForIt, closeEarly}, checkGone, isKnownThere, 0},
    {"closeLate", SIZE, 2, beginAdopted, {waitForIt, closeLate}, checkGone, NULL, 0},
    {"closeElsewhere", SIZE, 2, beginElsewhere, {waitForIt, closeLate}, checkGone, NULL, 0},
    {"reuseUntouched", SIZE, 2, beginUntouched, {waitForIt, reuser}, checkGone, isKnownThere, 0},
    {"reuseElsewhere", SIZE, 2, beginElsewhere, {waitForIt, reuser}, checkGone, isKnownThere, 0},
    {"moveHome", SIZE, 2, beginElsewhere, {waitForIt, moveHome}, checkGone, isKnownThere, 0},
    {"fireAndMove",
     SIZE,
     2,
     beginElsewhere,
     {waitForMoved, fireAndMove},
     checkGone,
     isKnownThere,
     0},
    {"giveUpAgainstFire", SIZE, 2, beginElsewhere, {giveItUp, fireOnce}, checkGone, NULL, 0},
    {"giveUpAgainstClose", SIZE, 2, beginElsewhere, {giveItUp, closeEarly}, checkGone, NULL, 0},
    {"join", SIZE, 2, begin, {joinIt, endThread}, checkGone, NULL, 0},
    {"giveUpAgainstEnd", SIZE, 2, begin, {joinOrNot, endThread}, checkGone, NULL, 0},
};

int main(int argc, char **argv)
{
    for (int i = 0; i < CAPABILITIES; i++) {
        if (fdTableInit(&tables[i], NULL) != 0 || fdTableGet(&tables[i], FD) == NULL)
            return 2;
    }
    capabilities.count = capabilities.enabled = 1;
    static Capability first;
    capabilities.items[0] = &first;
    if (fdHomeStart(NULL) != 0 || fdHomeSettle(FD, &first) == 0)
        return 2;
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
