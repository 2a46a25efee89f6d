/* Machine.h -- what runs bytecode: a machine on each capability, a frame on the heap for each call.
 *
 * Note [Frames]
 *   A task of the language is a task of Capri whose env is a frame.  A step takes it into the
 *   machine of the capability that it runs on, goes on at the frame's pc, and leaves the frame that
 *   it has come to as the env of the next step; so between steps nothing of a task is anywhere but
 *   on the heap, and frames move as all objects do.
 *   An instruction that has to wait runs again in the next step, from its beginning: how far it has
 *   come by then is in the frame as well (`progress`).
 */
#ifndef CAPRI_VM_MACHINE_H
#define CAPRI_VM_MACHINE_H

#include "Code.h"
#include "Heap.h"

#include <capri/capri.h>

typedef struct Machine {
    Area area;            /* its root is the frame that runs: machineFrame */
    TaskContext *context; /* of the step that runs */
} Machine;

typedef struct Frame {
    Object head;
    Value caller;   /* the frame to return to; nothing: the task ends */
    Value function; /* a Function, as a number: it does not move */
    Value pc;       /* a number: the next instruction */
    Value progress; /* a number: how far that one has come; nothing: it has not begun */
    Value at[];     /* the function's variables */
} Frame;

enum { GoOn = 0 }; /* what an instruction says; or a TaskVerdict: the step is over */

static inline Frame *machineFrame(const Machine *it)
{
    return (Frame *)it->area.root;
}

/* machineHooks -- for RtsConfig.hooks: a machine for each capability. */
extern const RtsHooks machine_hooks;

/* machineCall -- a frame for a call of `callee`; all may move.  NULL: out of memory. */
Frame *machineCall(Area *area, const Function *callee);

/* machineBegin -- the program's first task, which makes its frame itself: a plain OS thread is not
 * stopped by a pause, and so must not have an address.
 * machineSpawn -- a task that begins with that frame.   0 or -E.... */
int machineBegin(Thread **task, const Function *function);
int machineSpawn(Frame *frame);

/* machineGive -- an instruction's result; GoOn. */
int machineGive(Machine *it, const Instruction *now, Value value);

/* machineReturn -- to the caller's frame: GoOn; to nobody's: TaskDone. */
int machineReturn(Machine *it, Value value);

/* machineFail -- the task ends, and is told of with its line: TaskDone. */
int machineFail(Machine *it, const Instruction *now, const char *why);

/* machineMayYield -- in loops and calls: GoOn, or TaskYield for others to run, or TaskDone. */
int machineMayYield(Machine *it);

#endif
