/* Explorer.c -- running the executions of a model: threads on fibers, one step at a time.
 *
 * Owns    the model threads and the verdict.  Each atomic of the code under test arrives here.
 * Before  the code under test, by SMP.h.      After  Search.c: who is next; Memory.c: what it sees.
 * Tests   testsuite/model/ExplorerTest.c, LitmusTest.c, ReductionTest.c.
 *
 * Note [Model turns]
 *   A thread stops *before* each step: it announces the step, and whoever is picked makes the one
 *   that it had announced, then runs on to its next.  The pick happens on the stack of the thread
 *   that stopped, so a thread that goes on costs no switch.  setup and check run on a fiber too
 *   (`phase`), so that a failure anywhere leaves by one switch to the driver.
 */
#include "testsuite/model/Explorer.h"

#include "testsuite/model/Fiber.h"
#include "testsuite/model/Report.h"
#include "testsuite/model/Search.h"
#include "testsuite/model/Site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 4096, OUTSIDE = -1 };

typedef enum Ending { Running, Ended, Cut, Stuck, Wrong, TooLong } Ending;

static struct {
    const Model *model;
    ModelOptions options;
    ModelResult *result;
    void *state;
    Fiber driver, phase, threads[THREADS_MAX];
    bool mapped;           /* the stacks exist */
    int current;           /* the model thread that runs; OUTSIDE: plain accesses */
    Fiber *running;        /* the fiber that runs, if any does */
    bool starting;         /* threads run to their first step only */
    unsigned unfinished;   /* set of threads */
    Op ops[THREADS_MAX];   /* announced; site NULL: made */
    void (*plain)(void *); /* what the phase fiber runs */
    Ending ending;
} explorer = {.current = OUTSIDE};

static const char not_repeatable[] =
    "the same choices led elsewhere (state that setup does not reset?)";

/* ---- Ending an execution -------------------------------------------------------------------- */

static _Noreturn void leaveExecution(Ending ending)
{
    explorer.ending = ending;
    fiberSwitch(explorer.running, &explorer.driver);
    abort(); /* nobody comes back to a fiber that has left */
}

static _Noreturn void failExecution(const char *reason, Ending ending)
{
    snprintf(explorer.result->reason, sizeof explorer.result->reason, "%s", reason);
    if (!explorer.running) {
        fprintf(stderr, "explorer: outside a model: %s\n", reason);
        abort();
    }
    leaveExecution(ending);
}

void modelFail(const char *file, int line, const char *text)
{
    char reason[256];
    snprintf(reason, sizeof reason, "%s:%d: %s", file, line, text);
    if (!explorer.result) {
        fprintf(stderr, "%s\n", reason);
        abort();
    }
    failExecution(reason, Wrong);
}

/* ---- Turns: See Note [Model turns] ---------------------------------------------------------- */

static bool runPlainly(bool (*predicate)(void *), void *arg)
{
    int self = explorer.current;
    explorer.current = OUTSIDE;
    bool result = predicate(arg);
    explorer.current = self;
    return result;
}

static bool opReady(int thread)
{
    const Op *op = &explorer.ops[thread];
    if (op->kind == OpPause)
        return memoryChanged(thread);
    return op->kind != OpBlock || runPlainly(op->until, op->until_arg);
}

static unsigned findEnabled(void)
{
    unsigned enabled = 0;
    for (int i = 0; i < explorer.model->threads; i++)
        if (explorer.unfinished >> i & 1 && opReady(i))
            enabled |= 1U << i;
    return enabled;
}

/* Who goes next?  Leaves the execution when nobody does. */
static int pickThread(void)
{
    unsigned enabled = 0;
    if (!searchReplays()) {
        if (!explorer.unfinished)
            leaveExecution(Ended);
        enabled = findEnabled();
        if (!enabled)
            leaveExecution(Stuck);
    }
    int next = searchPick(enabled);
    if (next == SearchCut)
        leaveExecution(Cut);
    if (next == SearchLong)
        failExecution("an execution does not end (a wait without SMP_PAUSE?)", TooLong);
    if (!(explorer.unfinished >> next & 1))
        failExecution(not_repeatable, Wrong);
    return next;
}

static void handOver(Fiber *from)
{
    int next = pickThread();
    Fiber *to = &explorer.threads[next];
    explorer.current = next;
    explorer.running = to;
    if (to != from)
        fiberSwitch(from, to);
}

static void runThread(void)
{
    int self = explorer.current;
    explorer.model->run[self](explorer.state);
    explorer.unfinished &= ~(1U << self);
    if (explorer.starting)
        leaveExecution(Running);
    handOver(&explorer.threads[self]);
    abort(); /* a finished thread is never picked */
}

static void runPhase(void)
{
    if (explorer.plain)
        explorer.plain(explorer.state);
    leaveExecution(Running);
}

static void runTurns(void)
{
    handOver(&explorer.phase);
    abort(); /* the phase fiber is never picked */
}

/* Announce the step, wait for the turn, make it. */
static const Step *makeStep(const Op *op)
{
    int self = explorer.current;
    Fiber *fiber = &explorer.threads[self];
    explorer.ops[self] = *op;
    searchAnnounce(self, &explorer.ops[self]);
    if (explorer.starting)
        fiberSwitch(fiber, &explorer.driver);
    else
        handOver(fiber);

    Store *from;
    Step *step = searchBegin(self, &from);
    const char *problem = NULL;
    if (opChooses(op) && !from)
        failExecution(not_repeatable, Wrong);
    switch (op->kind) {
    case OpBarrier:
        memoryBarrier(explorer.model->threads);
        break;
    case OpPause:
        memoryRenew(self, &step->op.watched);
        break;
    case OpBlock:
        memoryRefresh(self);
        break;
    default:
        problem = memoryApply(self, step, from, searchDepth());
    }
    searchEnd(step);
    explorer.ops[self].site = NULL;
    if (problem)
        failExecution(problem, Wrong);
    explorer.result->steps++;
    return step;
}

static Op opAt(OpKind kind, const volatile void *at, unsigned size, int order, const char *site)
{
    const char *problem = NULL;
    int location = memoryLocate((volatile void *)(uintptr_t)at, size, &problem);
    if (problem)
        failExecution(problem, TooLong);
    return (Op){.kind = kind, .order = order, .location = location, .site = site};
}

/* ---- SMP.h's side --------------------------------------------------------------------------- */

uint64_t smpModelLoad(const volatile void *at, unsigned size, int order, const char *site)
{
    if (explorer.current == OUTSIDE)
        return memoryPeek(at, size);
    Op op = opAt(OpLoad, at, size, siteVisit(site, OpLoad, order), site);
    return makeStep(&op)->read_value;
}

void smpModelStore(volatile void *at, unsigned size, uint64_t value, int order, const char *site)
{
    if (explorer.current == OUTSIDE) {
        memoryPoke(at, size, value);
        return;
    }
    Op op = opAt(OpStore, at, size, siteVisit(site, OpStore, order), site);
    op.operand = value;
    makeStep(&op);
}

uint64_t smpModelRmw(volatile void *at, unsigned size, int arithmetic, uint64_t operand, int order,
                     const char *site)
{
    if (explorer.current == OUTSIDE) {
        uint64_t old = memoryPeek(at, size);
        memoryPoke(at, size, memoryArithmetic(arithmetic, old, operand));
        return old;
    }
    Op op = opAt(OpRmw, at, size, siteVisit(site, OpRmw, order), site);
    op.arithmetic = arithmetic;
    op.operand = operand;
    return makeStep(&op)->read_value;
}

bool smpModelCas(volatile void *at, unsigned size, uint64_t *expected, uint64_t desired, int order,
                 const char *site)
{
    uint64_t wanted = *expected;
    if (size < sizeof wanted)
        wanted &= (UINT64_C(1) << (8 * size)) - 1;
    if (explorer.current == OUTSIDE) {
        *expected = memoryPeek(at, size);
        if (*expected == wanted)
            memoryPoke(at, size, desired);
        return *expected == wanted;
    }
    Op op = opAt(OpCas, at, size, siteVisit(site, OpCas, order), site);
    op.operand = desired;
    op.expected = wanted;
    const Step *step = makeStep(&op);
    *expected = step->read_value;
    return step->wrote;
}

void smpModelMembarrier(const char *site)
{
    if (explorer.current == OUTSIDE)
        return;
    if (siteVisit(site, OpBarrier, SMP_SEQ_CST) == SITE_NOTHING)
        return;
    Op op = {.kind = OpBarrier, .location = -1, .site = site};
    makeStep(&op);
}

void smpModelPause(const char *site)
{
    if (explorer.current == OUTSIDE)
        failExecution("a pause outside the model threads", Wrong);
    Op op = {.kind = OpPause, .location = -1, .site = site};
    op.watched = memoryWatched(explorer.current);
    if (locationSetEmpty(&op.watched))
        failExecution("a pause of a thread that has read nothing: what does it wait for?", Wrong);
    makeStep(&op);
}

/* ---- A model's side ------------------------------------------------------------------------- */

uint64_t modelRead(const volatile void *at, unsigned size, const char *site)
{
    if (explorer.current == OUTSIDE)
        return memoryPeek(at, size);
    Op op = opAt(OpLoad, at, size, SMP_RELAXED, site);
    op.plain = true;
    return makeStep(&op)->read_value;
}

void modelWrite(volatile void *at, unsigned size, uint64_t value, const char *site)
{
    if (explorer.current == OUTSIDE) {
        memoryPoke(at, size, value);
        return;
    }
    Op op = opAt(OpStore, at, size, SMP_RELAXED, site);
    op.plain = true;
    op.operand = value;
    makeStep(&op);
}

void modelBlock(bool (*until)(void *arg), void *arg)
{
    if (explorer.current == OUTSIDE)
        failExecution("modelBlock outside the model threads", Wrong);
    Op op = {
        .kind = OpBlock, .location = -1, .until = until, .until_arg = arg, .site = "modelBlock"};
    makeStep(&op);
}

void modelYield(void)
{
    smpModelPause("modelYield");
}

void modelForget(const volatile void *at, size_t size)
{
    if (explorer.current != OUTSIDE && !memoryForget(at, size))
        failExecution("more than STORES_MAX stores in one execution", TooLong);
}

int modelThread(void)
{
    return explorer.current;
}

void modelOutcome(uint64_t outcome)
{
    ModelResult *result = explorer.result;
    int low = 0, high = result->outcome_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (result->outcomes[middle] < outcome)
            low = middle + 1;
        else
            high = middle;
    }
    bool known = low < result->outcome_count && result->outcomes[low] == outcome;
    if (known || result->outcome_count == MODEL_OUTCOMES_MAX)
        return;
    size_t behind = (size_t)(result->outcome_count++ - low);
    memmove(&result->outcomes[low + 1], &result->outcomes[low], behind * sizeof outcome);
    result->outcomes[low] = outcome;
}

/* ---- The driver ----------------------------------------------------------------------------- */

static void startFiber(Fiber *fiber, int current)
{
    explorer.current = current;
    explorer.running = fiber;
    explorer.ending = Running;
    fiberSwitch(&explorer.driver, fiber);
    explorer.current = OUTSIDE;
    explorer.running = NULL;
}

static Ending runPlain(void (*body)(void *))
{
    explorer.plain = body;
    fiberStart(&explorer.phase, runPhase);
    startFiber(&explorer.phase, OUTSIDE);
    return explorer.ending;
}

/* On the phase fiber: turn the predicate's answer into an ending. */
static void askStuck(void *state)
{
    if (!explorer.model->stuck || !explorer.model->stuck(state))
        failExecution("stuck: all threads that have not ended wait for ever", Wrong);
}

static Ending runExecution(void)
{
    const Model *model = explorer.model;
    memset(explorer.state, 0, model->state_size);
    memset(explorer.ops, 0, sizeof explorer.ops);
    memoryReset(model->threads);
    searchRestart();
    explorer.unfinished = (1U << model->threads) - 1;
    if (runPlain(model->setup) == Wrong)
        return Wrong;

    explorer.starting = true;
    for (int i = 0; i < model->threads; i++) {
        fiberStart(&explorer.threads[i], runThread);
        startFiber(&explorer.threads[i], i);
        if (explorer.ending != Running)
            return explorer.ending;
    }
    explorer.starting = false;
    Ending ending = Ended;
    if (explorer.unfinished) {
        fiberStart(&explorer.phase, runTurns);
        startFiber(&explorer.phase, OUTSIDE);
        ending = explorer.ending;
    }
    if (ending == Ended)
        return runPlain(model->check) == Wrong ? Wrong : Ended;
    if (ending == Stuck)
        return runPlain(askStuck) == Wrong ? Wrong : Ended;
    return ending;
}

static void printFailure(void)
{
    const Model *model = explorer.model;
    reportTrace(explorer.state, model->state_size);
    for (int i = 0; i < model->threads; i++)
        if (explorer.unfinished >> i & 1 && explorer.ops[i].site)
            reportWaiting(i, &explorer.ops[i], explorer.state, model->state_size);
}

static ModelVerdict exploreAll(ModelResult *result, uint64_t limit)
{
    do {
        if (result->executions + result->cut == limit) {
            snprintf(result->reason, sizeof result->reason, "more than %llu executions",
                     (unsigned long long)limit);
            return ModelTruncated;
        }
        switch (runExecution()) {
        case Cut:
            result->cut++;
            break;
        case Wrong:
            return ModelFailed;
        case TooLong:
            return ModelTruncated;
        default:
            result->executions++;
        }
        searchStop();
    } while (searchAdvance());
    return ModelHolds;
}

ModelVerdict modelRun(const Model *model, ModelOptions options, ModelResult *result)
{
    memset(result, 0, sizeof *result);
    explorer.model = model;
    explorer.options = options;
    explorer.result = result;
    size_t pages = (model->state_size + PAGE_BYTES - 1) / PAGE_BYTES + 1;
    explorer.state = aligned_alloc(PAGE_BYTES, pages * PAGE_BYTES);
    if (!explorer.state || model->threads < 1 || model->threads > THREADS_MAX) {
        fprintf(stderr, "%s: no memory, or not 1 to %d threads\n", model->name, THREADS_MAX);
        exit(2);
    }
    if (!explorer.mapped) {
        fiberCreate(&explorer.phase);
        for (int i = 0; i < THREADS_MAX; i++)
            fiberCreate(&explorer.threads[i]);
        explorer.mapped = true;
    }
    memoryClear();
    searchStart(model->threads, options.full);
    uint64_t limit = options.limit ? options.limit : model->limit;
    result->verdict = exploreAll(result, limit ? limit : MODEL_LIMIT_DEFAULT);
    result->choices = searchChoices();
    if (result->verdict == ModelFailed && !options.quiet)
        printFailure();
    free(explorer.state);
    explorer.result = NULL;
    return result->verdict;
}
