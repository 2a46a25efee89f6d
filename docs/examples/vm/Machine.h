/* Machine.h -- what runs bytecode: steps of tasks.
 *
 * A task of the language is a task of Capri whose env is a frame, an object like any other.  A step
 * takes it as the root of the capability that it runs on, goes on at its pc, and leaves the frame
 * that it has come to as the env of the next step.  So between steps there is nothing of a task but
 * objects, and they may move.
 */
#ifndef CAPRI_VM_MACHINE_H
#define CAPRI_VM_MACHINE_H

#include "Code.h"

#include <capri/capri.h>

/* A step. */
typedef struct Machine {
    TaskContext *context;
    Value *root; /* the frame that runs */
    const Instruction *now;
} Machine;

enum { GoOn = 0 }; /* what an instruction says; or a TaskVerdict: the step is over */

/* machineHooks -- for RtsConfig.hooks: each capability has a root. */
extern const RtsHooks machine_hooks;

/* machineBegin -- a task that calls the function: 0 or -E.... */
int machineBegin(Thread **task, const Function *function);

/* machineOperands -- of the instruction at hand, the first of which becomes its result; they move
 * with the frame. */
Value *machineOperands(const Machine *it);

/* machineGive -- the instruction's result: GoOn. */
int machineGive(const Machine *it, Value value);

/* machineFail -- the task ends, and is told of with its line: TaskDone. */
int machineFail(const Machine *it, const char *why);

/* verbsOpen -- what `argument` reads (Verbs.c). */
void verbsOpen(int count, char **given);

/* verbRun -- what is no matter of frames (Verbs.c): GoOn; TaskDone; TaskBlocked: a wait is
 * recorded, and it is to run again. */
int verbRun(const Machine *it);

#endif
