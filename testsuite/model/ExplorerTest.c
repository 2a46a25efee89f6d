/* ExplorerTest.c -- the explorer's interface: failing, limits, plain stores, weakening, the trace.
 *
 * not-under: tsan asan valgrind
 *
 * What weak memory allows is LitmusTest.c's, the reduction ReductionTest.c's.
 */
#ifndef CAPRI_ASSERTIONS
#define CAPRI_ASSERTIONS /* one of the tests is that an ASSERT fails */
#endif
#include "testsuite/model/Explorer.h"
#include "testsuite/model/Site.h"

#include "internal/Assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;
static ModelResult result;

static void expect(bool holds, const char *name, const char *what)
{
    if (holds)
        return;
    failures++;
    printf("%s: expected %s; verdict %d \"%s\", %d outcomes:", name, what, (int)result.verdict,
           result.reason, result.outcome_count);
    for (int i = 0; i < result.outcome_count; i++)
        printf(" %#" PRIx64, result.outcomes[i]);
    printf("\n");
}

/* ---- The rest of the interface -------------------------------------------------------------- */

typedef struct State {
    uint64_t word, other;
    uint32_t half;
    _Alignas(8) uint8_t bytes[8];
} State;

static void addOne(void *at)
{
    State *state = at;
    ADD_RELAXED(&state->word, 1);
}

static void loadThenStore(void *at) /* loses updates */
{
    State *state = at;
    RELAXED_STORE(&state->word, RELAXED_LOAD(&state->word) + 1);
}

static void checkThree(void *at)
{
    State *state = at;
    MODEL_CHECK(state->word == 3);
}

static void assertNothing(void *at)
{
    State *state = at;
    uint64_t read = RELAXED_LOAD(&state->word);
    ASSERT_CMP(read, <, 2);
}

static void spinWithoutPause(void *at)
{
    State *state = at;
    while (!RELAXED_LOAD(&state->other))
        continue;
}

static void storeBehind(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->word, 1);
    state->word = 2;
    (void)RELAXED_LOAD(&state->word);
}

static void storeAndForget(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->word, 1);
    state->word = 2;
    modelForget(state, sizeof *state);
    MODEL_CHECK(RELAXED_LOAD(&state->word) == 2);
}

static void mixSizes(void *at)
{
    State *state = at;
    smpModelStore(state->bytes, 4, 1, SMP_RELAXED, "STORE");
    smpModelStore(state->bytes + 2, 1, 1, SMP_RELAXED, "STORE");
}

static void useHalf(void *at) /* values are cut to their size */
{
    State *state = at;
    RELAXED_STORE(&state->half, UINT32_MAX);
    MODEL_CHECK(ADD_RELAXED(&state->half, 1) == UINT32_MAX);
    uint32_t expected = 0;
    MODEL_CHECK(CAS_RELAXED(&state->half, &expected, 7));
    MODEL_CHECK(XCHG_RELAXED(&state->half, 8) == 7 && OR_RELAXED(&state->half, 1) == 8);
    MODEL_CHECK(AND_RELEASE(&state->half, 1) == 9 && RELAXED_LOAD(&state->half) == 1);
}

static void setTwo(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->word, 2); /* outside the threads: a plain store */
    ASSERT(modelThread() == -1);
}

typedef struct Use {
    Model model;
    ModelVerdict verdict;
    const char *reason;
} Use;

static const Use uses[] = {
    {{"additions are not lost",
      sizeof(State),
      3,
      NULL,
      {addOne, addOne, addOne},
      checkThree,
      NULL,
      0},
     ModelHolds,
     ""},
    {{"updates are lost",
      sizeof(State),
      3,
      NULL,
      {addOne, loadThenStore, addOne},
      checkThree,
      NULL,
      0},
     ModelFailed,
     "state->word == 3"},
    {{"an assertion fails", sizeof(State), 2, setTwo, {assertNothing, addOne}, NULL, NULL, 0},
     ModelFailed,
     "read < 2 (2, 2)"},
    {{"the limit", sizeof(State), 3, NULL, {addOne, addOne, addOne}, NULL, NULL, 5},
     ModelTruncated,
     "more than 5"},
    {{"exactly the limit", sizeof(State), 3, NULL, {addOne, addOne, addOne}, NULL, NULL, 6},
     ModelHolds,
     ""},
    {{"no end", sizeof(State), 2, NULL, {spinWithoutPause, addOne}, NULL, NULL, 0},
     ModelTruncated,
     "does not end"},
    {{"behind", sizeof(State), 1, NULL, {storeBehind}, NULL, NULL, 0}, ModelFailed, "plain store"},
    {{"forget", sizeof(State), 1, NULL, {storeAndForget}, NULL, NULL, 0}, ModelHolds, ""},
    {{"two sizes", sizeof(State), 1, NULL, {mixSizes}, NULL, NULL, 0}, ModelTruncated, "two sizes"},
    {{"values by size", sizeof(State), 1, NULL, {useHalf}, NULL, NULL, 0}, ModelHolds, ""},
    {{"setup is seen", sizeof(State), 1, setTwo, {addOne}, checkThree, NULL, 0}, ModelHolds, ""},
};

static void runUses(void)
{
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        const Use *use = &uses[i];
        modelRun(&use->model, (ModelOptions){.quiet = true}, &result);
        expect(result.verdict == use->verdict, use->model.name, "another verdict");
        expect(strstr(result.reason, use->reason), use->model.name, use->reason);
    }
}

/* ---- Weakening one site --------------------------------------------------------------------- */

static void sendMessage(void *at)
{
    State *state = at;
    MODEL_WRITE(state->other, 1);
    RELEASE_STORE(&state->word, 1);
}

static void takeMessage(void *at)
{
    State *state = at;
    while (!ACQUIRE_LOAD(&state->word))
        SMP_PAUSE();
    MODEL_CHECK(MODEL_READ(state->other) == 1);
}

static void runWeakened(void)
{
    const Model model = {"message", sizeof(State), 2, NULL, {sendMessage, takeMessage},
                         NULL,      NULL,          0};
    char site[sizeof __FILE__ + 64] = "";
    modelRun(&model, (ModelOptions){.quiet = true}, &result);
    expect(result.verdict == ModelHolds, "message", "to hold as written");
    /* Which line is it?  Ask the explorer itself. */
    char path[] = "/tmp/capri-sites-XXXXXX", line[512];
    int fd = mkstemp(path);
    FILE *list = fd < 0 ? NULL : fdopen(fd, "r");
    setenv("CAPRI_MODEL_SITES", path, 1);
    expect(list && sitesStart(), "message", "a temporary file");
    modelRun(&model, (ModelOptions){.quiet = true}, &result);
    expect(sitesWrite(model.name), "message", "the sites to be written");
    unsetenv("CAPRI_MODEL_SITES");
    while (list && fgets(line, sizeof line, list))
        if (strncmp(line, "message\tstore\tRELEASE\t", 22) == 0 && strlen(line + 22) < sizeof site)
            memcpy(site, line + 22, strcspn(line + 22, "\n"));
    if (list)
        fclose(list);
    remove(path);
    expect(strstr(site, "ExplorerTest.c:"), "message", "the site in the list");
    setenv("CAPRI_MODEL_WEAKEN", site, 1);
    expect(sitesStart(), "message", "the site to be understood");
    modelRun(&model, (ModelOptions){.quiet = true}, &result);
    unsetenv("CAPRI_MODEL_WEAKEN");
    expect(sitesWeakened(), "message", "the site to be reached");
    expect(result.verdict == ModelFailed && strstr(result.reason, "race"), "message weakened",
           "race");
    sitesWrite(model.name);
    expect(sitesStart(), "message", "no environment");
}

/* ---- The trace ------------------------------------------------------------------------------ */

static void sendEarly(void *at)
{
    State *state = at;
    RELAXED_STORE(&state->other, 1);
    RELAXED_STORE(&state->word, 1);
}

static void readLate(void *at)
{
    State *state = at;
    uint64_t flag = ACQUIRE_LOAD(&state->word);
    MODEL_CHECK(!flag || RELAXED_LOAD(&state->other) == 1);
}

/* A stale read is shown as such, with what was the newest, in the step before the end. */
static void runTrace(void)
{
    const Model model = {"trace", sizeof(State), 2, NULL, {sendEarly, readLate}, NULL, NULL, 0};
    char line[512];
    bool stale = false;
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    FILE *trace = tmpfile();
    expect(saved >= 0 && trace && dup2(fileno(trace), STDOUT_FILENO) >= 0, "trace", "a file");
    modelRun(&model, (ModelOptions){0}, &result);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    expect(result.verdict == ModelFailed, "trace", "to fail");
    if (trace)
        rewind(trace);
    while (trace && fgets(line, sizeof line, trace)) {
        printf("%s", line);
        if (strstr(line, "T1") && strstr(line, "RELAXED_LOAD [RELAXED]  state+0x08"))
            stale = strstr(line, "read 0 (stale, newest 0x1)") != NULL;
    }
    if (trace)
        fclose(trace);
    expect(stale, "trace", "the stale read in the trace");
}

int main(void)
{
    runUses();
    runWeakened();
    runTrace();
    printf("%s\n", failures ? "FAILED" : "ok");
    return failures ? 1 : 0;
}
