/* TVar.c -- a value, its version, and who watches it.
 *
 * Owns    TVar.value, TVar.version.
 * After   rts/Park.c: awaiting.   iomgr/WatchList.c: the watchers.
 * Tests   testsuite/unit/TVarTest.c, testsuite/model/TVarModel.c
 *
 * See Note [TVar versions].
 */
#include "rts/stm/TVar.h"

#include "rts/Outside.h"
#include "rts/Park.h"
#include "rts/Pool.h"
#include "rts/Startup.h"
#include "rts/stm/Delay.h"
#include "rts/stm/Event.h"
#include "rts/stm/Reclaim.h"
#include "rts/stm/Serial.h"

#include "internal/Turn.h"

#include <errno.h>

static Pool tvars;

void tvarStart(const Allocator *allocator)
{
    serialReset();
    reclaimStart();
    poolOpen(&tvars, allocator, sizeof(TVar), offsetof(TVar, link));
    delayStart(allocator);
    eventStart(allocator);
}

void tvarEnd(void)
{
    eventEnd();
    delayEnd();
    poolClose(&tvars);
}

void tvarLockAll(void)
{
    reclaimLockAll();
    poolLock(&tvars);
    delayLockAll();
    eventLockAll();
}

void tvarUnlockAll(void)
{
    eventUnlockAll();
    delayUnlockAll();
    poolUnlock(&tvars);
    reclaimUnlockAll();
}

/* A plain OS thread may have been in the middle of a write: it is done, or it never was. */
void tvarSurviveOne(TVar *tvar)
{
    uint64_t version = RELAXED_LOAD(&tvar->version);
    RELAXED_STORE(&tvar->watchers, RELAXED_LOAD(&tvar->watchers) & WATCH_GENERATION);
    if ((version & 1) != 0)
        RELAXED_STORE(&tvar->version, shareCountOutside(version));
}

static void surviveItem(void *item)
{
    tvarSurviveOne(item);
}

int tvarSurvive(TimerHeap *heap)
{
    serialReset();
    poolSurvive(&tvars);
    poolEach(&tvars, surviveItem);
    eventSurvive();
    return delaySurvive(heap);
}

void tvarReset(TVar *tvar, void *value, TVarKind kind)
{
    RELAXED_STORE(&tvar->kind, (uint32_t)kind); /* a pool's are of one kind */
    RELAXED_STORE(&tvar->value, value);
    RELAXED_STORE(&tvar->version, 0);
    RELEASE_STORE(&tvar->watchers, 0);
}

TVar *tvarNew(void *value)
{
    bool outside = scheduleHere() == NULL;
    if (outside && startupEnter() != 0)
        return NULL;
    TVar *tvar = poolTake(&tvars);
    if (tvar != NULL)
        tvarReset(tvar, value, TVarPlain);
    if (outside)
        startupLeave();
    return tvar;
}

void tvarFree(TVar *tvar)
{
    if (tvar == NULL)
        return;
    if (tvar->kind == TVarDelay)
        delayCancel(tvar);
    watchListFire(watchListClose(&tvar->watchers, 1), -EINVAL, scheduleHere());
    if (tvar->kind == TVarDelay)
        delayGive(tvar);
    else
        poolGive(&tvars, tvar);
}

void *tvarLookSlow(TVar *tvar, uint64_t *version)
{
    int spins = 0;
    for (;;) {
        uint64_t before = ACQUIRE_LOAD(&tvar->version);
        void *value = ACQUIRE_LOAD(&tvar->value);
        if ((SEQ_CST_LOAD(&tvar->watchers) & WATCH_LOCK) != 0) {
            turnWait(&spins);
        } else if (RELAXED_LOAD(&tvar->version) == before) {
            *version = tvarEven(before);
            return value;
        }
    }
}

void *tvarReadVersionIO(TVar *tvar, uint64_t *version)
{
    return tvarLook(tvar, version);
}

void *tvarReadIO(TVar *tvar)
{
    uint64_t version;
    return tvarLook(tvar, &version);
}

/* The end of a write to what somebody has left the long way: See Note [WatchList places]. */
static __attribute__((noinline)) void unlockIndexed(TVar *tvar, Capability *here)
{
    WatchTaken taken = watchListUnlock(&tvar->watchers);
    watchListFire(watchListTaken(&tvar->watchers, taken), 0, here);
}

static inline void put(TVar *tvar, void *value, Capability *here)
{
    watchListLock(&tvar->watchers);
    uint64_t version = RELAXED_LOAD(&tvar->version);
    RELEASE_STORE(&tvar->version, version + 1); /* V1 */
    uint64_t next = LIKELY(here != NULL)
                        ? shareCountChange(&schedulerOf(here)->stm, here->index, version)
                        : shareCountOutside(version);
    RELEASE_STORE(&tvar->value, value);  /* V2 */
    RELEASE_STORE(&tvar->version, next); /* V3 */
    WatchList word = RELAXED_LOAD(&tvar->watchers);
    if (UNLIKELY((word & WATCH_INDEXED) != 0)) {
        unlockIndexed(tvar, here);
        return;
    }
    RELEASE_STORE(&tvar->watchers, word & WATCH_GENERATION);
    if (watchListHead(word) != NULL)
        parkFire(watchListHead(word), here);
}

void tvarPut(TVar *tvar, void *value, void *sink)
{
    put(tvar, value, sink);
}

int tvarWriteIO(TVar *tvar, void *value)
{
    if (tvar->kind != TVarPlain)
        return -EPERM;
    if (serialIsHeld() && scheduleMayWait())
        serialAwait();
    Capability *here = scheduleEnter();
    if (UNLIKELY(here == NULL)) {
        tvarPut(tvar, value, NULL);
        return 0;
    }
    put(tvar, value, here);
    scheduleSafepoint(here);
    return 0;
}

typedef struct Seen {
    TVar *tvar;
    uint64_t version;
} Seen;

static bool hasChanged(void *env)
{
    Seen *seen = env;
    return tvarEven(RELAXED_LOAD(&seen->tvar->version)) != seen->version;
}

/* Both: again when the write that made `version` has only now found us in the list. */
static int awaitAnyhow(Seen *seen, int64_t deadline_ns)
{
    int result = 0;
    bool outside = outsideStayHere(); /* it looks at the variable after each wait */
    while (result == 0 && !hasChanged(seen))
        result = parkOnList(&seen->tvar->watchers, 0, hasChanged, seen, ThreadBlockedOnTVar,
                            deadline_ns);
    if (outside)
        outsideStayOver();
    return result == -EALREADY ? -EINVAL : result;
}

static inline int awaitListed(Capability *here, TVar *tvar, uint64_t version)
{
    while (tvarEven(RELAXED_LOAD(&tvar->version)) == version) {
        *scheduleWait(here) = (ListedWait){.list = &tvar->watchers,
                                           .watched = &tvar->version,
                                           .seen = version,
                                           .bits = ~UINT64_C(1)};
        int result = parkListed(here, ThreadBlockedOnTVar, -1);
        if (UNLIKELY(result != 0))
            return result == -EALREADY ? -EINVAL : result;
        here = scheduleHere();
    }
    return 0;
}

int tvarAwaitHere(Capability *here, TVar *tvar, uint64_t version)
{
    return awaitListed(here, tvar, version);
}

int tvarAwaitUntil(TVar *tvar, uint64_t version, int64_t deadline_ns)
{
    Capability *here = scheduleEnter();
    if (deadline_ns == DEADLINE_NEVER && LIKELY(scheduleWaiter(here) != NULL))
        return awaitListed(here, tvar, version);
    return awaitAnyhow(&(Seen){.tvar = tvar, .version = version}, deadline_ns);
}

int tvarAwait(TVar *tvar, uint64_t version)
{
    Capability *here = scheduleEnter();
    if (LIKELY(scheduleWaiter(here) != NULL))
        return awaitListed(here, tvar, version);
    return awaitAnyhow(&(Seen){.tvar = tvar, .version = version}, DEADLINE_NEVER);
}
