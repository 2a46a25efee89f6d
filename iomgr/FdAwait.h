/* FdAwait.h -- telling the kernel what a slot's waiters and registrations want, under CONTROL.
 *
 * Shared by iomgr/FdAwait.c, iomgr/FdRegister.c and iomgr/EventManager.c.
 */
#ifndef IOMGR_FD_AWAIT_H
#define IOMGR_FD_AWAIT_H

#include "iomgr/EventManager.h"
#include "iomgr/Registration.h"

/* Who was detached under CONTROL, to be told after it was given back.  All zeroes: nobody. */
typedef struct FdLeft {
    WatchNode *waiters[2];
    Registration *registrations; /* to be called with EventClose and `why` */
    uint32_t why;
} FdLeft;

/* fdAwaitTell -- once: modify what is watched, or add.  As Backend.add, and -ENOENT: the number is
 * another file now, whoever was at the slot is in *left, try again. */
int fdAwaitTell(EventManager *manager, FdSlot *slot, int fd, WatchMode mode, uint32_t interest,
                FdLeft *left);

/* fdAwaitInterest -- what waiters and registrations ask for, were they watched in `mode`. */
uint32_t fdAwaitInterest(FdSlot *slot, WatchMode mode);

/* fdAwaitSilence -- nobody is left: the kernel need not watch fd any more. */
void fdAwaitSilence(EventManager *manager, FdSlot *slot, int fd, FdLeft *left);

/* fdAwaitIsGone -- does this answer of the kernel say that the number is another file, or none? */
bool fdAwaitIsGone(int result);

/* fdAwaitDismiss -- without CONTROL: tell those who were detached; waiters get `result`. Returns
 * how many were called. */
uint32_t fdAwaitDismiss(EventManager *manager, FdLeft *left, int result, void *sink);

/* fdAwaitRefused -- the kernel refuses to arm, though the file is there: waiters and registrations
 * go to *left, or they would be lost. */
void fdAwaitRefused(FdSlot *slot, FdLeft *left);

/* fdAwaitMode -- how the slot is watched now; somehow it is. */
static inline WatchMode fdAwaitMode(uint32_t control)
{
    return control & SLOT_EDGE ? WatchEdge : control & SLOT_LEVEL ? WatchLevel : WatchOneShot;
}

/* fdRegisterDispatch -- an event has come and the slot's waiters of its directions are fired: call
 * the registrations that it concerns, arm again for whoever is still there.  Returns how many were
 * called. fdRegisterClosed -- call them with EventClose (and `why`) and free them; how many. */
uint32_t fdRegisterDispatch(EventManager *manager, FdSlot *slot, int fd, uint16_t generation,
                            uint32_t events, void *sink);
uint32_t fdRegisterClosed(EventManager *manager, Registration *closed, uint32_t why);

/* fdRegisterDispatchLevel -- the same, the slot being level-triggered, `control` what was read of
 * it just now.  FD_REGISTER_SLOW, nothing done: it is not one MultiShot registration alone. */
#define FD_REGISTER_SLOW UINT32_MAX
uint32_t fdRegisterDispatchLevel(EventManager *manager, FdSlot *slot, uint32_t control,
                                 uint32_t events);

/* fdRegisterFree -- the manager is being closed: forget what is still registered. */
void fdRegisterFree(EventManager *manager);

/* fdAwaitGone -- the file that was watched under `generation` is not the number's any more.
 * Returns how many waiters were fired, with -EBADF. */
uint32_t fdAwaitGone(EventManager *manager, FdSlot *slot, uint16_t generation, void *sink);

#endif
