/* Verbs.h -- what each instruction does. */
#ifndef CAPRI_VM_VERBS_H
#define CAPRI_VM_VERBS_H

#include "Machine.h"

/* verbsOpen -- what `argument` reads. */
void verbsOpen(int count, char **arguments);

/* verbsRun -- one instruction of the machine's frame: GoOn, TaskYield, TaskDone; TaskBlocked: what
 * it waits for is recorded, and it is to run again. */
int verbsRun(Machine *it, const Instruction *now);

#endif
