/* TChan.c -- a channel inside of transactions, read from many ends.
 *
 * Owns    the cells of its channels, and their counts of references.
 * After   rts/stm/Status.c; rts/stm/Reclaim.c: letting go late.
 * Tests   testsuite/unit/TChanTest.c, testsuite/model/ChanModel.c (every interleaving),
 *         testsuite/stress/QueueStorm.c
 *
 * Note [Cells of a channel]
 *   A cell holds the value that is read by coming to it, and a variable: the next cell, or NULL.
 *   `last` of the stream holds the newest cell, `first` of an end the one it has come to.  What an
 *   end is given back (unGet) makes a cell of another kind, without a variable: its value is read
 *   by going on to `onto`, the cell where the end stood; no other end sees it.
 *
 * Note [References to a cell]
 *   One for each end that stands at it, one if it is the stream's newest, one from the cell before
 *   it, and one from each given-back cell that stands onto it.  Who lets go of the last frees the
 *   cell, its variable and its value, and lets go of the next one.  So a cell lives while an end
 *   stands at it or before it, and a stream without ends keeps nothing but its newest cell.
 *   A reference is taken in the attempt that needs it, and let go at once if that is undone; it is
 *   let go late (stmRetire) by the transaction that moves away.  So the count is never below the
 *   truth, and an attempt that has found a cell, though it will fail, holds it: whoever has moved
 *   away from it meanwhile cannot have let go before the attempt is over.
 *   In a fork's child the references of an attempt that ran on a plain OS thread stay.
 *
 * See Note [Twins].
 */
#include <capri/tchan.h>

#include "rts/stm/Container.h"

#include <errno.h>

typedef struct ChanCell {
    void *value;               /* constant */
    TVar *next;                /* constant; NULL: given back */
    struct ChanCell *onto;     /* constant; given back: where to go on */
    void (*free)(void *value); /* constant; NULL: the value is nobody's */
    uint64_t refs;             /* See Note [References to a cell] */
} ChanCell;

typedef struct Stream {
    TVar *last;                /* constant; See Note [Cells of a channel] */
    void (*free)(void *value); /* constant */
    uint64_t handles;          /* TChans; likewise counted */
} Stream;

struct TChan {
    Stream *stream; /* constant */
    TVar *first;    /* constant; its value: where this end stands.  NULL: of no use for reading */
};

/* ---- references ---- */

static void forgetCell(void *cell)
{
    memoryRelease(startupAllocator(), cell, sizeof(ChanCell), sizeof(void *));
}

static void dropCell(void *env)
{
    for (ChanCell *cell = env, *after; cell != NULL; cell = after) {
        uint64_t refs = ADD_ACQ_REL(&cell->refs, -UINT64_C(1));
        ASSERT(refs != 0);
        if (refs != 1)
            return;
        after = cell->next == NULL ? cell->onto : tvarReadIO(cell->next);
        tvarFree(cell->next);
        if (cell->free != NULL)
            cell->free(cell->value);
        forgetCell(cell);
    }
}

static void dropStream(void *env)
{
    Stream *stream = env;
    uint64_t handles = ADD_ACQ_REL(&stream->handles, -UINT64_C(1));
    ASSERT(handles != 0);
    if (handles != 1)
        return;
    dropCell(tvarReadIO(stream->last));
    tvarFree(stream->last);
    memoryRelease(startupAllocator(), stream, sizeof *stream, sizeof(void *));
}

/* One more reference for what this transaction does. */
static int holdOne(Transaction *tx, uint64_t *refs, StmHook *drop, void *object)
{
    ADD_RELAXED(refs, 1);
    int status = stmOnAbortStatus(tx, drop, object);
    if (status != 0)
        drop(object);
    return status;
}

/* ---- coming and going ---- */

static void forgetChan(void *chan)
{
    memoryRelease(startupAllocator(), chan, sizeof(TChan), sizeof(void *));
}

static void freeChan(void *chan)
{
    tchanFree(chan);
}

static TChan *makeChan(void (*free)(void *value), bool reads)
{
    TChan *chan = memoryAllocate(startupAllocator(), sizeof *chan, sizeof(void *));
    Stream *stream = memoryAllocate(startupAllocator(), sizeof *stream, sizeof(void *));
    ChanCell *cell = memoryAllocate(startupAllocator(), sizeof *cell, sizeof(void *));
    TVar *next = tvarNew(NULL), *last = tvarNew(cell), *first = reads ? tvarNew(cell) : NULL;
    if (chan != NULL && stream != NULL && cell != NULL && next != NULL && last != NULL &&
        (first != NULL || !reads)) {
        *cell = (ChanCell){.next = next, .refs = reads ? 2 : 1};
        *stream = (Stream){last, free, 1};
        *chan = (TChan){stream, first};
        return chan;
    }
    tvarFree(next);
    tvarFree(last);
    tvarFree(first);
    memoryRelease(startupAllocator(), cell, sizeof *cell, sizeof(void *));
    memoryRelease(startupAllocator(), stream, sizeof *stream, sizeof(void *));
    memoryRelease(startupAllocator(), chan, sizeof *chan, sizeof(void *));
    return NULL;
}

TChan *tchanNew(void (*free)(void *value))
{
    return makeChan(free, true);
}

TChan *tchanNewBroadcast(void (*free)(void *value))
{
    return makeChan(free, false);
}

int tchanNewStatus(Transaction *tx, void (*free)(void *value), TChan **chan)
{
    *chan = tchanNew(free);
    return stmAddNew(tx, *chan, freeChan);
}

int tchanNewBroadcastStatus(Transaction *tx, void (*free)(void *value), TChan **chan)
{
    *chan = tchanNewBroadcast(free);
    return stmAddNew(tx, *chan, freeChan);
}

void tchanFree(TChan *chan)
{
    if (chan == NULL)
        return;
    if (chan->first != NULL)
        dropCell(tvarReadIO(chan->first));
    tvarFree(chan->first);
    dropStream(chan->stream);
    forgetChan(chan);
}

int tchanFreeStatus(Transaction *tx, TChan *chan)
{
    return containerFreeLater(tx, chan, freeChan);
}

/* Another end of stream, at `cell`, which some variable that was read holds. */
static int makeEnd(Transaction *tx, Stream *stream, ChanCell *cell, TChan **made)
{
    TVar *first;
    *made = NULL;
    STM_TRY(holdOne(tx, &cell->refs, dropCell, cell));
    STM_TRY(holdOne(tx, &stream->handles, dropStream, stream));
    STM_TRY(stmNewTVar(tx, cell, &first));
    TChan *chan = memoryAllocate(startupAllocator(), sizeof *chan, sizeof(void *));
    if (chan != NULL)
        *chan = (TChan){stream, first};
    STM_TRY(stmAddNew(tx, chan, forgetChan));
    *made = chan;
    return 0;
}

int tchanDupStatus(Transaction *tx, TChan *chan, TChan **made)
{
    void *last;
    STM_TRY(tvarReadStatus(tx, chan->stream->last, &last));
    return makeEnd(tx, chan->stream, last, made);
}

/* Where this end stands. */
static int findHere(Transaction *tx, TChan *chan, ChanCell **here)
{
    void *cell;
    *here = NULL;
    if (chan->first == NULL)
        return stmThrowStatus(tx, -EINVAL, NULL);
    STM_TRY(tvarReadStatus(tx, chan->first, &cell));
    *here = cell;
    return 0;
}

int tchanCloneStatus(Transaction *tx, TChan *chan, TChan **made)
{
    ChanCell *here;
    STM_TRY(findHere(tx, chan, &here));
    return makeEnd(tx, chan->stream, here, made);
}

/* ---- values ---- */

int tchanWriteStatus(Transaction *tx, TChan *chan, void *value)
{
    Stream *stream = chan->stream;
    void *last;
    TVar *next;
    STM_TRY(tvarReadStatus(tx, stream->last, &last));
    STM_TRY(stmNewTVar(tx, NULL, &next));
    ChanCell *cell = memoryAllocate(startupAllocator(), sizeof *cell, sizeof(void *));
    if (cell != NULL)
        *cell = (ChanCell){.value = value, .next = next, .free = stream->free, .refs = 2};
    STM_TRY(stmAddNew(tx, cell, forgetCell));
    STM_TRY(tvarWriteStatus(tx, ((ChanCell *)last)->next, cell));
    STM_TRY(tvarWriteStatus(tx, stream->last, cell));
    return stmRetireStatus(tx, last, dropCell);
}

/* The end's reference to where it stood is the new cell's now. */
int tchanUnGetStatus(Transaction *tx, TChan *chan, void *value)
{
    ChanCell *here;
    STM_TRY(findHere(tx, chan, &here));
    ChanCell *cell = memoryAllocate(startupAllocator(), sizeof *cell, sizeof(void *));
    if (cell != NULL)
        *cell = (ChanCell){.value = value, .onto = here, .refs = 1};
    STM_TRY(stmAddNew(tx, cell, forgetCell));
    return tvarWriteStatus(tx, chan->first, cell);
}

/* What comes next at this end: where it stands once it has been read (NULL: nothing), the value. */
static int lookAhead(Transaction *tx, TChan *chan, ChanCell **here, ChanCell **after, void **value)
{
    void *next;
    STM_TRY(findHere(tx, chan, here));
    if ((*here)->next == NULL) {
        *after = (*here)->onto;
        *value = (*here)->value;
        return 0;
    }
    STM_TRY(tvarReadStatus(tx, (*here)->next, &next));
    *after = next;
    if (*after != NULL)
        *value = (*after)->value;
    return 0;
}

int tchanTryReadStatus(Transaction *tx, TChan *chan, void **value, bool *found)
{
    ChanCell *here, *after;
    *found = false;
    STM_TRY(lookAhead(tx, chan, &here, &after, value));
    if (after == NULL)
        return 0;
    STM_TRY(holdOne(tx, &after->refs, dropCell, after));
    STM_TRY(tvarWriteStatus(tx, chan->first, after));
    *found = true;
    return stmRetireStatus(tx, here, dropCell);
}

int tchanTryPeekStatus(Transaction *tx, TChan *chan, void **value, bool *found)
{
    ChanCell *here, *after = NULL;
    int status = lookAhead(tx, chan, &here, &after, value);
    *found = after != NULL;
    return status;
}

int tchanIsEmptyStatus(Transaction *tx, TChan *chan, bool *empty)
{
    void *value;
    STM_TRY(tchanTryPeekStatus(tx, chan, &value, empty));
    *empty = !*empty;
    return 0;
}

int tchanReadStatus(Transaction *tx, TChan *chan, void **value)
{
    bool found;
    STM_TRY(tchanTryReadStatus(tx, chan, value, &found));
    return containerRetryUnless(tx, found);
}

int tchanPeekStatus(Transaction *tx, TChan *chan, void **value)
{
    bool found;
    STM_TRY(tchanTryPeekStatus(tx, chan, value, &found));
    return containerRetryUnless(tx, found);
}

/* ---- by jumps ---- */

TChan *tchanNewSTM(Transaction *tx, void (*free)(void *value))
{
    TChan *chan;
    containerLeaveUnless(tx, tchanNewStatus(tx, free, &chan));
    return chan;
}

TChan *tchanNewBroadcastSTM(Transaction *tx, void (*free)(void *value))
{
    TChan *chan;
    containerLeaveUnless(tx, tchanNewBroadcastStatus(tx, free, &chan));
    return chan;
}

void tchanFreeSTM(Transaction *tx, TChan *chan)
{
    containerLeaveUnless(tx, tchanFreeStatus(tx, chan));
}

TChan *tchanDup(Transaction *tx, TChan *chan)
{
    TChan *made;
    containerLeaveUnless(tx, tchanDupStatus(tx, chan, &made));
    return made;
}

TChan *tchanClone(Transaction *tx, TChan *chan)
{
    TChan *made;
    containerLeaveUnless(tx, tchanCloneStatus(tx, chan, &made));
    return made;
}

void tchanWrite(Transaction *tx, TChan *chan, void *value)
{
    containerLeaveUnless(tx, tchanWriteStatus(tx, chan, value));
}

void tchanUnGet(Transaction *tx, TChan *chan, void *value)
{
    containerLeaveUnless(tx, tchanUnGetStatus(tx, chan, value));
}

void *tchanRead(Transaction *tx, TChan *chan)
{
    void *value = NULL;
    containerLeaveUnless(tx, tchanReadStatus(tx, chan, &value));
    return value;
}

void *tchanPeek(Transaction *tx, TChan *chan)
{
    void *value = NULL;
    containerLeaveUnless(tx, tchanPeekStatus(tx, chan, &value));
    return value;
}

bool tchanTryRead(Transaction *tx, TChan *chan, void **value)
{
    bool found;
    containerLeaveUnless(tx, tchanTryReadStatus(tx, chan, value, &found));
    return found;
}

bool tchanTryPeek(Transaction *tx, TChan *chan, void **value)
{
    bool found;
    containerLeaveUnless(tx, tchanTryPeekStatus(tx, chan, value, &found));
    return found;
}

bool tchanIsEmpty(Transaction *tx, TChan *chan)
{
    bool empty;
    containerLeaveUnless(tx, tchanIsEmptyStatus(tx, chan, &empty));
    return empty;
}
