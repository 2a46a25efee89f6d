/* Inbox.c -- work sent to a capability by others: a lock-free stack of arrivals, taken whole.
 *
 * Owns    Inbox's words, and Runnable.next of what is in them.
 * Before  capability/Capability.c: capabilitySend.   After  capability/RunQueue.c.
 * Tests   testsuite/unit/InboxTest.c, testsuite/model/SleepModel.c (every interleaving)
 *
 * See Note [Inbox and sleep].
 */
#include "capability/Inbox.h"

#include "internal/Assert.h"

void inboxInit(Inbox *inbox)
{
    RELAXED_STORE(&inbox->pinned, NULL);
    RELAXED_STORE(&inbox->open, NULL);
}

void inboxPut(Inbox *inbox, Runnable *runnable, bool pinned)
{
    ASSERT(runnable != NULL);
    Runnable **list = pinned ? &inbox->pinned : &inbox->open;
    Runnable *old = RELAXED_LOAD(list);
    do {
        ASSERT(old != runnable); /* it would be in the list twice */
        RELAXED_STORE(&runnable->next, old);
    } while (!CAS_SEQ_CST(list, &old, runnable)); /* the XCHG below; and Note [Inbox and sleep] */
}

/* The whole list goes at once, so a push cannot meet ABA: whatever head it finds is its next. */
static Runnable *takeAll(Runnable **list)
{
    if (RELAXED_LOAD(list) == NULL)
        return NULL;
    Runnable *newest = XCHG_ACQUIRE(list, NULL), *oldest = NULL;
    while (newest != NULL) {
        Runnable *next = RELAXED_LOAD(&newest->next);
        RELAXED_STORE(&newest->next, oldest);
        oldest = newest;
        newest = next;
    }
    return oldest;
}

Runnable *inboxTakePinned(Inbox *inbox)
{
    return takeAll(&inbox->pinned);
}

Runnable *inboxTakeOpen(Inbox *inbox)
{
    return takeAll(&inbox->open);
}
