/* StreamModel.c -- every interleaving of a receive that the kernel makes with what ends its wait.
 *
 * not-under: tsan asan valgrind
 * model-sources: rts/StreamCall.c rts/KernelCall.c rts/Interrupt.c rts/Mask.c rts/Park.c rts/Wait.c
 * model-sources: iomgr/FdSlot.c iomgr/WatchList.c
 *
 * Actor 0 reads from a socket through the real code, from streamCallReceive to the claim.  Made
 * up are the back-end, which has one call at a time and makes it when a byte has come or it was
 * cancelled, and the number's home.  A byte is read once or is left; an interrupt is raised or
 * stays pending; and nobody looks at the call once its thread has left it.
 */
#include "rts/StreamCall.h"

#include "capability/FdHome.h"
#include "rts/FdCall.h"
#include "rts/KernelCall.h"
#include "rts/Look.h"
#include "testsuite/model/WaitStage.h"

#include "testsuite/model/QueueStubs.h"

#include <errno.h>

enum { FD = 5, LATE = 2 /* bytes, of the file whose number it is by then */ };

typedef struct State {
    Actor actors[ACTORS];
    Stack stack;
    Interrupt posted;
    uint64_t calls;         /* of the kernel: they come one after the other */
    uint32_t lock;          /* the back-end's */
    Submission *submission; /* plain, as all of the kernel's: what was given to the back-end */
    bool entered;           /* the kernel knows of it, */
    bool late;              /* when the number was another file's already, */
    bool cancelled;         /* and that it shall end */
    uint32_t came, bytes;   /* how many have come, and are there to be read */
    bool closed;
    int answer;    /* what the kernel writes of a call: its thread looks once it is over */
    uint32_t over; /* relaxed: actor 0 is through */
} State;

static State *current;
static Capability home;
static FdSlot slots[FD_CHUNK];
static FdSlot *slot_chunks[FD_CHUNKS];
static uint32_t home_words[HOME_CHUNK];

CapabilityTable capabilities;
uint32_t *fd_home_chunks[HOME_CHUNKS];

static void setUp(void *at)
{
    current = at;
    stage_actors = current->actors;
    parkCancelReset();
    stream_calls = true;
    slots[FD] = (FdSlot){.edges = UINT64_C(1) << 32 | 1};
    home_words[FD] = (FdAdopted | FdStream | FD_KIND_SOCKET) << 16 | 1;
    current->actors[0].thread.stack = &current->stack;
    current->actors[0].thread.id = 1;
}

static void setUpMasked(void *at)
{
    setUp(at);
    current->actors[0].thread.node.tag = MaskedUninterruptible << TAG_MASKING_SHIFT;
}

/* ---- The kernel ------------------------------------------------------------------------------ */

/* One step of the explorer is a whole call, so the kernel's fields are plain. */
static void enterKernel(void)
{
    ADD_SEQ_CST(&current->calls, 1);
}

static void enterSubmission(void)
{
    if (current->submission == NULL || current->entered)
        return;
    current->entered = true;
    current->late = current->closed;
}

static void lockBackend(void)
{
    uint32_t no = 0;
    while (!CAS_ACQUIRE(&current->lock, &no, 1)) {
        modelYield();
        no = 0;
    }
}

static void unlockBackend(void)
{
    RELEASE_STORE(&current->lock, 0);
}

int eventManagerSubmit(EventManager *manager, Submission *submission)
{
    (void)manager;
    lockBackend();
    bool wanted = submission->wanted(submission);
    if (wanted) {
        enterKernel();
        MODEL_CHECK(current->submission == NULL);
        current->submission = submission;
        current->entered = current->cancelled = false;
    }
    unlockBackend();
    return wanted ? 0 : -ECANCELED;
}

void eventManagerFlush(EventManager *manager, int fd)
{
    (void)manager;
    lockBackend();
    enterKernel();
    enterSubmission();
    current->cancelled |= fd >= 0 && current->submission != NULL;
    unlockBackend();
}

int eventManagerCancel(EventManager *manager, Submission *submission)
{
    (void)manager;
    enterKernel();
    if (current->submission == submission) { /* else it has just been made */
        enterSubmission();
        current->cancelled = true;
    }
    return 0;
}

static bool canComplete(void *at)
{
    State *state = at;
    bool ready = state->bytes != 0 || state->cancelled || state->late;
    return state->over != 0 || (state->submission != NULL && (ready || !state->entered));
}

/* Whoever polls, until the reader is through. */
static void poller(void *at)
{
    State *state = at;
    for (;;) {
        modelBlock(canComplete, state);
        if (RELAXED_LOAD(&state->over) != 0)
            return;
        enterKernel();
        Submission *submission = state->submission;
        enterSubmission();
        bool reads = state->bytes != 0 && !state->late;
        if (!reads && !state->cancelled && !state->late)
            continue; /* it has been handed over */
        submission->result = reads ? 1 : state->late ? LATE : -ECANCELED;
        MODEL_WRITE(state->answer, submission->result);
        state->submission = NULL;
        state->bytes -= reads;
        submission->done(submission, NULL);
    }
}

uint32_t eventManagerRescue(EventManager *manager, void *sink)
{
    (void)manager, (void)sink;
    return 0;
}

bool lookIsSlow(const Scheduler *scheduler)
{
    (void)scheduler;
    return false;
}

void lookSoon(Scheduler *scheduler)
{
    (void)scheduler;
}

static int64_t readClock(void *context)
{
    (void)context;
    return 0;
}

const Clock clockMonotonic = {readClock, NULL};

/* ---- Linked, hardly reached ------------------------------------------------------------------ */

int scheduleYield(void)
{
    modelYield();
    return 0;
}

uint32_t fdHomeSettleSlow(int fd, Capability *near)
{
    (void)near;
    uint32_t word = fdHomeKind(fdHomeLook(fd)) << 16 | 1;
    SEQ_CST_STORE(fdHomeWord(fd), word);
    return word;
}

FdSlot *fdTableGet(FdTable *table, int fd)
{
    return fdTableFind(table, fd);
}

bool eventManagerForget(EventManager *manager, int fd, FdDirection direction, WatchNode *node,
                        void *sink)
{
    WatchList *list = &fdTableFind(&manager->table, fd)->waiters[direction];
    return watchListRemove(list, watchListGeneration(RELAXED_LOAD(list)), node, sink);
}

/* ---- The threads ----------------------------------------------------------------------------- */

static void readUntil(int64_t deadline_ns)
{
    char byte;
    self()->result = (int)streamCallReceive(FD, &byte, 1, deadline_ns);
    MODEL_WRITE(self()->thread.node.next, NULL); /* ours again */
    (void)MODEL_READ(current->answer);
    RELAXED_STORE(&current->over, 1);
}

static void readOnce(void *at)
{
    (void)at;
    readUntil(DEADLINE_NEVER);
}

static void readTimed(void *at)
{
    (void)at;
    readUntil(1);
}

static void arrive(void)
{
    enterKernel();
    current->bytes++;
    current->came++;
}

static void pollAndArrive(void *at)
{
    arrive();
    poller(at);
}

/* Before that: InterruptModel.c. */
static bool isParked(void *at)
{
    State *state = at;
    return state->over != 0 || claimState(state->actors[0].thread.claim) == ClaimParked;
}

static void throwTo0(void *at)
{
    State *state = at;
    modelBlock(isParked, state);
    interruptPost(&state->actors[0].thread, &state->posted, NULL);
}

static void throwArriveAndPoll(void *at)
{
    throwTo0(at);
    pollAndArrive(at);
}

/* As if somebody else had asked for events of this number. */
static void fire(void *at)
{
    (void)at;
    fdSlotFire(&slots[FD], FdRead, 0, NULL);
}

static void fireAndPoll(void *at)
{
    fire(at);
    pollAndArrive(at);
}

/* The timer of its first wait, whenever it knows of that. */
static void timeOut(void *at)
{
    State *state = at;
    Thread *thread = &state->actors[0].thread;
    if (claimNumber(ACQUIRE_LOAD(&thread->claim)) != 0)
        parkTimerFired(&thread->timer, 1, NULL);
}

/* Whoever stands in the slot is told. */
static void detach(int result)
{
    WatchNode *older[2] = {NULL, NULL};
    fdSlotLock(&slots[FD]);
    if (watchListHasWatchers(&slots[FD].waiters[FdRead]))
        fdSlotAdvance(&slots[FD], older);
    fdSlotUnlock(&slots[FD]);
    watchListFire(older[FdRead], result, NULL);
}

/* Whoever is in a call when the number is closed. */
static bool isGiven(void *at)
{
    State *state = at;
    return state->over != 0 || state->submission != NULL;
}

/* closeFd, in short, and another file: the home, the waiters, the number, who has come since. */
static void closeIt(void *at)
{
    State *state = at;
    modelBlock(isGiven, state);
    SEQ_CST_STORE(&home_words[FD], 0);
    detach(-EBADF);
    streamCallFlushSlow(FD);
    enterKernel();
    state->closed = true;
    detach(FD_LOOK_AGAIN);
}

static void closeAndPoll(void *at)
{
    closeIt(at);
    poller(at);
}

/* ---- What must hold -------------------------------------------------------------------------- */

static void checkQuiet(State *state)
{
    const Actor *reader = &state->actors[0];
    MODEL_CHECK(reader->queued == reader->parks && reader->thread.node.linked == 0);
    MODEL_CHECK(watchListHead(slots[FD].waiters[FdRead]) == NULL);
    MODEL_CHECK(state->submission == NULL);
    MODEL_CHECK((reader->result == 1) == (state->bytes < state->came));
    MODEL_CHECK(reader->result != LATE);
    modelOutcome((uint16_t)reader->result);
}

static void checkRead(void *at)
{
    State *state = at;
    checkQuiet(state);
    MODEL_CHECK(state->actors[0].result == 1);
}

/* Exactly one of the two, and what was not raised is pending. */
static void checkInterrupted(void *at)
{
    State *state = at;
    int result = state->actors[0].result;
    bool raised = state->posted.place == InterruptRaised;
    checkQuiet(state);
    MODEL_CHECK(result == 1 || result == -ECANCELED || result == STREAM_PLAINLY);
    MODEL_CHECK(raised == (result == -ECANCELED));
    MODEL_CHECK(state->stack.caught.count == (raised ? 1 : 0));
}

static void checkPending(void *at)
{
    State *state = at;
    int result = state->actors[0].result;
    checkQuiet(state);
    MODEL_CHECK(result == 1 || result == STREAM_PLAINLY);
    MODEL_CHECK(state->posted.place == InterruptPending);
}

static void checkEnded(void *at)
{
    State *state = at;
    int result = state->actors[0].result;
    checkQuiet(state);
    MODEL_CHECK(result == 1 || result == -ETIMEDOUT);
}

static void checkClosed(void *at)
{
    State *state = at;
    int result = state->actors[0].result;
    checkQuiet(state);
    MODEL_CHECK(result == 1 || result == -EBADF || result == STREAM_PLAINLY);
}

#define SIZE sizeof(State)

static const Model models[] = {
    {"arrival", SIZE, 2, setUp, {readOnce, pollAndArrive}, checkRead, NULL, 0},
    {"interrupt", SIZE, 2, setUp, {readOnce, throwArriveAndPoll}, checkInterrupted, NULL, 0},
    {"masked", SIZE, 2, setUpMasked, {readOnce, throwArriveAndPoll}, checkPending, NULL, 0},
    {"event", SIZE, 2, setUp, {readOnce, fireAndPoll}, checkRead, NULL, 0},
    {"timeOut", SIZE, 3, setUp, {readTimed, pollAndArrive, timeOut}, checkEnded, NULL, 0},
    {"close", SIZE, 2, setUp, {readOnce, closeAndPoll}, checkClosed, NULL, 0},
};

int main(int argc, char **argv)
{
    slot_chunks[0] = slots;
    home.manager.table.chunks = slot_chunks;
    capabilities.items[0] = &home;
    capabilities.count = capabilities.enabled = 1;
    fd_home_chunks[0] = home_words;
    return modelMain(argc, argv, models, (int)(sizeof models / sizeof models[0]));
}
