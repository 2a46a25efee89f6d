/* Waker.c -- waking green threads from outside: a runnable that puts a value where it is waited
 * for.
 *
 * Owns    Waker.word; who may still come in.
 * Before  any OS thread, any signal handler.
 * After   capability/Inbox.c: the way in.   rts/MVar.c, rts/stm/TVar.c: what is put.
 * Tests   testsuite/unit/WakerTest.c, testsuite/model/WakerModel.c, testsuite/stress/WakerStorm.c
 *
 * See Note [Waker word], Note [Waker in a signal handler] and Note [Waker and a full box].
 */
#include "rts/Waker.h"

#include "capability/CapabilityTable.h"
#include "internal/Turn.h"
#include "rts/MVar.h"
#include "rts/Pool.h"
#include "rts/Startup.h"
#include "rts/stm/TVar.h"

#include <errno.h>
#include <stddef.h>

/* The marks of Note [Waker word]: nobody else can name these addresses. */
static char marks[4];
#define IDLE ((void *)&marks[0])
#define RUNNING ((void *)&marks[1])
#define FREED ((void *)&marks[2])
#define GONE ((void *)&marks[3])

enum { GATE_OPEN = 1, GATE_ONE = 2 };

static struct {
    Pool pool;
    uint32_t gate; /* GATE_OPEN, and GATE_ONE for each that is inside */
} wakers;

/* ---- Who may come in ------------------------------------------------------------------------- */

static int enter(void)
{
    if (LIKELY((ADD_ACQUIRE(&wakers.gate, GATE_ONE) & GATE_OPEN) != 0))
        return 0;
    ADD_RELAXED(&wakers.gate, (uint32_t)-GATE_ONE);
    return startupIsBroken() ? -ENOTRECOVERABLE : -ENXIO;
}

static void leave(void)
{
    ADD_RELEASE(&wakers.gate, (uint32_t)-GATE_ONE);
}

void wakerStart(const Allocator *allocator)
{
    poolOpen(&wakers.pool, allocator, sizeof(Waker), offsetof(Waker, link));
    OR_RELEASE(&wakers.gate, GATE_OPEN);
}

void wakerClose(void)
{
    int spins = 0;
    AND_RELAXED(&wakers.gate, ~(uint32_t)GATE_OPEN);
    while (ACQUIRE_LOAD(&wakers.gate) != 0)
        turnWait(&spins);
}

void wakerEnd(void)
{
    wakerClose();
    poolClose(&wakers.pool);
}

/* ---- One put --------------------------------------------------------------------------------- */

static void giveBack(Waker *waker)
{
    waker->kind = WakerNone;
    if (waker->held)
        rtsRelease();
    poolGive(&wakers.pool, waker);
}

static void perform(Waker *waker, void *value, Capability *capability)
{
    if (waker->kind == WakerMVar)
        mvarOffer(waker->variable, value, capability); /* full: See Note [Waker and a full box] */
    else
        tvarPut(waker->variable, value, capability);
}

static void runWaker(Runnable *runnable, Capability *capability)
{
    Waker *waker = (Waker *)(void *)runnable;
    void *value = XCHG_ACQUIRE(&waker->word, RUNNING); /* K2 */
    void *found = RUNNING;
    ASSERT(value != IDLE && value != RUNNING && value != GONE);
    if (UNLIKELY(value == FREED)) {
        giveBack(waker);
        return;
    }
    perform(waker, value, capability);
    if (LIKELY(CAS_RELEASE(&waker->word, &found, IDLE))) /* K3 */
        return;
    if (found == FREED)
        RELEASE_STORE(&waker->word, GONE); /* K5 */
    else
        capabilityPush(capability, runnable); /* not at once: others are ready, too */
}

int wakerPut(Waker *waker, void *value)
{
    int result = enter();
    if (UNLIKELY(result != 0))
        return result;
    void *old = XCHG_ACQ_REL(&waker->word, value); /* K1 */
    ASSERT(old != FREED && old != GONE);
    if (old == IDLE)
        capabilitySend(capabilityTablePlace(waker->home), &waker->runnable, false);
    leave();
    return old == IDLE || old == RUNNING ? 0 : 1;
}

/* ---- Making and freeing ---------------------------------------------------------------------- */

static Waker *make(WakerKind kind, void *variable)
{
    Capability *here = scheduleHere();
    if (here == NULL && startupEnter() != 0)
        return NULL;
    Waker *waker = poolTake(&wakers.pool);
    if (waker != NULL) {
        waker->runnable.run = runWaker;
        waker->variable = variable;
        waker->home = here != NULL ? here->index : capabilityTablePick()->index;
        RELAXED_STORE(&waker->word, IDLE);
        waker->kind = kind;
        waker->held = rtsHold() == 0;
    }
    if (here == NULL)
        startupLeave();
    return waker;
}

Waker *wakerNewMVar(MVar *mvar)
{
    return mvar == NULL ? NULL : make(WakerMVar, mvar);
}

Waker *wakerNewTVar(TVar *tvar)
{
    return tvar == NULL || tvar->kind != TVarPlain ? NULL : make(WakerTVar, tvar);
}

void wakerFree(Waker *waker)
{
    int spins = 0;
    if (waker == NULL || enter() != 0)
        return;
    void *old = XCHG_ACQUIRE(&waker->word, FREED); /* K4 */
    ASSERT(old != FREED && old != GONE);
    while (old == RUNNING && ACQUIRE_LOAD(&waker->word) != GONE)
        turnWait(&spins);
    if (old == IDLE || old == RUNNING)
        giveBack(waker);
    leave();
}

/* ---- Around a fork --------------------------------------------------------------------------- */

void wakerLockAll(void)
{
    poolLock(&wakers.pool);
}

void wakerUnlockAll(void)
{
    poolUnlock(&wakers.pool);
}

static Capability *surviving; /* while wakerSurvive runs */

/* Inboxes are made anew.  No carrier was inside; who put may have been anywhere. */
static void surviveItem(void *item)
{
    Waker *waker = item;
    void *word = RELAXED_LOAD(&waker->word);
    if (waker->kind == WakerNone || word == IDLE)
        return;
    if (word == FREED || word == GONE)
        giveBack(waker);
    else
        capabilitySend(surviving, &waker->runnable, false);
}

void wakerSurvive(Capability *kept)
{
    surviving = kept;
    RELAXED_STORE(&wakers.gate, GATE_OPEN);
    poolSurvive(&wakers.pool);
    poolEach(&wakers.pool, surviveItem);
}

void wakerForget(void)
{
    RELAXED_STORE(&wakers.gate, 0);
}
