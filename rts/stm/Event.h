/* Event.h -- what a transaction waits for beside variables: an fd, a thread's end.
 *
 * Note [Events in transactions]
 *   An Event is a variable that is written once, by who makes it happen: NULL, then EVENT_HAPPENED,
 *   or a negative number if it never will.  It belongs to one transaction, from its first look that
 *   found nothing until it is over, whatever way: attempts and branches that are given up leave it.
 *   For the transaction it is a variable it reads, so all that holds of variables holds here: an
 *   attempt sees one value and a later one never an older one; what came between the look and the
 *   park is not lost; a retry waits by a node in its list.
 *   Its own node is in the fd's or the thread's list meanwhile, beside those of plain waits, who
 *   pay nothing for it.
 *     held   0 -> 1  owner   relaxed  before it publishes the node
 *     held   1 -> 0  firer   release  its last touch of the Event, after the write
 *   The owner takes the node out; of one that has been taken it waits for `held` to be 0 (acquire).
 *   An Event of an fd also knows the generation it was published under: woken, and closed before
 *   it looks again, it is told -EBADF, for the number may be another file's.
 */
#ifndef RTS_EVENT_H
#define RTS_EVENT_H

#include "iomgr/FdTable.h"
#include "rts/stm/Transaction.h"

#define EVENT_HAPPENED ((void *)1)

typedef enum EventKind {
    EventNone = 0, /* in the pool */
    EventOfRead = 1,
    EventOfWrite = 2,
    EventOfEnd = 3
} EventKind;

struct Event {
    TVar
        tvar; /* See Note [Events in transactions]; link: See Note [What a transaction waits for] */
    WatchNode node; /* in the list of `subject`; node.tag: the generation, of fds */
    Event *next;    /* the transaction's */
    void *subject;  /* FdSlot *, Thread *; NULL: an fd without a slot.  This, kind and fd: anyone
                     * looks, See Note [What a transaction waits for] */
    uint32_t home;  /* of fds: the home word it was published under */
    int fd;
    uint32_t held;  /* See Note [Events in transactions] */
    uint16_t kind;  /* EventKind */
    bool awaited;   /* it counts in eventIsAwaited */
    bool published; /* the node may be in a list */
} CACHE_ALIGNED;

_Static_assert(sizeof(Event) == 2 * CACHE_LINE, "of which the second is the node's");

void eventStart(const Allocator *allocator);
void eventEnd(void);

/* eventLockAll, eventUnlockAll -- around a fork.   eventSurvive -- its child: all are free. */
void eventLockAll(void);
void eventUnlockAll(void);
void eventSurvive(void);

/* eventIsAwaited -- an fd may yet wake a transaction of a green thread.  Relaxed: green threads
 * count it while they run, and who asks has seen all capabilities asleep since. */
bool eventIsAwaited(void);

/* eventFind -- the transaction's Event for this, or NULL.
 * eventNew -- a new one, which has not happened; NULL: out of memory. */
Event *eventFind(const Transaction *tx, EventKind kind, int fd, const void *subject);
Event *eventNew(Transaction *tx, EventKind kind, int fd, void *subject);

/* eventArm -- its node is about to be published.
 * eventDisarm -- it was not.
 * eventTakeBack -- the first look goes on: it is not published and has not happened. */
void eventArm(Event *event);
void eventDisarm(Event *event);
void eventTakeBack(Event *event);

/* eventSet -- nobody has looked at it yet, and it is not published: it is known already.
 * result  0: it has happened; or -E... */
void eventSet(Event *event, int result);

/* eventRelease -- the transaction is over: all of its Events go back. */
void eventRelease(Transaction *tx);

/* eventDetach -- a detached transaction (See Note [Detached transactions]) leaves its Events, as a
 * list; NULL: it has none.   eventAttach -- they are the ones of this, which has none so far.
 * eventForget -- they go back, with nobody to read them. */
Event *eventDetach(Transaction *tx);
void eventAttach(Transaction *tx, Event *list);
void eventForget(Event *list, Capability *here);

/* eventAskFd -- look at the fd: it is ready, or is not one, or the Event is published and will
 * tell. */
void eventAskFd(Event *event, FdDirection direction, Capability *here);

/* eventIsStale -- of an fd, it has happened: was it closed since? */
bool eventIsStale(const Event *event, FdDirection direction);

/* eventLiving -- for tests, while nobody runs: Events that are not in the pool. */
uint32_t eventLiving(void);

#endif
