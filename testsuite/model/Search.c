/* Search.c -- the tree of choices: backtrack sets, sleep sets, vector clocks.
 *
 * Owns    the nodes, the steps of the current execution, the clocks.
 * Before  testsuite/model/Explorer.c.      After  testsuite/model/Memory.c.
 * Tests   testsuite/model/ReductionTest.c, LitmusTest.c.
 *
 * How executions are left out: See Note [Reduction] in Search.h.
 */
#include "testsuite/model/Search.h"

#include <stddef.h>
#include <string.h>

typedef struct Node {
    unsigned enabled, awake, backtrack, done, sleeping; /* sets of threads */
    int thread;                                         /* being explored */
    int choice, choices;                                /* which store it reads */
    int newest;                                         /* newest stamp where it reads */
    int floor[THREADS_MAX];                             /* of the sleeping */
    Clock before;                                       /* how many steps each thread had made */
} Node;

static struct {
    int threads;
    bool full;
    Node nodes[STEPS_MAX];
    int node_count;
    int fresh_from; /* steps before this one repeat the previous execution */
    Step steps[STEPS_MAX];
    int depth;
    const Op *pending[THREADS_MAX];
    unsigned sleeping; /* in the state now */
    int floor[THREADS_MAX];
    Clock clocks[THREADS_MAX];
    Clock barrier, blocked, wrote; /* joined over such steps */
    Clock sc_reads[LOCATIONS_MAX]; /* seq_cst reads ... */
    Clock sc_below[LOCATIONS_MAX]; /* ... of less than the bound: before later seq_cst steps */
    Clock pauses[LOCATIONS_MAX];   /* pauses that watched it: before later writes */
    uint64_t choices;
} search;

static void joinClock(Clock *into, const Clock *from)
{
    for (int i = 0; i < THREADS_MAX; i++)
        if (into->of[i] < from->of[i])
            into->of[i] = from->of[i];
}

static void joinStep(Clock *into, int step)
{
    if (step >= 0)
        joinClock(into, &search.steps[step].clock);
}

void searchStart(int threads, bool full)
{
    search.threads = threads;
    search.full = full;
    search.node_count = 0;
    search.fresh_from = 0;
    search.choices = 0;
}

void searchRestart(void)
{
    search.depth = 0;
    search.sleeping = 0;
    memset(search.pending, 0, sizeof search.pending);
    memset(search.clocks, 0, sizeof search.clocks);
    memset(&search.barrier, 0, sizeof(Clock));
    memset(&search.blocked, 0, sizeof(Clock));
    memset(&search.wrote, 0, sizeof(Clock));
    size_t locations = (size_t)LOCATIONS_MAX;
    memset(search.sc_reads, 0, locations * sizeof(Clock));
    memset(search.sc_below, 0, locations * sizeof(Clock));
    memset(search.pauses, 0, locations * sizeof(Clock));
}

/* Does it matter that `done` came before `next` of another thread, which writes or not?
 * See Note [Reduction]. */
static bool stepRaces(const Step *done, const Op *next, bool next_writes)
{
    const Op *op = &done->op;
    if (op->kind == OpBarrier || next->kind == OpBarrier)
        return op->kind != next->kind;
    if (next->kind == OpBlock)
        return done->wrote;
    if (op->kind == OpBlock)
        return next_writes;
    if (next->kind == OpPause)
        return done->wrote && locationSetHas(&next->watched, op->location);
    if (op->kind == OpPause)
        return next_writes && locationSetHas(&op->watched, next->location);
    if (op->location != next->location)
        return false;
    if (next_writes || (done->wrote && next->kind == OpCas))
        return true;
    if (next->order != SMP_SEQ_CST || op->order != SMP_SEQ_CST)
        return false;
    return done->wrote || done->raised;
}

/* Is the sleeping `op` still explored after `done` of another thread? */
static bool sleeperStays(const Op *op, const Step *done)
{
    const Op *other = &done->op;
    if (op->kind == OpBarrier || other->kind == OpBarrier)
        return false;
    if (op->kind == OpBlock)
        return !done->wrote;
    if (other->kind == OpBlock)
        return !opWrites(op);
    if (op->kind == OpPause)
        return !done->wrote || !locationSetHas(&op->watched, other->location);
    if (other->kind == OpPause)
        return !opWrites(op) || !locationSetHas(&other->watched, op->location);
    if (op->location != other->location)
        return true;
    if (done->wrote)
        return opChooses(op); /* the floor leaves only what is new */
    if (op->order != SMP_SEQ_CST || other->order != SMP_SEQ_CST)
        return true;
    return op->kind == OpLoad && done->read_stamp == done->newest_stamp;
}

/* Threads that begin what came after step `index` and does not depend on it; *own says whether
 * `next` of the thread could come first, too.  `clock` is next's, NULL if it was not made. */
static unsigned findInitials(int index, int thread, const Op *next, const Clock *clock, bool *own)
{
    const Node *node = &search.nodes[index];
    const Step *early = &search.steps[index];
    unsigned initials = 0, seen = 0;
    *own = node->enabled >> thread & 1;
    for (int i = index + 1; i < search.depth; i++) {
        const Step *step = &search.steps[i];
        if (step->clock.of[early->thread] >= early->number)
            continue; /* depends on `early` */
        bool needed =
            clock ? clock->of[step->thread] >= step->number : stepRaces(step, next, false);
        if (opChooses(next))
            needed = false; /* without `early` it may read something else */
        if (step->thread == thread || needed)
            *own = false;
        if (seen >> step->thread & 1)
            continue;
        seen |= 1U << step->thread;
        bool first = true;
        for (int j = 0; j < search.threads; j++)
            if (j != step->thread && step->clock.of[j] > node->before.of[j])
                first = false;
        if (first)
            initials |= 1U << step->thread;
    }
    return initials;
}

/* One of the threads is to be explored at the node, unless one already is or was (it sleeps). */
static void requireOne(Node *node, unsigned threads)
{
    if (!(threads & (node->backtrack | ~node->awake)))
        node->backtrack |= threads & -threads;
}

/* See to it that `next` of the thread is also explored before step `index`. */
static void addBacktrack(int index, int thread, const Op *next, const Clock *clock)
{
    Node *node = &search.nodes[index];
    bool own, waits = next->kind == OpPause || next->kind == OpBlock;
    unsigned initials = findInitials(index, thread, next, clock, &own);
    if (!own && (waits || !initials)) { /* it may not be possible there: whatever makes it so */
        node->backtrack = node->enabled;
    } else if (own && opChooses(next)) {
        requireOne(node, 1U << thread);
        if (initials)
            requireOne(node, initials);
    } else {
        requireOne(node, own ? initials | 1U << thread : initials);
    }
}

/* `next` of the thread is also to be tried before each earlier step with which it races; `before`
 * is what has to come before any step of the thread. */
static void addBacktracks(int thread, const Op *next, bool writes, const Clock *before,
                          const Clock *clock)
{
    for (int i = 0; i < search.depth; i++) {
        const Step *early = &search.steps[i];
        const Node *node = &search.nodes[i];
        if (early->thread == thread || before->of[early->thread] >= early->number)
            continue;
        if (node->backtrack == node->enabled || !stepRaces(early, next, writes))
            continue;
        addBacktrack(i, thread, next, clock);
    }
}

void searchAnnounce(int thread, const Op *op)
{
    search.pending[thread] = op;
}

void searchStop(void)
{
    if (search.full || search.depth <= search.fresh_from)
        return;
    for (int i = 0; i < search.threads; i++) {
        const Op *op = search.pending[i];
        if (op && (op->kind == OpPause || op->kind == OpBlock))
            addBacktracks(i, op, false, &search.clocks[i], NULL);
    }
}

bool searchReplays(void)
{
    return search.depth < search.node_count;
}

static int floorOf(const Node *node, int thread)
{
    return node->sleeping >> thread & 1 ? node->floor[thread] : -1;
}

/* How many ways the thread's next step has at the node. */
static int countChoices(const Node *node, int thread)
{
    const Op *op = search.pending[thread];
    bool sleeping = node->sleeping >> thread & 1;
    if (!opChooses(op))
        return sleeping ? 0 : 1;
    int count = 0;
    while (memoryCandidate(thread, op, floorOf(node, thread), count) && !(op->plain && count))
        count++;
    return count;
}

static int pickFirst(unsigned threads, int preferred)
{
    if (threads >> preferred & 1)
        return preferred;
    return __builtin_ctz(threads);
}

static bool createNode(Node *node, unsigned enabled)
{
    node->enabled = enabled;
    node->sleeping = search.sleeping;
    memcpy(node->floor, search.floor, sizeof node->floor);
    node->awake = 0;
    for (int i = 0; i < search.threads; i++) {
        node->before.of[i] = search.clocks[i].of[i];
        if (enabled >> i & 1 && countChoices(node, i) > 0)
            node->awake |= 1U << i;
    }
    if (!node->awake)
        return false;
    int last = search.depth ? search.steps[search.depth - 1].thread : 0;
    node->thread = pickFirst(node->awake, last);
    node->backtrack = search.full ? enabled : 1U << node->thread;
    node->done = 0;
    node->choice = 0;
    return true;
}

int searchPick(unsigned enabled)
{
    if (search.depth == STEPS_MAX)
        return SearchLong;
    Node *node = &search.nodes[search.depth];
    if (search.depth == search.node_count) {
        if (!createNode(node, enabled))
            return SearchCut;
        search.node_count++;
        search.choices++;
    }
    if (node->choice == 0) {
        const Op *op = search.pending[node->thread];
        node->choices = countChoices(node, node->thread);
        node->newest = opChooses(op) ? memoryNewestStamp(op->location) : 0;
    }
    return node->thread;
}

Step *searchBegin(int thread, Store **from)
{
    const Node *node = &search.nodes[search.depth];
    Step *step = &search.steps[search.depth];
    step->op = *search.pending[thread];
    step->thread = thread;
    step->read = step->wrote = step->raised = false;
    step->read_step = step->mo_step = -1;
    *from = NULL;
    if (opChooses(&step->op))
        *from = memoryCandidate(thread, &step->op, floorOf(node, thread), node->choice);
    else if (step->op.kind == OpRmw)
        *from =
            memoryCandidate(thread, &(Op){.kind = OpLoad, .location = step->op.location}, -1, 0);
    return step;
}

/* Which earlier steps must come before this one. */
static void orderStep(const Step *step, Clock *clock)
{
    const Op *op = &step->op;
    joinClock(clock, &search.barrier);
    switch (op->kind) {
    case OpBarrier:
        for (int i = 0; i < search.threads; i++)
            joinClock(clock, &search.clocks[i]);
        break;
    case OpBlock:
        joinClock(clock, &search.wrote);
        break;
    case OpPause:
        for (int i = 0; i < memoryLocationCount(); i++)
            if (locationSetHas(&op->watched, i))
                joinStep(clock, memoryNewestStep(i));
        break;
    default:
        joinStep(clock, step->read_step);
        if (op->order == SMP_SEQ_CST) {
            Clock *below = &search.sc_below[op->location];
            if (step->wrote || step->raised)
                joinClock(below, &search.sc_reads[op->location]);
            joinClock(clock, below);
        }
        if (!step->wrote)
            break;
        joinStep(clock, step->mo_step);
        joinClock(clock, &search.blocked);
        joinClock(clock, &search.pauses[op->location]);
    }
}

/* Let later steps find this one. */
static void publishStep(const Step *step)
{
    const Op *op = &step->op;
    if (step->wrote)
        joinClock(&search.wrote, &step->clock);
    if (step->read && !step->wrote && op->order == SMP_SEQ_CST)
        joinClock(&search.sc_reads[op->location], &step->clock);
    if (op->kind == OpBarrier)
        joinClock(&search.barrier, &step->clock);
    if (op->kind == OpBlock)
        joinClock(&search.blocked, &step->clock);
    if (op->kind == OpPause)
        for (int i = 0; i < memoryLocationCount(); i++)
            if (locationSetHas(&op->watched, i))
                joinClock(&search.pauses[i], &step->clock);
}

void searchEnd(Step *step)
{
    int thread = step->thread;
    const Node *node = &search.nodes[search.depth];
    Clock *clock = &search.clocks[thread], before = *clock;
    orderStep(step, clock);
    step->number = ++clock->of[thread];
    step->clock = *clock;
    publishStep(step);
    search.pending[thread] = NULL;
    if (!search.full && search.depth >= search.fresh_from) {
        addBacktracks(thread, &step->op, step->wrote, &before, clock);
        search.sleeping = 0;
        for (int i = 0; i < search.threads; i++) {
            const Op *op = search.pending[i];
            if (!op)
                continue;
            search.floor[i] = node->floor[i];
            if (node->sleeping >> i & 1 && sleeperStays(op, step))
                search.sleeping |= 1U << i;
        }
    }
    search.depth++;
}

bool searchAdvance(void)
{
    while (search.node_count > 0) {
        Node *node = &search.nodes[search.node_count - 1];
        search.fresh_from = search.node_count - 1;
        if (++node->choice < node->choices)
            return true;
        unsigned bit = 1U << node->thread;
        node->done |= bit;
        if (!search.full) {
            node->sleeping |= bit;
            node->floor[node->thread] = node->newest;
        }
        unsigned left = node->backtrack & node->awake & ~node->done;
        if (left) {
            node->thread = pickFirst(left, 0);
            node->choice = 0;
            return true;
        }
        search.node_count--;
    }
    return false;
}

int searchDepth(void)
{
    return search.depth;
}

const Step *searchStep(int index)
{
    return &search.steps[index];
}

uint64_t searchChoices(void)
{
    return search.choices;
}
