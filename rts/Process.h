/* Process.h -- children: what is left of them at the end. */
#ifndef RTS_PROCESS_H
#define RTS_PROCESS_H

#include <capri/process.h>

/* processEnd -- shutdown, nobody calls any more: all handles are gone. */
void processEnd(void);

/* processSurvive -- the child of a fork: its parent's children are not its own, -ECHILD. */
void processSurvive(void);

#endif
