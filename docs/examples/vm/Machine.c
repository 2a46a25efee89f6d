/* Machine.c -- what runs bytecode: steps of tasks.  See Note [Frames]. */
#include "Machine.h"

#include "Verbs.h"

#include <errno.h>
#include <stdio.h>

enum { FRAME_VALUES = 4, CAPABILITIES_MOST = 64 };

static Machine machines[CAPABILITIES_MOST];

/* ---- a machine for each capability ----------------------------------------------------------- */

static void start(uint32_t capability, void *env)
{
    (void)env;
    heapAttach(&machines[capability].area);
    capabilitySetUser(&machines[capability]);
}

static void stop(uint32_t capability, void *env)
{
    (void)env;
    heapDetach(&machines[capability].area);
}

const RtsHooks machine_hooks = {.start = start, .stop = stop};

/* ---- frames ---------------------------------------------------------------------------------- */

static const Function *functionOf(const Frame *frame)
{
    return (const Function *)(intptr_t)valueNumber(frame->function);
}

static const Instruction *instructionOf(const Frame *frame)
{
    return &functionOf(frame)->code[valueNumber(frame->pc)];
}

static void advance(Frame *frame, int64_t by)
{
    frame->pc = valueOfNumber(valueNumber(frame->pc) + by);
}

Frame *machineCall(Area *area, const Function *callee)
{
    uint32_t size = FRAME_VALUES + (uint32_t)callee->variables;
    if (heapReserve(area, objectSpace(KindFrame, size)) != 0)
        return NULL;
    Frame *frame = (Frame *)(void *)heapNew(area, KindFrame, size);
    frame->function = valueOfNumber((intptr_t)callee);
    frame->pc = valueOfNumber(0);
    return frame;
}

int machineGive(Machine *it, const Instruction *now, Value value)
{
    if (now->to >= 0)
        machineFrame(it)->at[now->to] = value;
    return GoOn;
}

int machineReturn(Machine *it, Value value)
{
    Frame *caller = (Frame *)machineFrame(it)->caller;
    if (caller == NULL)
        return TaskDone;
    it->area.root = (Value)caller;
    return machineGive(it, instructionOf(caller) - 1, value);
}

int machineFail(Machine *it, const Instruction *now, const char *why)
{
    const char *function = functionOf(machineFrame(it))->name;
    fprintf(stderr, "vm: line %d, in %s: %s: %s\n", now->line, function, verb_forms[now->verb].name,
            why);
    taskSetResult(it->context, it);
    return TaskDone;
}

/* ---- steps ----------------------------------------------------------------------------------- */

int machineMayYield(Machine *it)
{
    if (threadSafepoint() != 0)
        return TaskDone; /* interrupted */
    return taskMustYield(it->context) ? TaskYield : GoOn;
}

/* The pc is ahead while an instruction runs: calls return to it, jumps change it. */
static int run(Machine *it)
{
    int going;
    do {
        const Instruction *now = instructionOf(machineFrame(it));
        advance(machineFrame(it), 1);
        going = verbsRun(it, now);
        if (going == TaskBlocked)
            advance(machineFrame(it), -1);
    } while (going == GoOn);
    return going;
}

/* What was waited for cannot be had (an fd was closed): the result is nothing. */
static void giveUp(Machine *it)
{
    Frame *frame = machineFrame(it);
    machineGive(it, instructionOf(frame), 0);
    frame->progress = 0;
    advance(frame, 1);
}

static TaskVerdict step(TaskContext *context, void *env)
{
    Machine *it = capabilityUser((uint32_t)threadCapability());
    int status = taskStatus(context);
    if (status == -ECANCELED)
        return TaskDone;
    it->context = context;
    it->area.root = (Value)env;
    if (status < 0)
        giveUp(it);
    int verdict = run(it);
    taskSetStep(context, step, machineFrame(it));
    it->area.root = 0;
    return (TaskVerdict)verdict;
}

static TaskVerdict beginStep(TaskContext *context, void *env)
{
    Machine *it = capabilityUser((uint32_t)threadCapability());
    Frame *frame = machineCall(&it->area, env);
    return frame == NULL ? TaskDone : step(context, frame);
}

int machineBegin(Thread **task, const Function *function)
{
    return taskNew(task, NULL, beginStep, (void *)(uintptr_t)function);
}

int machineSpawn(Frame *frame)
{
    return taskNew(NULL, NULL, step, frame);
}
