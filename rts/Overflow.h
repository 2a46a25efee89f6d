/* Overflow.h -- a stack that overflows is named: a SIGSEGV handler on a signal stack of its own. */
#ifndef RTS_OVERFLOW_H
#define RTS_OVERFLOW_H

/* overflowStart -- install the handler, keeping the one that was there; 0 or -E.... */
int overflowStart(void);
void overflowEnd(void);

/* overflowWatchHere -- give the calling OS thread a signal stack (if it has none): 0, -ENOMEM. */
int overflowWatchHere(void);
void overflowUnwatchHere(void);

#endif
