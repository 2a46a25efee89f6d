/* DescribeModel.c -- every interleaving of a thread that waits in transactions, one after another,
 * with somebody who describes it.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/Park.c rts/Wait.c rts/stm/TVar.c iomgr/WatchList.c
 * model-sources: iomgr/HeapId.c
 *
 * Thread 0 waits four times: for Events, which it gives back to the pool and takes anew, one of
 * them from new memory, for a delay, which begins a new life each time, and for a variable; with a
 * deadline, without, listed.  Thread 1 looks once at what it waits for: what it is told is of one
 * wait, and all that it follows has been initialised.
 * How it is woken: BlockModel.c.  How an Event happens: EventModel.c.
 */
#include "iomgr/TimerHeap.c"
#include "rts/Pool.c"
#include "rts/ThreadDescribe.c"
#include "rts/stm/Block.c"
#include "rts/stm/Delay.c"
#include "rts/stm/Event.c"
#include "testsuite/model/Explorer.h"

enum { RUBBISH = 77, EVENTS = 3 };

typedef struct State {
    Event events[EVENTS]; /* the last one's memory is new */
    Delay delay;
    TVar var;
    TVar rubbish; /* where a link that was never set leads */
    Thread thread, others[2];
    Transaction tx;   /* thread 0's own, like the next */
    Capability *here; /* NULL: it needs none */
} State;

static State *current;

/* ---- What the code under test needs of others ------------------------------------------------ */

Capability *workerCapability(void)
{
    return current->here;
}

CapabilityTable capabilities;

bool eventManagerForget(EventManager *manager, int fd, FdDirection direction, WatchNode *node,
                        void *sink)
{
    (void)manager, (void)fd, (void)direction, (void)node, (void)sink;
    modelFail(__FILE__, __LINE__, "not reached");
    return false;
}

void scheduleReady(Thread *thread, Capability *here)
{
    (void)thread, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

static void setUp(void *at)
{
    State *state = at;
    current = at;
    eventStart(NULL);
    state->thread.timer.fire = parkTimerFired;
    poolGive(&events, &state->events[1]);
    poolGive(&events, &state->events[0]);
    RELAXED_STORE(&state->rubbish.kind, RUBBISH);
    RELAXED_STORE(&state->events[2].tvar.kind, RUBBISH);
    RELAXED_STORE(&state->events[2].tvar.link, &state->rubbish);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void readVar(TVar *tvar)
{
    Log *log = &current->tx.log;
    log->entries[log->count++] = (LogEntry){.tvar = tvar, .flags = LOG_READ};
}

static void readFd(EventKind kind, int fd)
{
    readVar(&eventNew(&current->tx, kind, fd, NULL)->tvar);
}

static void readEnd(Thread *other)
{
    readVar(&eventNew(&current->tx, EventOfEnd, -1, other)->tvar);
}

/* As blockThread and parkUntil do, but for the lists. */
static void beginWait(Thread *self, int64_t deadline_ns)
{
    bool was_armed;
    uint64_t number = parkBegin(self);
    threadSetAbout(self, linkAbout(&current->tx));
    if (deadline_ns != DEADLINE_NEVER)
        setDeadline(&self->timer, number, deadline_ns, &was_armed);
    threadSetStatus(self, ThreadBlockedOnTVar, -1);
    MODEL_CHECK(claimCommit(&self->claim, 0));
}

static void forgetRead(Thread *self)
{
    threadSetStatus(self, ThreadRunning, -1);
    eventRelease(&current->tx);
    current->tx.log.count = 0;
}

static void endWait(Thread *self)
{
    MODEL_CHECK(claimTry(&self->claim, claimNumber(RELAXED_LOAD(&self->claim)), 0) ==
                ClaimWonParked);
    forgetWait(NULL, &self->timer);
    forgetRead(self);
}

/* For the only variable that was read. */
static void waitListed(Thread *self)
{
    linkAbout(&current->tx);
    parkList(self, &(ListedWait){.list = &current->tx.log.entries->tvar->watchers},
             ThreadBlockedOnTVar, -1);
    claimSettle(&self->claim, 0);
    forgetRead(self);
}

/* As growPool does: cleared, then in the list of the free. */
static void growByOne(Event *event)
{
    RELAXED_STORE(&event->tvar.kind, 0);
    RELAXED_STORE(&event->tvar.link, NULL);
    poolGive(&events, event);
}

static void waitFourTimes(void *at)
{
    State *state = at;
    logOpen(&state->tx.log);
    resetDelay(&state->delay, 10);
    readFd(EventOfRead, 1);
    readVar(&state->delay.tvar);
    readEnd(&state->others[0]);
    beginWait(&state->thread, 100);
    endWait(&state->thread);
    growByOne(&state->events[2]);
    resetDelay(&state->delay, 20);
    readEnd(&state->others[0]);
    readFd(EventOfWrite, 3);
    readVar(&state->delay.tvar);
    readVar(&state->var);
    beginWait(&state->thread, 200);
    endWait(&state->thread);
    readEnd(&state->others[1]);
    waitListed(&state->thread);
    resetDelay(&state->delay, 30);
    readVar(&state->var);
    beginWait(&state->thread, DEADLINE_NEVER);
}

/* ---- Who describes it ------------------------------------------------------------------------ */

static bool isFd(const Named *named, EventKind kind, int fd)
{
    return named->kind == TVarEvent && named->event == kind && named->fd == fd;
}

static bool isEnd(const Named *named, const Thread *other)
{
    return named->kind == TVarEvent && named->event == EventOfEnd && named->subject == other;
}

static bool isDelay(const Named *named, int64_t deadline_ns)
{
    return named->kind == TVarDelay && named->deadline_ns == deadline_ns;
}

/* By the number of the wait. */
static bool isTrue(const ThreadWaiting *waiting, const NamedList *named)
{
    const Named *items = named->items;
    switch (claimNumber(waiting->claim)) {
    case 1:
        return waiting->deadline_ns == 100 && named->count == 3 && !named->more &&
               isFd(&items[0], EventOfRead, 1) && isEnd(&items[1], &current->others[0]) &&
               isDelay(&items[2], 10);
    case 2:
        return waiting->deadline_ns == 200 && named->count == 3 && named->more &&
               isEnd(&items[0], &current->others[0]) && isFd(&items[1], EventOfWrite, 3) &&
               isDelay(&items[2], 20);
    case 3:
        return waiting->deadline_ns == DEADLINE_NEVER && named->count == 1 && !named->more &&
               isEnd(&items[0], &current->others[1]);
    case 4:
        return waiting->deadline_ns == DEADLINE_NEVER && named->count == 1 && !named->more &&
               items[0].tvar == &current->var;
    default:
        return false;
    }
}

static void describe(void *at)
{
    State *state = at;
    ThreadWaiting waiting;
    NamedList named;
    if (!look(&state->thread, &waiting) || waiting.state != ThreadBlockedOnTVar)
        return;
    bool holds = lookAtAll(&state->thread, &waiting, &named);
    for (int i = 0; i < named.count; i++)
        MODEL_CHECK(named.items[i].kind != RUBBISH);
    if (holds)
        MODEL_CHECK(isTrue(&waiting, &named));
    modelOutcome(holds ? claimNumber(waiting.claim) : 0);
}

static const Model models[] = {
    {"describe", sizeof(State), 2, setUp, {waitFourTimes, describe}, NULL, NULL, 0},
};

int main(int argc, char **argv)
{
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
