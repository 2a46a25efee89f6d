/* ThreadDescribe.c -- what a thread waits for, in words.
 *
 * Owns    nothing: it only looks.
 * Tests   testsuite/unit/ThreadDescribeTest.c
 *
 * See Note [Describing].
 */
#include "rts/ThreadDescribe.h"

#include "iomgr/Clock.h"
#include "rts/Park.h"
#include "rts/stm/TVar.h"

#include <stdarg.h>
#include <stdio.h>

enum { TRIES_MOST = 16, LABEL_SIZE = 64, US_NS = 1000 };

static bool isBlocked(ThreadState state)
{
    return state != ThreadReady && state != ThreadRunning && state != ThreadFinished;
}

/* Between two looks at the claim.  False: they differ. */
static bool look(const Thread *thread, ThreadWaiting *waiting)
{
    Claim claim = ACQUIRE_LOAD(&thread->claim);
    uint32_t status = ACQUIRE_LOAD(&thread->status);
    *waiting = (ThreadWaiting){.state = (ThreadState)(status & 0xff),
                               .fd = (int)(status >> 8),
                               .deadline_ns = DEADLINE_NEVER,
                               .claim = claim};
    if (!isBlocked(waiting->state))
        return true;
    if (claimState(claim) == ClaimListed) {
        uint64_t number = ACQUIRE_LOAD(&thread->node.number);
        waiting->about = (const void *)(uintptr_t)(number & ~(WATCH_GENERATION | WAIT_QUEUE));
    } else if (claimState(claim) == ClaimFired || claimState(claim) == ClaimIdle) {
        waiting->state = ThreadReady; /* woken already, or about to look whether it must wait */
    } else {
        waiting->about = ACQUIRE_LOAD(&thread->fn_or_result);
        if (ACQUIRE_LOAD(&thread->timer.number) == claimNumber(claim))
            waiting->deadline_ns = ACQUIRE_LOAD(&thread->timer.deadline_ns);
    }
    return RELAXED_LOAD(&thread->claim) == claim;
}

ThreadWaiting threadDescribeWait(const Thread *thread)
{
    ThreadWaiting waiting;
    for (int i = 0; i < TRIES_MOST; i++)
        if (look(thread, &waiting))
            return waiting;
    waiting.state = ThreadReady;
    return waiting;
}

/* ---- words ---- */

typedef struct Text {
    char *buffer;
    size_t size, length; /* of the buffer; of the whole text */
} Text;

static __attribute__((format(printf, 2, 3))) void say(Text *text, const char *format, ...)
{
    size_t at = text->length < text->size ? text->length : text->size;
    va_list list;
    va_start(list, format);
    int more = vsnprintf(text->buffer + at, text->size - at, format, list);
    va_end(list);
    text->length += more > 0 ? (size_t)more : 0;
}

static void sayThread(Text *text, const WatchList *ended)
{
    const Thread *thread =
        (const Thread *)(const void *)((const char *)ended - offsetof(Thread, ended));
    char label[LABEL_SIZE];
    say(text, " %llu", (unsigned long long)threadId(thread));
    if (threadLabelOf(thread, label, sizeof label) != 0)
        say(text, " \"%s\"", label);
}

static void sayDeadline(Text *text, int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - clockRead(&clockMonotonic);
    int64_t tenths = left_ns <= 0 ? 0 : left_ns / (100 * US_NS);
    say(text, " until +%lld.%lld ms", (long long)(tenths / 10), (long long)(tenths % 10));
}

static void sayBlocked(Text *text, const ThreadWaiting *waiting)
{
    static const char *const names[] = {
        [ThreadBlockedOnRead] = "Read",     [ThreadBlockedOnWrite] = "Write",
        [ThreadBlockedOnDelay] = "Delay",   [ThreadBlockedOnTVar] = "TVar",
        [ThreadBlockedOnThread] = "Thread", [ThreadBlockedOnStack] = "Stack",
        [ThreadBlockedOnCall] = "Call",     [ThreadBlockedOnMVar] = "MVar",
        [ThreadBlockedOnLock] = "Lock",     [ThreadBlockedOnThrowTo] = "ThrowTo",
    };
    bool known = waiting->state < sizeof names / sizeof *names;
    say(text, "BlockedOn%s", known ? names[waiting->state] : "");
    switch (waiting->state) {
    case ThreadBlockedOnRead:
    case ThreadBlockedOnWrite:
        say(text, " fd %d", waiting->fd);
        break;
    case ThreadBlockedOnThread:
    case ThreadBlockedOnThrowTo:
        sayThread(text, waiting->about);
        break;
    case ThreadBlockedOnTVar:
        say(text, " %p", (const char *)waiting->about - offsetof(TVar, watchers));
        break;
    case ThreadBlockedOnMVar:
    case ThreadBlockedOnLock:
        say(text, " %p", waiting->about);
        break;
    default:
        break;
    }
    if (waiting->deadline_ns != DEADLINE_NEVER)
        sayDeadline(text, waiting->deadline_ns);
}

size_t threadDescribe(const Thread *thread, char *buffer, size_t size)
{
    char none[1];
    Text text = {.buffer = size == 0 ? none : buffer, .size = size == 0 ? 1 : size};
    ThreadWaiting waiting = threadDescribeWait(thread);
    if (isBlocked(waiting.state)) {
        sayBlocked(&text, &waiting);
    } else {
        ThreadState now = threadStatus(thread).state; /* which of the two it is */
        say(&text, "%s",
            now == ThreadDied                                        ? "Died"
            : waiting.state == ThreadFinished                        ? "Finished"
            : waiting.state == ThreadRunning && now == ThreadRunning ? "Running"
                                                                     : "Ready");
    }
    return text.length;
}
