/* TVar.h -- a value, its version, and who watches it.
 *
 * Note [TVar versions]
 *   version  even: grows with each write; odd: a writer is at work.
 *   field    from   to     by        order    meaning
 *   watchers L      LOCK   writer    seq_cst  takes all watchers; See Note [WatchList states]
 *   version  2n     2n+1   writer    release  (V1) under LOCK, as all that follow
 *   value    a      b      writer    release  (V2) only between V1 and V3
 *   version  2n+1   2m     writer    release  (V3)
 *   version  2n+1   2n     commit    release  gives up: the value is as it was
 *   watchers LOCK   empty  writer    release  then fires them
 *   A reader takes version (acquire), value (acquire), watchers (seq_cst), version again (relaxed):
 *   no LOCK and versions equal, or anew.  Who reads a value of V2 has acquired V1, so its second
 *   look sees 2n+1 or later; who reads the version of V1 has acquired LOCK, so it finds that, or
 *   V3; or this writer has given up (2n again, unlocked), and the second look may be at the next
 *   one's V1: the value is still that of 2n, the version that the reader gives it.  LOCK tells of a
 *   commit before its V1: See Note [Commit].  It is seq_cst, as is the look at it: of two threads
 *   that write one variable each and then read the other's, one finds the LOCK or what came of it.
 *   A watcher publishes itself, then compares the version (relaxed): what was unlocked before its
 *   node came into the list it sees by that very operation, and every later lock takes the node.
 *   Between V1 and V2 the change is counted, which gives the new version: See Note [Counting
 *   changes].
 *   A transaction's commit takes the same lock on each TVar it writes: nothing here changes for it.
 */
#ifndef RTS_TVAR_H
#define RTS_TVAR_H

#include "capability/Runnable.h"
#include "iomgr/TimerHeap.h"
#include "iomgr/WatchList.h"

#include <capri/allocator.h>
#include <capri/tvar.h>

typedef enum TVarKind {
    TVarPlain = 0, /* anyone writes */
    TVarDelay = 1, /* an event TVar: written once, by its timer */
    TVarEvent = 2  /* likewise, by what a transaction waits for: See Event.h */
} TVarKind;

struct TVar {
    void *value;        /* see Note [TVar versions] */
    uint64_t version;   /* likewise */
    WatchList watchers; /* see WatchList.h; generation 1: freed */
    uint32_t kind;      /* constant while it lives: TVarKind */
    void *link;         /* the pool's while it is free; See Event.h */
} CACHE_ALIGNED;

/* TVars are type-stable: a waiter whose time is up may still be taking its node out of the list
 * while the variable is freed. */
void tvarStart(const Allocator *allocator);
void tvarEnd(void);

/* tvarLockAll, tvarUnlockAll -- around a fork: none is made or freed.
 * tvarSurvive -- its child: nobody watches or writes; delays are armed on `heap`.  0 or -ENOMEM. */
void tvarLockAll(void);
void tvarUnlockAll(void);
int tvarSurvive(TimerHeap *heap);

/* tvarSurviveOne -- one of them. */
void tvarSurviveOne(TVar *tvar);

/* tvarEven -- the version of a value that was read beside V1 of a writer that has given up. */
static inline uint64_t tvarEven(uint64_t version)
{
    return version & ~UINT64_C(1);
}

/* tvarLook -- value and version of one moment. */
void *tvarLookSlow(TVar *tvar, uint64_t *version);

static inline void *tvarLook(TVar *tvar, uint64_t *version)
{
    uint64_t before = ACQUIRE_LOAD(&tvar->version);
    void *value = ACQUIRE_LOAD(&tvar->value);
    if (UNLIKELY((SEQ_CST_LOAD(&tvar->watchers) & WATCH_LOCK) != 0 ||
                 RELAXED_LOAD(&tvar->version) != before))
        return tvarLookSlow(tvar, version);
    *version = tvarEven(before);
    return value;
}

/* tvarReset -- a new life for an item of a pool. */
void tvarReset(TVar *tvar, void *value, TVarKind kind);

/* tvarAwaitHere -- tvarAwait of the green thread that runs on `here`.  0: it has been written since
 * `version`. */
int tvarAwaitHere(Capability *here, TVar *tvar, uint64_t version);

/* tvarPut -- write and wake; sink: the capability the caller runs on, or NULL. */
void tvarPut(TVar *tvar, void *value, void *sink);

#endif
