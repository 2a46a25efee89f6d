/* Inbox.h -- work sent to a capability by others: a lock-free stack of arrivals, taken whole.
 *
 * Two lists: `pinned` runnables may run only here; `open` ones may also be taken by a thief when
 * this capability is stuck.
 *
 * Note [Inbox and sleep]
 *   The sender pushes (seq_cst) and then looks whether the receiver sleeps (seq_cst load); the
 *   receiver says that it sleeps (seq_cst) and then looks into its inbox (seq_cst load).  At least
 *   one of them sees the other: See Note [StoreLoad].
 */
#ifndef CAPABILITY_INBOX_H
#define CAPABILITY_INBOX_H

#include "capability/Runnable.h"
#include "internal/SMP.h"

#include <stddef.h>

typedef struct Inbox {
    Runnable *pinned; /* newest first; pushed by anyone (CAS), taken whole by the owner (XCHG) */
    Runnable *open;   /* likewise; taken whole by the owner or a thief */
} Inbox;

void inboxInit(Inbox *inbox);
void inboxPut(Inbox *inbox, Runnable *runnable, bool pinned);

/* Oldest first, linked by Runnable.next; NULL: empty. */
Runnable *inboxTakePinned(Inbox *inbox); /* owner */
Runnable *inboxTakeOpen(Inbox *inbox);   /* owner or thief */

/* inboxIsEmpty -- seq_cst look at both lists. */
static inline bool inboxIsEmpty(Inbox *inbox)
{
    return SEQ_CST_LOAD(&inbox->pinned) == NULL && SEQ_CST_LOAD(&inbox->open) == NULL;
}

#endif
