/* Machine.c -- what runs bytecode: steps of tasks. */
#include "Machine.h"

#include <errno.h>
#include <stdio.h>

/* A frame: then come its function's variables, and the operands of its instructions. */
enum {
    FRAME_CALLER,   /* nothing: the task ends with it */
    FRAME_FUNCTION, /* as a number: it does not move */
    FRAME_PC,       /* a number: the next instruction */
    FRAME_VARIABLES
};

static Object *frameOf(const Machine *it)
{
    return (Object *)*it->root;
}

static const Function *functionOf(const Object *frame)
{
    return (const Function *)(intptr_t)valueNumber(frame->at[FRAME_FUNCTION]);
}

Value *machineOperands(const Machine *it)
{
    Object *frame = frameOf(it);
    return frame->at + FRAME_VARIABLES + functionOf(frame)->variables + it->now->depth;
}

int machineGive(const Machine *it, Value value)
{
    *machineOperands(it) = value;
    return GoOn;
}

int machineFail(const Machine *it, const char *why)
{
    const char *function = functionOf(frameOf(it))->name;
    fprintf(stderr, "vm: line %d, in %s: %s: %s\n", it->now->line, function,
            verb_forms[it->now->verb].name, why);
    taskSetResult(it->context, (void *)1);
    return TaskDone;
}

/* Loops and calls give way: to the clock, to a collector, to who interrupts. */
static int giveWay(const Machine *it)
{
    if (threadSafepoint() != 0)
        return TaskDone;
    return taskMustYield(it->context) ? TaskYield : GoOn;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static Object *makeFrame(const Function *function)
{
    int values = FRAME_VARIABLES + function->variables + function->stack;
    Object *frame = heapNew((uint32_t)values, 0);
    if (frame != NULL) {
        frame->at[FRAME_FUNCTION] = valueOfNumber((intptr_t)function);
        frame->at[FRAME_PC] = valueOfNumber(0);
    }
    return frame;
}

static TaskVerdict step(TaskContext *context, void *env);

static int call(const Machine *it)
{
    Object *frame = makeFrame(it->now->callee);
    for (int i = 0; frame != NULL && i < it->now->callee->parameters; i++)
        frame->at[FRAME_VARIABLES + i] = machineOperands(it)[i];
    if (frame == NULL || (it->now->verb == VerbSpawn && taskNew(NULL, NULL, step, frame) != 0))
        return machineFail(it, "out of memory");
    if (it->now->verb == VerbSpawn)
        return machineGive(it, 0);
    frame->at[FRAME_CALLER] = *it->root;
    *it->root = (Value)frame;
    return giveWay(it);
}

/* The caller's pc is behind its call. */
static int leave(Machine *it)
{
    Value value = *machineOperands(it), caller = frameOf(it)->at[FRAME_CALLER];
    if (caller == 0) {
        taskSetResult(it->context, (void *)(valueIsNumber(value) ? valueNumber(value) : 0));
        return TaskDone;
    }
    *it->root = caller;
    it->now = functionOf(frameOf(it))->code + valueNumber(frameOf(it)->at[FRAME_PC]) - 1;
    return machineGive(it, value);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static int runOne(Machine *it)
{
    Object *frame = frameOf(it);
    Value *variable = frame->at + FRAME_VARIABLES + it->now->which, operand = *machineOperands(it);
    switch (it->now->verb) {
    case VerbLiteral:
        return machineGive(it, it->now->value);
    case VerbLoad:
        return machineGive(it, *variable);
    case VerbStore:
        *variable = operand;
        return GoOn;
    case VerbUnless:
        if (operand == 0 || operand == valueOfNumber(0))
            frame->at[FRAME_PC] = valueOfNumber(it->now->which);
        return GoOn;
    case VerbJump:
        frame->at[FRAME_PC] = valueOfNumber(it->now->which);
        return giveWay(it);
    case VerbCall:
    case VerbSpawn:
        return call(it);
    case VerbReturn:
        return leave(it);
    default:
        return verbRun(it);
    }
}

/* What has to wait runs again in the next step. */
static int run(Machine *it)
{
    int going = GoOn;
    while (going == GoOn) {
        Value *pc = &frameOf(it)->at[FRAME_PC], at = *pc;
        it->now = functionOf(frameOf(it))->code + valueNumber(at);
        *pc = valueOfNumber(valueNumber(at) + 1);
        going = runOne(it);
        if (going == TaskBlocked)
            frameOf(it)->at[FRAME_PC] = at;
    }
    return going;
}

static TaskVerdict step(TaskContext *context, void *env)
{
    Machine it = {.context = context, .root = capabilityUser((uint32_t)threadCapability())};
    if (taskStatus(context) == -ECANCELED)
        return TaskDone;
    *it.root = (Value)env;
    int verdict = run(&it);
    taskSetStep(context, step, (void *)*it.root);
    *it.root = 0;
    return (TaskVerdict)verdict;
}

/* A plain OS thread has no root: the first frame is made by the task's first step. */
static TaskVerdict begin(TaskContext *context, void *env)
{
    Object *frame = makeFrame(env);
    return frame == NULL ? TaskDone : step(context, frame);
}

int machineBegin(Thread **task, const Function *function)
{
    return taskNew(task, NULL, begin, (void *)(uintptr_t)function);
}

static void start(uint32_t capability, void *env)
{
    (void)env;
    capabilitySetUser(&heap_roots[capability]);
}

const RtsHooks machine_hooks = {.start = start};
