/* Signal.h -- watches of signals, and the OS thread that reads them. */
#ifndef RTS_SIGNAL_H
#define RTS_SIGNAL_H

#include <capri/signal.h>

#include <stdbool.h>

/* signalEnd -- shutdown, nobody calls any more: all watches are gone, dispositions are back. */
void signalEnd(void);

/* signalIsWatched -- is there any watch? */
bool signalIsWatched(void);

/* signalSurvive -- the child of a fork: watches stay, with a reader of its own.  0, or -E...: there
 * is no reader, and all dispositions are as they were before the watches. */
int signalSurvive(void);

#endif
