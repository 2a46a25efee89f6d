/* Container.h -- what the containers share.
 *
 * Note [Twins]
 *   Each call of a container is written once, with statuses (tqueueReadStatus); the one that jumps
 *   (tqueueRead) calls it, and leaves the action if the attempt or branch is over.  Within a call
 *   nothing is ever held that only the call knows of: what it makes is handed to the transaction
 *   (stmAddNew) before the next step that may fail.
 */
#ifndef RTS_CONTAINER_H
#define RTS_CONTAINER_H

#include "iomgr/Memory.h"
#include "rts/Startup.h"
#include "rts/stm/STM.h"

/* STM_TRY -- in a call with a status: return it unless it is 0. */
#define STM_TRY(call)                                                                              \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (UNLIKELY(try_status != 0))                                                             \
            return try_status;                                                                     \
    } while (0)

/* containerLeaveUnless -- See Note [Twins]. */
static inline void containerLeaveUnless(Transaction *tx, int status)
{
    if (UNLIKELY(status != 0))
        stmLeave(tx);
}

/* containerFreeLater -- See stmRetire; NULL is ignored. */
static inline int containerFreeLater(Transaction *tx, void *container, StmHook *free)
{
    return container == NULL ? 0 : stmRetireStatus(tx, container, free);
}

/* containerRetryUnless -- at the end of a call that waits. */
static inline int containerRetryUnless(Transaction *tx, bool ready)
{
    return ready ? 0 : stmRetryStatus(tx);
}

#endif
