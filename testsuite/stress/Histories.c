/* Histories.c -- random transactions are recorded, and there must be one order that explains them.
 *
 * 2 to 8 threads, some of them plain OS threads, on 2 to 20 variables.  Each transaction that
 * commits notes which version of which variable it read and wrote.  Its edges: who wrote a version
 * comes before who read it and who wrote the next one; who read a version, before who wrote the
 * next; who had returned, before who began later.  A cycle would mean that no order explains what
 * was seen.  Then they are run again one by one in such an order on a sequential model: every read
 * must give what it gave.
 */
#include "rts/stm/STM.h"

#include "testsuite/support/Runtime.h"

#include <stdio.h>

enum { VARS_MOST = 20, THREADS_MOST = 8, EACH = 400, OPS_MOST = 6 };

typedef struct Op {
    uint32_t var;
    uint64_t version; /* the one read, or before the one written */
    uint32_t rank;    /* of that version, among the variable's */
    uintptr_t read, written;
    bool did_read, did_write;
} Op;

typedef struct Record {
    Op ops[OPS_MOST + 1];
    uint32_t count;
    uint64_t began, ended; /* ticks of one clock for all */
} Record;

typedef struct Runner {
    uint32_t number;
    uint64_t seed;
    uint32_t at;
    Record *record;
    Transaction *tx;
} Runner;

static TVar *vars[VARS_MOST]; /* constant while they run */
static uint32_t var_count;    /* likewise */
static uint32_t thread_count; /* likewise */
static uint64_t ticks;        /* seq_cst add */
static Record records[THREADS_MOST * EACH];
static Runner runners[THREADS_MOST];

/* What the log says, once it is committed and before it is forgotten. */
static void note(void *env)
{
    Runner *runner = env;
    Record *record = runner->record;
    const Log *log = &runner->tx->log;
    for (uint32_t i = 0; i < record->count; i++) {
        for (uint32_t j = 0; j < log->count; j++) {
            if (log->entries[j].tvar == vars[record->ops[i].var])
                record->ops[i].version = log->entries[j].version;
        }
    }
}

static Op *opOn(Record *record, uint32_t var)
{
    for (uint32_t i = 0; i < record->count; i++) {
        if (record->ops[i].var == var)
            return &record->ops[i];
    }
    Op *op = &record->ops[record->count++];
    *op = (Op){.var = var};
    return op;
}

static void *branch(Transaction *tx, void *env)
{
    Runner *runner = env;
    uint32_t var = (uint32_t)(testRandomFrom(&runner->seed) % var_count);
    tvarWrite(tx, vars[var], (void *)-1); /* undone */
    stmRetry(tx);
}

static void *nothing(Transaction *tx, void *env)
{
    (void)tx;
    return env;
}

static void *act(Transaction *tx, void *env)
{
    Runner *runner = env;
    Record *record = runner->record;
    uint32_t ops = 1 + (uint32_t)(testRandomFrom(&runner->seed) % OPS_MOST);
    record->count = 0;
    runner->tx = tx;
    stmOnCommit(tx, note, runner);
    for (uint32_t i = 0; i < ops; i++) {
        uint64_t draw = testRandomFrom(&runner->seed);
        uint32_t var = (uint32_t)(draw >> 8) % var_count;
        Op *op = opOn(record, var);
        if (draw % 16 == 0)
            stmOrElse(tx, branch, runner, nothing, NULL);
        if (draw % 3 != 0) {
            uintptr_t value = (uintptr_t)tvarRead(tx, vars[var]);
            if (op->did_write)
                CHECK_EQ(value, op->written);
            else if (op->did_read)
                CHECK_EQ(value, op->read);
            else
                op->read = value, op->did_read = true;
        }
        if (draw % 5 < 2) {
            op->written = (uintptr_t)(record - records) + 1;
            op->did_write = true;
            tvarWrite(tx, vars[var], (void *)op->written);
        }
    }
    return NULL;
}

static void *run(void *env)
{
    Runner *runner = env;
    for (uint32_t i = 0; i < EACH; i++) {
        runner->record = &records[runner->number * EACH + i];
        runner->record->began = ADD_SEQ_CST(&ticks, 1);
        CHECK_EQ(stmAtomically(act, runner, NULL), 0);
        runner->record->ended = ADD_SEQ_CST(&ticks, 1);
        if (testRandomFrom(&runner->seed) % 8 == 0)
            threadYield();
    }
    return NULL;
}

/* ---- the graph: records, then one node for each tick ---- */

enum { EDGES_MOST = THREADS_MOST * EACH * (OPS_MOST * 3 + 4) };

typedef struct Edge {
    uint32_t to, next;
} Edge;

static Edge edges[EDGES_MOST];
static uint32_t edge_count, node_count;
static uint32_t first_edge[THREADS_MOST * EACH * 3 + 2], incoming[THREADS_MOST * EACH * 3 + 2];
static uint32_t order[THREADS_MOST * EACH * 3 + 2];

static void addEdge(uint32_t from, uint32_t to)
{
    CHECK_LT(edge_count + 1, EDGES_MOST);
    edges[++edge_count] = (Edge){to, first_edge[from]};
    first_edge[from] = edge_count;
    incoming[to]++;
}

/* ---- versions grow; which in a row is it? ---- */

static uint64_t known[THREADS_MOST * EACH + 1]; /* the versions of one variable, in order */
static uint32_t known_count;

static int compareVersions(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Each version but the last was found by whoever wrote the next. */
static void collectVersions(uint32_t var, uint32_t total)
{
    known_count = 0;
    tvarReadVersionIO(vars[var], &known[known_count++]);
    for (uint32_t i = 0; i < total; i++) {
        for (uint32_t k = 0; k < records[i].count; k++) {
            const Op *op = &records[i].ops[k];
            if (op->var == var && op->did_write)
                known[known_count++] = op->version;
        }
    }
    qsort(known, known_count, sizeof *known, compareVersions);
    CHECK_EQ(known[0], 0);
}

static void rankVersions(uint32_t total)
{
    for (uint32_t v = 0; v < var_count; v++) {
        collectVersions(v, total);
        for (uint32_t i = 0; i < total; i++) {
            for (uint32_t k = 0; k < records[i].count; k++) {
                Op *op = &records[i].ops[k];
                if (op->var != v || (!op->did_read && !op->did_write))
                    continue;
                const uint64_t *found =
                    bsearch(&op->version, known, known_count, sizeof *known, compareVersions);
                CHECK(found != NULL); /* nobody has seen a version that was not written */
                op->rank = (uint32_t)(found - known);
            }
        }
    }
}

static uint32_t *writers[VARS_MOST]; /* [var][rank of a version]: record + 1 that wrote it */

static void findWriters(uint32_t total)
{
    for (uint32_t v = 0; v < var_count; v++) {
        writers[v] = calloc(total + 2, sizeof **writers);
        CHECK(writers[v] != NULL);
    }
    for (uint32_t i = 0; i < total; i++) {
        for (uint32_t k = 0; k < records[i].count; k++) {
            const Op *op = &records[i].ops[k];
            if (!op->did_write)
                continue;
            CHECK_LE(op->rank + 1, total);
            CHECK_EQ(writers[op->var][op->rank + 1], 0); /* each version has one writer */
            writers[op->var][op->rank + 1] = i + 1;
        }
    }
}

static void addEdges(uint32_t total)
{
    for (uint32_t i = 0; i < total; i++) {
        addEdge(total + (uint32_t)records[i].began, i);
        addEdge(i, total + (uint32_t)records[i].ended);
        for (uint32_t k = 0; k < records[i].count; k++) {
            const Op *op = &records[i].ops[k];
            if (!op->did_read && !op->did_write)
                continue;
            uint32_t before = writers[op->var][op->rank];
            uint32_t after = writers[op->var][op->rank + 1];
            if (before != 0)
                addEdge(before - 1, i);
            if (after != 0 && after - 1 != i)
                addEdge(i, after - 1);
        }
    }
    for (uint32_t t = 0; t + 1 < 2 * total; t++)
        addEdge(total + t, total + t + 1);
}

/* Into `order`, whoever has nobody before him first.  Fails if there is a cycle. */
static void sortNodes(void)
{
    uint32_t done = 0, found = 0;
    for (uint32_t i = 0; i < node_count; i++) {
        if (incoming[i] == 0)
            order[found++] = i;
    }
    for (; done < found; done++) {
        for (uint32_t e = first_edge[order[done]]; e != 0; e = edges[e].next) {
            if (--incoming[edges[e].to] == 0)
                order[found++] = edges[e].to;
        }
    }
    CHECK_EQ(found, node_count);
}

static void replay(uint32_t total)
{
    uintptr_t model[VARS_MOST] = {0};
    for (uint32_t n = 0; n < node_count; n++) {
        if (order[n] >= total)
            continue;
        const Record *record = &records[order[n]];
        for (uint32_t k = 0; k < record->count; k++) {
            if (record->ops[k].did_read)
                CHECK_EQ(model[record->ops[k].var], record->ops[k].read);
        }
        for (uint32_t k = 0; k < record->count; k++) {
            if (record->ops[k].did_write)
                model[record->ops[k].var] = record->ops[k].written;
        }
    }
    for (uint32_t v = 0; v < var_count; v++)
        CHECK_EQ((uintptr_t)tvarReadIO(vars[v]), model[v]);
}

static void verify(void)
{
    uint32_t total = thread_count * EACH;
    edge_count = 0;
    node_count = 3 * total;
    memset(first_edge, 0, sizeof first_edge);
    memset(incoming, 0, sizeof incoming);
    rankVersions(total);
    findWriters(total);
    addEdges(total);
    sortNodes();
    replay(total);
    for (uint32_t v = 0; v < var_count; v++)
        free(writers[v]);
}

static void runRound(uint32_t threads, uint32_t outside, uint32_t variables)
{
    Thread *green[THREADS_MOST];
    pthread_t os[THREADS_MOST];
    thread_count = threads;
    var_count = variables;
    RELAXED_STORE(&ticks, 0);
    for (uint32_t v = 0; v < var_count; v++)
        CHECK((vars[v] = tvarNew(NULL)) != NULL);
    for (uint32_t i = 0; i < threads; i++) {
        runners[i] = (Runner){.number = i, .seed = testRandom() | 1};
        if (i < outside)
            os[i] = osFork(run, &runners[i]);
        else
            green[i] = greenFork(run, &runners[i]);
    }
    for (uint32_t i = 0; i < threads; i++) {
        if (i < outside)
            osJoin(os[i]);
        else
            greenJoin(green[i]);
    }
    verify();
    for (uint32_t v = 0; v < var_count; v++)
        tvarFree(vars[v]);
}

TEST(Histories, someOrderExplainsThem)
{
    uint32_t rounds = 0;
    greenStart(2);
    int64_t end_ns = rtsNow() + (int64_t)(testSeconds() * 1e9);
    do {
        uint32_t threads = 2 + (uint32_t)(testRandom() % (THREADS_MOST - 1));
        uint32_t outside = (uint32_t)(testRandom() % 3), variables;
        variables = 2 + (uint32_t)(testRandom() % (VARS_MOST - 1));
        runRound(threads, outside, variables);
        rounds++;
    } while (rtsNow() < end_ns);
    StmStats sum = {0}, one;
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_EQ(stmStats(i, &one), 0);
        shareStatsAdd(&sum, &one);
    }
    printf("%u rounds; on green threads %llu commits, %llu changed, %llu locked, %llu yielded, "
           "%llu serial, longest %llu\n",
           rounds, (unsigned long long)sum.commits, (unsigned long long)sum.changed,
           (unsigned long long)sum.locked, (unsigned long long)sum.yielded,
           (unsigned long long)sum.serial, (unsigned long long)sum.longest_abort);
    greenStop();
}
