/* Verbs.c -- what each instruction does: a function for each.
 *
 * Where one makes an object everything may move; so it looks at its operands afterwards.  See Note
 * [Addresses].
 */
#include "Verbs.h"

#include "Channel.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_MOST = 4096, TEXT_MOST = 32, US_PER_MS = 1000, BACKLOG = 1024 };

static char **arguments;
static int argument_count;

static const char no_memory[] = "out of memory";

void verbsOpen(int count, char **given)
{
    argument_count = count;
    arguments = given;
}

/* ---- operands and results -------------------------------------------------------------------- */

static Value valueAt(const Machine *it, const Instruction *now, int which)
{
    Operand operand = now->operands[which];
    return operand.variable < 0 ? operand.literal : machineFrame(it)->at[operand.variable];
}

static int64_t numberAt(const Machine *it, const Instruction *now, int which)
{
    return valueNumber(valueAt(it, now, which));
}

/* What no fd can be is -1: calls say -EBADF. */
static int fdAt(const Machine *it, const Instruction *now, int which)
{
    int64_t number = numberAt(it, now, which);
    return number >= 0 && number <= INT_MAX ? (int)number : -1;
}

static Object *objectAt(const Machine *it, const Instruction *now, int which)
{
    return valueObject(valueAt(it, now, which));
}

static int giveNumber(Machine *it, const Instruction *now, int64_t number)
{
    return machineGive(it, now, valueOfNumber(number));
}

/* A new object; its first Values are the operands.  NULL: out of memory. */
static Object *make(Machine *it, const Instruction *now, Kind kind, uint64_t size)
{
    if (size > UINT32_MAX || heapReserve(&it->area, objectSpace(kind, (uint32_t)size)) != 0)
        return NULL;
    Object *object = heapNew(&it->area, kind, (uint32_t)size);
    for (int i = 0; kind != KindBytes && i < now->count; i++)
        objectValues(object)[i] = valueAt(it, now, i);
    return object;
}

static int giveBytes(Machine *it, const Instruction *now, const char *bytes, size_t size)
{
    Object *object = make(it, now, KindBytes, size);
    if (object == NULL)
        return machineFail(it, now, no_memory);
    memcpy(objectBytes(object), bytes, size);
    return machineGive(it, now, (Value)object);
}

/* ---- control --------------------------------------------------------------------------------- */

static int runCopy(Machine *it, const Instruction *now)
{
    return machineGive(it, now, valueAt(it, now, 0));
}

static int runJump(Machine *it, const Instruction *now)
{
    machineFrame(it)->pc = valueOfNumber(now->target);
    return machineMayYield(it);
}

static int runUnless(Machine *it, const Instruction *now)
{
    Value value = valueAt(it, now, 0);
    if (value == 0 || value == valueOfNumber(0))
        machineFrame(it)->pc = valueOfNumber(now->target);
    return GoOn;
}

static Frame *makeFrame(Machine *it, const Instruction *now)
{
    Frame *frame = machineCall(&it->area, now->callee);
    for (int i = 0; frame != NULL && i < now->count; i++)
        frame->at[i] = valueAt(it, now, i);
    return frame;
}

static int runCall(Machine *it, const Instruction *now)
{
    Frame *frame = makeFrame(it, now);
    if (frame == NULL)
        return machineFail(it, now, no_memory);
    frame->caller = it->area.root;
    it->area.root = (Value)frame;
    return machineMayYield(it);
}

static int runReturn(Machine *it, const Instruction *now)
{
    return machineReturn(it, valueAt(it, now, 0));
}

static int runSpawn(Machine *it, const Instruction *now)
{
    Frame *frame = makeFrame(it, now);
    if (frame == NULL || machineSpawn(frame) != 0)
        return machineFail(it, now, no_memory);
    return GoOn;
}

static int runFail(Machine *it, const Instruction *now)
{
    char text[TEXT_MOST * 4];
    Object *bytes = objectAt(it, now, 0);
    snprintf(text, sizeof text, "%.*s", (int)bytes->size, objectBytes(bytes));
    return machineFail(it, now, text);
}

/* ---- values ---------------------------------------------------------------------------------- */

static int runAdd(Machine *it, const Instruction *now)
{
    return giveNumber(it, now, numberAt(it, now, 0) + numberAt(it, now, 1));
}

static int runSubtract(Machine *it, const Instruction *now)
{
    return giveNumber(it, now, numberAt(it, now, 0) - numberAt(it, now, 1));
}

static int runLess(Machine *it, const Instruction *now)
{
    return giveNumber(it, now, numberAt(it, now, 0) < numberAt(it, now, 1));
}

static bool isBytes(Value value)
{
    return value != 0 && !valueIsNumber(value) && valueObject(value)->kind == KindBytes;
}

static int runEqual(Machine *it, const Instruction *now)
{
    Value left = valueAt(it, now, 0), right = valueAt(it, now, 1);
    bool equal = left == right;
    if (isBytes(left) && isBytes(right)) {
        Object *one = valueObject(left), *other = valueObject(right);
        equal = one->size == other->size &&
                memcmp(objectBytes(one), objectBytes(other), one->size) == 0;
    }
    return giveNumber(it, now, equal);
}

static int runText(Machine *it, const Instruction *now)
{
    char text[TEXT_MOST];
    int size = snprintf(text, sizeof text, "%lld", (long long)numberAt(it, now, 0));
    return giveBytes(it, now, text, (size_t)size);
}

/* Of bytes: what they say; of a number: itself; of anything else: 0. */
static int runNumber(Machine *it, const Instruction *now)
{
    char text[TEXT_MOST];
    Value value = valueAt(it, now, 0);
    if (valueIsNumber(value))
        return machineGive(it, now, value);
    if (!isBytes(value))
        return giveNumber(it, now, 0);
    Object *bytes = valueObject(value);
    snprintf(text, sizeof text, "%.*s", (int)bytes->size, objectBytes(bytes));
    return giveNumber(it, now, strtoll(text, NULL, 10));
}

static int runSize(Machine *it, const Instruction *now)
{
    return giveNumber(it, now, objectAt(it, now, 0)->size);
}

static int runJoin(Machine *it, const Instruction *now)
{
    uint32_t left = objectAt(it, now, 0)->size, right = objectAt(it, now, 1)->size;
    Object *joined = make(it, now, KindBytes, (uint64_t)left + right);
    if (joined == NULL)
        return machineFail(it, now, no_memory);
    memcpy(objectBytes(joined), objectBytes(objectAt(it, now, 0)), left);
    memcpy(objectBytes(joined) + left, objectBytes(objectAt(it, now, 1)), right);
    return machineGive(it, now, (Value)joined);
}

static int runPair(Machine *it, const Instruction *now)
{
    Object *pair = make(it, now, KindPair, 2);
    return pair == NULL ? machineFail(it, now, no_memory) : machineGive(it, now, (Value)pair);
}

static int runFirst(Machine *it, const Instruction *now)
{
    return machineGive(it, now, objectValues(objectAt(it, now, 0))[0]);
}

static int runSecond(Machine *it, const Instruction *now)
{
    return machineGive(it, now, objectValues(objectAt(it, now, 0))[1]);
}

static int runArgument(Machine *it, const Instruction *now)
{
    int64_t which = numberAt(it, now, 0);
    if (which < 0 || which >= argument_count)
        return machineGive(it, now, 0);
    return giveBytes(it, now, arguments[which], strlen(arguments[which]));
}

/* ---- what waits ------------------------------------------------------------------------------ */

/* For ever is long enough. */
static int64_t microseconds(int64_t milliseconds)
{
    if (milliseconds > INT64_MAX / US_PER_MS)
        return INT64_MAX;
    return milliseconds < 0 ? 0 : milliseconds * US_PER_MS;
}

static int runSleep(Machine *it, const Instruction *now)
{
    Frame *frame = machineFrame(it);
    if (frame->progress == 0) {
        frame->progress = valueOfNumber(1);
        taskWaitDelay(it->context, microseconds(numberAt(it, now, 0)));
        return TaskBlocked;
    }
    frame->progress = 0;
    return machineGive(it, now, 0);
}

static int runChannel(Machine *it, const Instruction *now)
{
    Object *channel = make(it, now, KindChannel, CHANNEL_VALUES);
    if (channel == NULL)
        return machineFail(it, now, no_memory);
    channelInit(channel);
    return machineGive(it, now, (Value)channel);
}

static int runSend(Machine *it, const Instruction *now)
{
    Object *link = make(it, now, KindPair, 2);
    if (link == NULL)
        return machineFail(it, now, no_memory);
    channelSend(objectAt(it, now, 0), link);
    return GoOn;
}

static int runReceive(Machine *it, const Instruction *now)
{
    Value value;
    TVar *bell;
    uint64_t version;
    if (channelReceive(objectAt(it, now, 0), &value, &bell, &version))
        return machineGive(it, now, value);
    taskWaitTVar(it->context, bell, version);
    return TaskBlocked;
}

static int awaitRead(Machine *it, int fd)
{
    taskWaitRead(it->context, fd);
    return TaskBlocked;
}

static int awaitWrite(Machine *it, int fd, int64_t progress)
{
    machineFrame(it)->progress = valueOfNumber(progress);
    taskWaitWrite(it->context, fd);
    return TaskBlocked;
}

/* Into C's memory first: how many bytes there are is not known yet. */
static int runRead(Machine *it, const Instruction *now)
{
    char buffer[READ_MOST];
    int fd = fdAt(it, now, 0);
    ssize_t n = fdRead(fd, buffer, sizeof buffer);
    if (n == -EAGAIN)
        return awaitRead(it, fd);
    return n <= 0 ? machineGive(it, now, 0) : giveBytes(it, now, buffer, (size_t)n);
}

/* All of it, however many steps that takes: progress is how much is written.  In a step nothing
 * moves the bytes under the kernel's hands. */
static int runWrite(Machine *it, const Instruction *now)
{
    int fd = fdAt(it, now, 0);
    Object *bytes = objectAt(it, now, 1);
    size_t done = (size_t)valueNumber(machineFrame(it)->progress);
    while (done < bytes->size) {
        ssize_t n = fdWrite(fd, objectBytes(bytes) + done, bytes->size - done);
        if (n == -EAGAIN)
            return awaitWrite(it, fd, (int64_t)done);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    machineFrame(it)->progress = 0;
    return done < bytes->size ? machineGive(it, now, 0) : giveNumber(it, now, (int64_t)done);
}

static int runClose(Machine *it, const Instruction *now)
{
    return giveNumber(it, now, closeFd(fdAt(it, now, 0)) == 0);
}

/* ---- sockets: nothing instead of an fd that cannot be had ------------------------------------ */

static struct sockaddr_in loopback(int64_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((uint16_t)port)};
}

static bool isPort(int64_t number)
{
    return number >= 0 && number <= UINT16_MAX;
}

static int giveFd(Machine *it, const Instruction *now, int fd)
{
    return machineGive(it, now, fd < 0 ? 0 : valueOfNumber(fd));
}

static int runListen(Machine *it, const Instruction *now)
{
    struct sockaddr_in address = loopback(numberAt(it, now, 0));
    if (!isPort(numberAt(it, now, 0)))
        return giveFd(it, now, -EINVAL);
    return giveFd(it, now, fdListen((struct sockaddr *)&address, sizeof address, BACKLOG));
}

static int runPort(Machine *it, const Instruction *now)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    getsockname(fdAt(it, now, 0), (struct sockaddr *)&address, &size);
    return giveNumber(it, now, ntohs(address.sin_port));
}

static int runAccept(Machine *it, const Instruction *now)
{
    int listener = fdAt(it, now, 0);
    int fd = fdAccept(listener, NULL, NULL);
    return fd == -EAGAIN ? awaitRead(it, listener) : giveFd(it, now, fd);
}

/* Progress is the fd of the attempt that is under way. */
static int runConnect(Machine *it, const Instruction *now)
{
    struct sockaddr_in address = loopback(numberAt(it, now, 0));
    Frame *frame = machineFrame(it);
    if (!isPort(numberAt(it, now, 0)))
        return giveFd(it, now, -EINVAL);
    bool begun = frame->progress != 0;
    int fd = begun ? (int)valueNumber(frame->progress) : fdSocket(AF_INET, SOCK_STREAM, 0);
    int result = fd < 0 ? fd : fdConnect(fd, (struct sockaddr *)&address, sizeof address);
    if (result == -EAGAIN)
        return awaitWrite(it, fd, fd);
    frame->progress = 0;
    if (fd >= 0 && result != 0 && result != -EISCONN) {
        closeFd(fd);
        fd = -1;
    }
    return giveFd(it, now, fd);
}

/* ---- all of them ----------------------------------------------------------------------------- */

#define VERB_FUNCTION(noun, name, operands) run##noun,
static int (*const functions[VERB_COUNT])(Machine *it,
                                          const Instruction *now) = {VERBS(VERB_FUNCTION)};

static bool fits(Value value, char wanted)
{
    if (wanted == 'v')
        return true;
    if (wanted == 'n')
        return valueIsNumber(value);
    if (value == 0 || valueIsNumber(value))
        return false;
    uint32_t kind = valueObject(value)->kind;
    return kind == (wanted == 'b' ? KindBytes : wanted == 'p' ? KindPair : KindChannel);
}

int verbsRun(Machine *it, const Instruction *now)
{
    const VerbForm *form = &verb_forms[now->verb];
    for (int i = 0; form->operands != NULL && i < now->count; i++) {
        if (!fits(valueAt(it, now, i), form->operands[i]))
            return machineFail(it, now, "an operand of the wrong kind");
    }
    return functions[now->verb](it, now);
}
