/* ForeignInterrupt.h -- ending the system call that a thread's foreign call is in.
 *
 * Note [Interrupting calls]
 *   A call that may be interrupted is in a list while fn runs, and knows its OS thread.  Who
 *   interrupts the thread sends that OS thread a signal whose handler does nothing: a system call
 *   that sleeps returns EINTR.  One that was about to sleep has missed it, so the Monitor sends it
 *   again at each tick, until fn has returned and taken itself out.  All under one lock: a signal
 *   is sent only while fn is under way, though it may arrive some us later.
 *   Who interrupts a thread that has not put itself into the list yet finds nothing there; so the
 *   call asks `pending` when it is in the list.  Either it sees the interrupt, which was posted
 *   before the list was looked at, or it is found in the list.
 */
#ifndef RTS_FOREIGN_INTERRUPT_H
#define RTS_FOREIGN_INTERRUPT_H

#include "capability/Capability.h"
#include "rts/Thread.h"

/* foreignInterruptStart -- signals: may a handler be installed? */
void foreignInterruptStart(bool signals);
void foreignInterruptEnd(void);

/* foreignInterruptReady -- install the handler now, for who hands threads over; system calls that
 * it interrupts are made again, until the first call that may be interrupted: from then on they
 * return EINTR.  False: none may be installed. */
bool foreignInterruptReady(void);

/* foreignInterruptSend -- anyone: the signal to whoever carries `capability`. */
void foreignInterruptSend(Capability *capability);

/* foreignInterruptWatchHere -- a worker: it can be sent the signal. */
void foreignInterruptWatchHere(void);

/* foreignInterruptSurvive -- child of a fork: nobody is in a call. */
void foreignInterruptSurvive(void);

/* foreignInterruptAsk -- what tells whether a thread has been interrupted, and may be (called under
 * the lock, on the OS thread that runs it); NULL: nobody ever is. */
void foreignInterruptAsk(bool (*pending)(Thread *thread));

/* foreignInterrupt -- anyone but a signal handler: if thread is in a call that may be interrupted,
 * see to it that fn returns soon.  False: it is not. */
bool foreignInterrupt(Thread *thread);

#endif
