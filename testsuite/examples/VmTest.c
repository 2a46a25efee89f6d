/* VmTest.c -- docs/examples/vm: what verbs do with more than they can. */
#include "docs/examples/vm/Machine.h"
#include "docs/examples/vm/Verbs.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <string.h>

static size_t asked; /* of the heap, which has nothing */
static const char *failure;

int heapReserve(Area *area, size_t bytes)
{
    (void)area;
    asked = bytes;
    return -ENOMEM;
}

Object *heapNew(Area *area, Kind kind, uint32_t size)
{
    (void)area;
    (void)kind;
    (void)size;
    return NULL;
}

int machineFail(Machine *it, const Instruction *now, const char *why)
{
    (void)it;
    (void)now;
    failure = why;
    return TaskDone;
}

int machineGive(Machine *it, const Instruction *now, Value value)
{
    (void)it;
    (void)now;
    return value != 0 ? GoOn : TaskBlocked;
}

int machineReturn(Machine *it, Value value)
{
    return machineGive(it, NULL, value);
}

Frame *machineCall(Area *area, const Function *callee)
{
    (void)area;
    (void)callee;
    return NULL;
}

int machineSpawn(Frame *frame)
{
    (void)frame;
    return -ENOMEM;
}

int machineMayYield(Machine *it)
{
    (void)it;
    return GoOn;
}

static size_t askedForJoin(uint32_t left, uint32_t right)
{
    Machine machine = {0};
    Object one = {KindBytes, left}, other = {KindBytes, right};
    Instruction now = {.verb = VerbJoin, .to = -1, .count = 2};
    now.operands[0] = (Operand){-1, (Value)&one};
    now.operands[1] = (Operand){-1, (Value)&other};
    asked = 0;
    failure = NULL;
    CHECK_EQ(verbsRun(&machine, &now), TaskDone);
    CHECK(strcmp(failure, "out of memory") == 0);
    return asked;
}

/* What does not fit into a size is not had at all. */
TEST(Vm, joinsMoreThanASizeHolds)
{
    CHECK_EQ(askedForJoin(3, 4), objectSpace(KindBytes, 7));
    CHECK_EQ(askedForJoin(UINT32_MAX - 1, 1), objectSpace(KindBytes, UINT32_MAX));
    CHECK_EQ(askedForJoin(UINT32_MAX, 1), 0);
    CHECK_EQ(askedForJoin(1u << 31, 1u << 31), 0);
    CHECK_EQ(askedForJoin(UINT32_MAX, UINT32_MAX), 0);
}
