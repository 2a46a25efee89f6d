/* ThreadDescribe.c -- what a thread waits for, in words.
 *
 * Owns    nothing: it only looks.
 * Tests   testsuite/unit/ThreadDescribeTest.c, testsuite/model/DescribeModel.c (every interleaving)
 *
 * See Note [Describing] and Note [What a transaction waits for].
 */
#include "rts/ThreadDescribe.h"

#include "iomgr/Clock.h"
#include "rts/Park.h"
#include "rts/stm/Block.h"
#include "rts/stm/Delay.h"
#include "rts/stm/Event.h"

#include <stdarg.h>
#include <stdio.h>

enum { TRIES_MOST = 16, LABEL_SIZE = 64, NAMED_MOST = 8, US_NS = 1000 };

static bool isBlocked(ThreadState state)
{
    return state != ThreadReady && state != ThreadRunning && state != ThreadFinished;
}

/* Its node names the list or the queue: See Note [Listed waits] and Note [Waiters of tasks]. */
static bool isNamed(const Thread *thread, const ThreadWaiting *waiting)
{
    return claimState(waiting->claim) == ClaimListed ||
           (waiting->state == ThreadBlockedOnMVar && threadIsTask(thread));
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
    if (claimState(claim) == ClaimFired || claimState(claim) == ClaimIdle) {
        waiting->state = ThreadReady; /* woken already, or about to look whether it must wait */
    } else if (isNamed(thread, waiting)) {
        uint64_t number = ACQUIRE_LOAD(&thread->node.number);
        waiting->about = (const void *)(uintptr_t)(number & ~(WATCH_GENERATION | WAIT_QUEUE));
    } else {
        waiting->about = ACQUIRE_LOAD(&thread->fn_or_result);
    }
    if ((claimState(claim) == ClaimArmed || claimState(claim) == ClaimParked) &&
        ACQUIRE_LOAD(&thread->timer.number) == claimNumber(claim))
        waiting->deadline_ns = ACQUIRE_LOAD(&thread->timer.deadline_ns);
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

/* ---- what a transaction waits for ---- */

/* One variable. */
typedef struct Named {
    const TVar *tvar;
    uint32_t kind;       /* TVarKind */
    uint16_t event;      /* an Event's EventKind */
    int fd;              /* likewise */
    const void *subject; /* likewise */
    int64_t deadline_ns; /* a delay's */
} Named;

typedef struct NamedList {
    Named items[NAMED_MOST];
    int count;
    bool more; /* than there is room for, or than is told */
} NamedList;

/* Returns what is named after it, or 0. */
static uintptr_t lookAtOne(uintptr_t word, Named *named)
{
    const TVar *tvar = (const TVar *)(word & ~BLOCK_MORE);
    *named = (Named){.tvar = tvar, .kind = RELAXED_LOAD(&tvar->kind)};
    if (named->kind == TVarDelay)
        named->deadline_ns = delayDeadline(tvar);
    if (named->kind != TVarEvent)
        return 0;
    const Event *event = (const Event *)(const void *)tvar; /* its first */
    named->event = ACQUIRE_LOAD(&event->kind);
    named->fd = ACQUIRE_LOAD(&event->fd);
    named->subject = ACQUIRE_LOAD(&event->subject);
    return (uintptr_t)ACQUIRE_LOAD(&tvar->link);
}

/* False: the wait that `waiting` is about is over. */
static bool lookAtAll(const Thread *thread, const ThreadWaiting *waiting, NamedList *named)
{
    uintptr_t next = (uintptr_t)waiting->about;
    if (next != 0)
        next -= offsetof(TVar, watchers);
    *named = (NamedList){.count = 0};
    while (next != 0 && named->count < NAMED_MOST) {
        named->more = (next & BLOCK_MORE) != 0;
        next = lookAtOne(next, &named->items[named->count++]);
    }
    named->more = named->more || next != 0;
    return RELAXED_LOAD(&thread->claim) == waiting->claim;
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

static void sayTime(Text *text, const char *what, int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - clockRead(&clockMonotonic);
    int64_t tenths = left_ns <= 0 ? 0 : left_ns / (100 * US_NS);
    say(text, " %s +%lld.%lld ms", what, (long long)(tenths / 10), (long long)(tenths % 10));
}

static void sayOne(Text *text, const Named *named)
{
    if (named->kind == TVarDelay) {
        sayTime(text, "Delay", named->deadline_ns);
    } else if (named->kind != TVarEvent) {
        say(text, " %p", (const void *)named->tvar);
    } else if (named->event == EventOfEnd) {
        say(text, " Thread");
        sayThread(text, &((const Thread *)named->subject)->ended);
    } else {
        say(text, " %s fd %d", named->event == EventOfRead ? "Read" : "Write", named->fd);
    }
}

static void sayAll(Text *text, const NamedList *named)
{
    for (int i = 0; i < named->count; i++) {
        say(text, "%s", i == 0 ? "" : ",");
        sayOne(text, &named->items[i]);
    }
    say(text, "%s", named->more ? ", more" : "");
}

static void sayBlocked(Text *text, const ThreadWaiting *waiting, const NamedList *named)
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
        sayAll(text, named);
        break;
    case ThreadBlockedOnMVar:
    case ThreadBlockedOnLock:
        say(text, " %p", waiting->about);
        break;
    default:
        break;
    }
    if (waiting->deadline_ns != DEADLINE_NEVER)
        sayTime(text, "until", waiting->deadline_ns);
}

size_t threadDescribe(const Thread *thread, char *buffer, size_t size)
{
    char none[1];
    Text text = {.buffer = size == 0 ? none : buffer, .size = size == 0 ? 1 : size};
    ThreadWaiting waiting = threadDescribeWait(thread);
    NamedList named = {.count = 0};
    if (waiting.state == ThreadBlockedOnTVar && !lookAtAll(thread, &waiting, &named))
        waiting.state = ThreadReady; /* woken meanwhile */
    if (isBlocked(waiting.state)) {
        sayBlocked(&text, &waiting, &named);
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
