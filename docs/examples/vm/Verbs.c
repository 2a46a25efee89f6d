/* Verbs.c -- what each verb does.  heapNew moves all: operands are looked up anew behind it. */
#include "Machine.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_MOST = 4096, TEXT_MOST = 32, BACKLOG = 1024, NS_PER_MS = 1000 * 1000 };
#define LONGEST_MS (INT64_MAX / 8 / NS_PER_MS)

static char **arguments;
static int argument_count;

void verbsOpen(int count, char **given)
{
    argument_count = count;
    arguments = given;
}

static Object *objectAt(const Machine *it, int which)
{
    return (Object *)machineOperands(it)[which];
}

static int64_t numberAt(const Machine *it, int which)
{
    return valueNumber(machineOperands(it)[which]);
}

/* What no fd can be is -1: calls say -EBADF. */
static int fdAt(const Machine *it)
{
    int64_t number = numberAt(it, 0);
    return number >= 0 && number <= INT_MAX ? (int)number : -1;
}

static int giveNumber(const Machine *it, int64_t number)
{
    return machineGive(it, valueOfNumber(number));
}

static int giveObject(const Machine *it, Object *object)
{
    return object == NULL ? machineFail(it, "out of memory") : machineGive(it, (Value)object);
}

static int giveBytes(const Machine *it, const char *from, size_t count)
{
    Object *object = heapNew(0, count);
    if (object != NULL)
        memcpy(objectBytes(object), from, count);
    return giveObject(it, object);
}

/* ---- numbers, texts, pairs ------------------------------------------------------------------- */

static bool isObject(Value value, uint32_t values)
{
    return value != 0 && !valueIsNumber(value) && ((Object *)value)->values == values;
}

static bool isEqual(Value left, Value right)
{
    Object *one = (Object *)left, *other = (Object *)right;
    if (left == right || !isObject(left, 0) || !isObject(right, 0))
        return left == right;
    return one->bytes == other->bytes &&
           memcmp(objectBytes(one), objectBytes(other), one->bytes) == 0;
}

/* Of bytes: what they say; of a number: itself; of anything else: 0. */
static int64_t numberOf(Value value)
{
    char text[TEXT_MOST];
    if (valueIsNumber(value))
        return valueNumber(value);
    if (!isObject(value, 0))
        return 0;
    snprintf(text, sizeof text, "%.*s", (int)((Object *)value)->bytes,
             objectBytes((Object *)value));
    return strtoll(text, NULL, 10);
}

static int runText(const Machine *it)
{
    char text[TEXT_MOST];
    int count = snprintf(text, sizeof text, "%lld", (long long)numberAt(it, 0));
    return giveBytes(it, text, (size_t)count);
}

static int runJoin(const Machine *it)
{
    size_t left = objectAt(it, 0)->bytes, right = objectAt(it, 1)->bytes;
    Object *joined = heapNew(0, left + right);
    if (joined != NULL) {
        memcpy(objectBytes(joined), objectBytes(objectAt(it, 0)), left);
        memcpy(objectBytes(joined) + left, objectBytes(objectAt(it, 1)), right);
    }
    return giveObject(it, joined);
}

static int runPair(const Machine *it)
{
    Object *pair = heapNew(2, 0);
    if (pair != NULL)
        memcpy(pair->at, machineOperands(it), 2 * sizeof(Value));
    return giveObject(it, pair);
}

static int runArgument(const Machine *it)
{
    int64_t which = numberAt(it, 0);
    if (which < 0 || which >= argument_count)
        return machineGive(it, 0);
    return giveBytes(it, arguments[which], strlen(arguments[which]));
}

/* ---- what waits ------------------------------------------------------------------------------ */

/* How far it has come: when to wake. */
static int runSleep(const Machine *it)
{
    int64_t ms = numberAt(it, 0), wake = numberAt(it, 1);
    if (wake == 0)
        wake = rtsNow() + (ms < 0 ? 0 : ms < LONGEST_MS ? ms : LONGEST_MS) * NS_PER_MS;
    if (rtsNow() >= wake)
        return machineGive(it, 0);
    machineOperands(it)[1] = valueOfNumber(wake);
    taskWaitDelayUntil(it->context, wake);
    return TaskBlocked;
}

static int awaitRead(const Machine *it)
{
    taskWaitRead(it->context, fdAt(it));
    return TaskBlocked;
}

/* Into C's memory first: how many bytes there are is not known yet. */
static int runRead(const Machine *it)
{
    char buffer[READ_MOST];
    ssize_t n = fdRead(fdAt(it), buffer, sizeof buffer);
    if (n == -EAGAIN)
        return awaitRead(it);
    return n <= 0 ? machineGive(it, 0) : giveBytes(it, buffer, (size_t)n);
}

/* How far it has come: that much is written.  In a step nothing moves the bytes under the kernel's
 * hands. */
static int runWrite(const Machine *it)
{
    Object *bytes = objectAt(it, 1);
    size_t done = (size_t)numberAt(it, 2);
    while (done < bytes->bytes) {
        ssize_t n = fdWrite(fdAt(it), objectBytes(bytes) + done, bytes->bytes - done);
        if (n == -EAGAIN) {
            machineOperands(it)[2] = valueOfNumber((int64_t)done);
            taskWaitWrite(it->context, fdAt(it));
            return TaskBlocked;
        }
        if (n < 0)
            return machineGive(it, 0);
        done += (size_t)n;
    }
    return giveNumber(it, (int64_t)done);
}

static int giveFd(const Machine *it, int fd)
{
    return machineGive(it, fd < 0 ? 0 : valueOfNumber(fd));
}

static int runListen(const Machine *it)
{
    int64_t port = numberAt(it, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    bool is_port = port >= 0 && port <= UINT16_MAX;
    return giveFd(it,
                  is_port ? fdListen((struct sockaddr *)&address, sizeof address, BACKLOG) : -1);
}

static int runPort(const Machine *it)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    getsockname(fdAt(it), (struct sockaddr *)&address, &size);
    return giveNumber(it, ntohs(address.sin_port));
}

static int runAccept(const Machine *it)
{
    int fd = fdAccept(fdAt(it), NULL, NULL);
    return fd == -EAGAIN ? awaitRead(it) : giveFd(it, fd);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool fits(Value value, char wanted)
{
    if (wanted == 'n')
        return valueIsNumber(value);
    return wanted == 'v' || wanted == '0' || isObject(value, wanted == 'p' ? 2 : 0);
}

static bool allFit(const Machine *it)
{
    const char *wanted = verb_forms[it->now->verb].operands;
    const Value *operand = machineOperands(it);
    while (*wanted != '\0' && fits(*operand, *wanted))
        wanted++, operand++;
    return *wanted == '\0';
}

static int (*const functions[VERB_COUNT])(const Machine *it) = {
    [VerbText] = runText,         [VerbJoin] = runJoin,     [VerbPair] = runPair,
    [VerbArgument] = runArgument, [VerbSleep] = runSleep,   [VerbListen] = runListen,
    [VerbPort] = runPort,         [VerbAccept] = runAccept, [VerbRead] = runRead,
    [VerbWrite] = runWrite,
};

int verbRun(const Machine *it)
{
    if (!allFit(it))
        return machineFail(it, "an operand of the wrong kind");
    Value *operands = machineOperands(it);
    switch (it->now->verb) {
    case VerbAdd:
        return giveNumber(it, numberAt(it, 0) + numberAt(it, 1));
    case VerbSubtract:
        return giveNumber(it, numberAt(it, 0) - numberAt(it, 1));
    case VerbLess:
        return giveNumber(it, numberAt(it, 0) < numberAt(it, 1));
    case VerbEqual:
        return giveNumber(it, isEqual(operands[0], operands[1]));
    case VerbNumber:
        return giveNumber(it, numberOf(operands[0]));
    case VerbFirst:
    case VerbSecond:
        return machineGive(it, objectAt(it, 0)->at[it->now->verb == VerbSecond]);
    case VerbClose:
        return giveNumber(it, closeFd(fdAt(it)) == 0);
    default:
        return functions[it->now->verb](it);
    }
}
