/* Registration.h -- a callback that waits at a slot, beside the waiters of its WatchLists.
 *
 * A waiter is fired once and gone; a registration stays in the slot's list until it is over.  The
 * list, and every field that changes, is under the slot's CONTROL; callbacks run without it.
 *
 * Note [Registration states]
 *   from      on             to       by          what
 *   -         register       Waiting  registrar   linked once the kernel has been told
 *   Waiting   event          Selected poller      what it asked for and what came overlap
 *   Waiting   unregister     -        anyone      freed
 *   Waiting   close          -        closer      called with EventClose by the closer, freed
 *   Selected  unregister     -        anyone      freed, and never called
 *   Selected  close          -        closer      as Waiting: the event is swallowed by the close
 *   Selected  begin          Running  a poller    the one that selected it, or another that is here
 *   Running   finish         Waiting  its poller  MultiShot: then the kernel looks again
 *   Running   finish         -        its poller  OneShot: freed
 *   Running   unregister     Gone     anyone      the callback itself, or another thread
 *   Running   close          Closed   closer      MultiShot; OneShot: Gone, it has had its one call
 *   Closed    unregister     Gone     anyone
 *   Gone      finish         -        its poller  freed
 *   Closed    finish         -        its poller  called with EventClose, freed
 *   An event that meets Selected, Running, Gone or Closed leaves them alone.  It is not lost: after
 *   Running the kernel is asked to look again.
 *   Invariant: a registration is called by one OS thread at a time, because only begin leads to
 *   Running, and after the call with EventClose never again.  Who makes it leave the list owns it.
 */
#ifndef IOMGR_REGISTRATION_H
#define IOMGR_REGISTRATION_H

#include "iomgr/FdTable.h"

#include <capri/event.h>

typedef enum RegistrationState {
    RegistrationWaiting,
    RegistrationSelected,
    RegistrationRunning,
    RegistrationGone,  /* running, and not to be called again */
    RegistrationClosed /* running, and to be called once more, with EventClose */
} RegistrationState;

struct Registration {
    Registration *next;   /* CONTROL: the slot's list, oldest first; then its owner's */
    FdCallback *callback; /* constant, as all but the last three */
    void *env;
    FdKey key;
    uint32_t events; /* EventRead | EventWrite: asked for */
    Lifetime lifetime;
    RegistrationState state; /* CONTROL */
    uint32_t pending;        /* CONTROL: what it is to be called with; set while Selected.  Closed:
                              * why, beside EventClose */
    uintptr_t runner;        /* CONTROL: which OS thread; set while Running, Gone, Closed */
};

/* registrationTold -- what of an event it is told; 0: the event does not concern it. */
static inline uint32_t registrationTold(const Registration *at, uint32_t events)
{
    const uint32_t reasons = EventHangUp | EventError;
    uint32_t hit = at->events & events;
    if (hit == 0)
        return 0;
    return hit | (events & (hit & EventRead ? reasons | EventPeerClosed | EventUrgent : reasons));
}

/* All of these under CONTROL. */

/* registrationLink -- a new one, Waiting. */
void registrationLink(FdSlot *slot, Registration *made);

/* registrationInterest -- what the kernel is to be asked for.  keep: MultiShot ones stay asked for
 * while they are called (nobody else polls meanwhile). */
uint32_t registrationInterest(const FdSlot *slot, bool keep);

/* registrationIsKept -- is any of them MultiShot and not about to go? */
bool registrationIsKept(const FdSlot *slot);

/* registrationSelect -- an event: whom does it concern?  True: somebody. */
bool registrationSelect(FdSlot *slot, uint32_t events);

/* registrationBegin -- the oldest Selected one, Running from now on; NULL: there is none. */
Registration *registrationBegin(FdSlot *slot, uintptr_t runner);

/* registrationFinish -- its callback has returned.  True: it has left the list and is the caller's,
 * to be called again if its state is RegistrationClosed. */
bool registrationFinish(FdSlot *slot, Registration *at);

/* registrationForget -- unregister.  1, 0 or -EINPROGRESS as unregisterFd; *freed: whom the caller
 * has to free, or NULL. */
int registrationForget(FdSlot *slot, uint64_t unique, uintptr_t caller, Registration **freed);

/* registrationClose -- the fd is closed, or (why: EventError) refused: who is not running leaves
 * the list, and is returned, to be called with EventClose and `why`, oldest first. */
Registration *registrationClose(FdSlot *slot, uint32_t why);

/* registrationSane -- walker for tests: bounded, states and bit fit. */
bool registrationSane(const FdSlot *slot);

#endif
