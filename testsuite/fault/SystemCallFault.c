/* SystemCallFault.c -- each system call of the table fails with each errno, at several moments.
 *
 * Tests  the whole library: Table.h says what is to happen, Workload.h what is done meanwhile.
 *
 * SystemCallFault [--share N --turn T] [--call NAME] [--backend NAME]
 *   Of N parts of all (row, errno, back-end) the T-th (default: all of them).
 * SystemCallFault --only tableIsShown --docs FILE
 *   Compares FILE with the table; prints what it must contain.
 *
 * not-under: qemu valgrind tsan
 */
#include "testsuite/fault/Injector.h"
#include "testsuite/fault/Table.h"
#include "testsuite/fault/Workload.h"
#include "testsuite/support/Test.h"

#include "rts/context/Sanitizer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#if defined(SANITIZE_THREAD) || defined(SANITIZE_ADDRESS)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static const char *const backends[] = {"epoll", "poll", "uring"};

static uint32_t numberOf(const char *name, uint32_t otherwise)
{
    const char *text = testArg(name);
    return text == NULL ? otherwise : (uint32_t)strtoul(text, NULL, 10);
}

static bool isWanted(const char *name, const char *value)
{
    const char *text = testArg(name);
    return text == NULL || strcmp(text, value) == 0;
}

/* ---- one run ------------------------------------------------------------------------------- */

static Workload workloadFor(const FaultRow *row, const char *backend, int error)
{
    Workload workload = {.backend = backend,
                         .accepted = {-error, -row->also[0], -row->also[1], -row->also[2]},
                         .cold = row->cold};
    return workload;
}

/* Which outcome it was; 0: none of them. */
static unsigned outcomeOf(const FaultRow *row, const FaultRun *run)
{
    if (run->hung)
        return 0;
    if (WIFSIGNALED(run->status) && WTERMSIG(run->status) == SIGABRT && row->says != NULL &&
        strstr(run->output, "capri: ") != NULL && strstr(run->output, row->says) != NULL)
        return Stops;
    if (!WIFEXITED(run->status) || WEXITSTATUS(run->status) != 0 || !run->told)
        return 0;
    return run->report.result == 0 ? Completes : Reports;
}

static void printRun(const FaultRow *row, const char *backend, const Fault *fault,
                     const FaultRun *run)
{
    printf("%s%s%s = %s, on %s, call %u%s of %u: %s, status 0x%x, %s %d\n%s\n", row->call,
           row->which == NULL ? "" : " ", row->which == NULL ? "" : row->which,
           strerrorname_np(fault->error), backend, fault->first, fault->count == 1 ? "" : " and on",
           run->seen, run->hung ? "HUNG" : "ended", (unsigned)run->status, run->report.where,
           run->report.result, run->output);
    fflush(stdout);
}

/* The outcome; *injected: it did fail. */
static unsigned runOnce(const FaultRow *row, const char *backend, Fault *fault, bool *injected)
{
    Workload workload = workloadFor(row, backend, fault->error);
    FaultRun run = faultRun(fault, workloadRun, &workload);
    unsigned outcome = outcomeOf(row, &run);
    *injected = run.injected != 0;
    bool allowed = (outcome & (*injected ? row->outcomes : (unsigned)Completes)) != 0;
    if (!allowed || testArg("--verbose") != NULL)
        printRun(row, backend, fault, &run);
    CHECK(allowed);
    return outcome;
}

/* ---- all runs of one row ------------------------------------------------------------------- */

typedef struct Tally {
    uint32_t runs, injected;
    unsigned outcomes;
} Tally;

/* How often the call is made when nothing fails. */
static uint32_t countCalls(const FaultRow *row, const char *backend)
{
    Fault none = {.call = row->number, .concerns = row->concerns};
    Workload workload = workloadFor(row, backend, 0);
    FaultRun run = faultRun(&none, workloadRun, &workload);
    if (outcomeOf(row, &run) != Completes)
        printRun(row, backend, &none, &run);
    CHECK_EQ(outcomeOf(row, &run), Completes);
    return run.seen;
}

static void runMoment(const FaultRow *row, const char *backend, Fault *fault, Tally *tally)
{
    bool injected;
    unsigned outcome = runOnce(row, backend, fault, &injected);
    tally->runs++;
    tally->injected += injected;
    if (injected)
        tally->outcomes |= outcome;
}

static void runError(const FaultRow *row, const char *backend, int error, uint32_t calls,
                     Tally *tally)
{
    const uint32_t moments[] = {1, 2, 3, calls / 4, calls / 2, calls * 3 / 4, calls};
    Fault fault = {.call = row->number, .concerns = row->concerns, .error = error};
    uint32_t last = 0;
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        if (moments[i] <= last || moments[i] > calls)
            continue;
        last = fault.first = moments[i];
        fault.count = 1;
        runMoment(row, backend, &fault, tally);
        if (row->lasts && (i == 0 || i == 2 || i == 4)) {
            fault.count = (uint32_t)FAULT_FOR_EVER;
            runMoment(row, backend, &fault, tally);
        }
    }
}

TEST(Faults, eachIsSurvivedOrTold)
{
    uint32_t share = numberOf("--share", 1), turn = numberOf("--turn", 0), number = 0;
    if (!faultPossible())
        SKIP("no user notification of seccomp here");
    for (int i = 0; i < fault_row_count; i++) {
        const FaultRow *row = &fault_rows[i];
        Tally tally = {0};
        if (!isWanted("--call", row->call) || (row->native && SANITIZED))
            continue;
        for (size_t b = 0; b < sizeof backends / sizeof backends[0]; b++) {
            if (!isWanted("--backend", backends[b]))
                continue;
            uint32_t calls = UINT32_MAX;
            for (int e = 0; e < ROW_ERRORS && row->errors[e] != 0; e++) {
                if (number++ % share != turn % share)
                    continue;
                if (calls == UINT32_MAX)
                    calls = countCalls(row, backends[b]);
                runError(row, backends[b], row->errors[e], calls, &tally);
            }
        }
        printf("%s %s: %u runs, %u with a fault, outcomes %u of %u\n", row->call,
               row->which == NULL ? "" : row->which, tally.runs, tally.injected, tally.outcomes,
               row->outcomes);
        if (share == 1 && testArg("--backend") == NULL) {
            CHECK_NE(tally.injected, 0);                 /* else the row is about nothing */
            CHECK_NE(row->outcomes & tally.outcomes, 0); /* it does happen */
        }
    }
}

/* ---- the table in the docs ----------------------------------------------------------------- */

static const char *outcomeName(unsigned outcomes)
{
    static const char *const names[] = {
        "",      "goes on",          "is told",          "goes on or is told",
        "stops", "goes on or stops", "is told or stops", "goes on, is told or stops"};
    return names[outcomes & 7];
}

/* One row as the docs show it. */
static void writeRow(FILE *file, const FaultRow *row)
{
    fprintf(file, "| `%s`%s%s | ", row->call, row->which == NULL ? "" : " ",
            row->which == NULL ? "" : row->which);
    for (int e = 0; e < ROW_ERRORS && row->errors[e] != 0; e++)
        fprintf(file, "%s%s", e == 0 ? "" : " ", strerrorname_np(row->errors[e]));
    fprintf(file, " | %s%s | %s |\n", outcomeName(row->outcomes),
            row->lasts ? ", also for ever" : "", row->happens);
}

static char *writeTable(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    CHECK(file != NULL);
    for (int i = 0; i < fault_row_count; i++)
        writeRow(file, &fault_rows[i]);
    CHECK_EQ(fclose(file), 0);
    return text;
}

TEST(Faults, tableIsShown)
{
    const char *path = testArg("--docs");
    char *table = writeTable();
    static char text[1 << 16];
    if (path == NULL) {
        free(table);
        SKIP("no --docs");
    }
    FILE *file = fopen(path, "re");
    CHECK(file != NULL);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    if (strstr(text, table) == NULL)
        printf("%s must contain:\n%s", path, table), fflush(stdout);
    CHECK(strstr(text, table) != NULL);
    free(table);
}
