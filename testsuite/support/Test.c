/* Test.c -- the test harness: the list of tests, the command line, the messages.
 *
 * Owns   the list of TestCases (written by constructors, before main), the command line.
 * Tests  testsuite/unit/TestTest.c
 */
#include "testsuite/support/Test.h"

#include "internal/SMP.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 1024, NUMBER_BYTES = 24 };

static TestCase *first_case;               /* constructors, then read-only */
static TestCase **last_case = &first_case; /* constructors only */
static int argument_count;                 /* main, before the first test */
static char **arguments;                   /* main, before the first test */
static uint64_t seed = UINT64_C(0x5eed0fca9121);
static uint64_t random_state;    /* any thread, by ADD_RELAXED */
static unsigned chosen_count;    /* main, before the first test */
static const char *current_name; /* main writes between tests; a failing thread reads */
static const char *skip_reason;  /* main OS thread */

void testRegister(TestCase *test_case)
{
    *last_case = test_case;
    last_case = &test_case->next;
}

void testSkip(const char *reason)
{
    skip_reason = reason;
}

/* ---- Messages: one write(2) each, so that threads do not mix theirs. ---- */

static void __attribute__((format(printf, 1, 2))) writeMessage(const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(message, sizeof message, format, values);
    va_end(values);
    if (length < 0)
        return;
    size_t left = (size_t)length < sizeof message ? (size_t)length : sizeof message - 1;
    if (left == sizeof message - 1)
        message[left - 1] = '\n';
    for (char *at = message; left > 0;) {
        ssize_t written = write(STDERR_FILENO, at, left);
        if (written <= 0)
            return;
        at += written;
        left -= (size_t)written;
    }
}

static void formatValue(TestValue value, char out[NUMBER_BYTES])
{
    if (value.pointer)
        snprintf(out, NUMBER_BYTES, "0x%llx", (unsigned long long)value.bits);
    else if (value.negative)
        snprintf(out, NUMBER_BYTES, "%lld", (long long)value.bits);
    else
        snprintf(out, NUMBER_BYTES, "%llu", (unsigned long long)value.bits);
}

void testFailed(const char *file, int line, const char *text)
{
    const char *name = RELAXED_LOAD(&current_name);
    writeMessage("%s:%d: CHECK failed: %.400s\n  in %s, --seed %llu\n", file, line, text,
                 name ? name : "(no test)", (unsigned long long)seed);
    abort();
}

void testCompareFailed(TestValue left, TestValue right, const char *text, const char *file,
                       int line)
{
    const char *name = RELAXED_LOAD(&current_name);
    char left_text[NUMBER_BYTES], right_text[NUMBER_BYTES];
    formatValue(left, left_text);
    formatValue(right, right_text);
    writeMessage("%s:%d: CHECK failed: %.400s\n  left  %s\n  right %s\n  in %s, --seed %llu\n",
                 file, line, text, left_text, right_text, name ? name : "(no test)",
                 (unsigned long long)seed);
    abort();
}

/* ---- The command line. ---- */

const char *testArg(const char *name)
{
    for (int i = 1; i + 1 < argument_count; i++)
        if (strcmp(arguments[i], name) == 0)
            return arguments[i + 1];
    return NULL;
}

uint64_t testSeed(void)
{
    return seed;
}

double testSeconds(void)
{
    const char *text = testArg("--seconds");
    double seconds = text ? strtod(text, NULL) : 1.0;
    return seconds / (chosen_count ? chosen_count : 1);
}

bool testUnderValgrind(void)
{
    const char *tool = getenv("CAPRI_TEST_TOOL");
    return tool && strcmp(tool, "valgrind") == 0;
}

/* SplitMix64: the state is a counter, so threads may share it with one addition. */
static const uint64_t SPLIT_STEP = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t mixBits(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t testRandom(void)
{
    return mixBits(ADD_RELAXED(&random_state, SPLIT_STEP) + SPLIT_STEP);
}

uint64_t testRandomFrom(uint64_t *state)
{
    *state += SPLIT_STEP;
    return mixBits(*state);
}

/* ---- Running. ---- */

int testChild(void (*body)(void *), void *arg, char *output, size_t capacity)
{
    int ends[2];
    if (pipe(ends) != 0)
        testFailed(__FILE__, __LINE__, "pipe(ends) == 0");
    fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        testFailed(__FILE__, __LINE__, "fork() >= 0");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body(arg);
        fflush(NULL);
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    char piece[256];
    for (ssize_t n; (n = TEMP_FAILURE_RETRY(read(ends[0], piece, sizeof piece))) > 0;) {
        size_t room = capacity - 1 - used, kept = (size_t)n < room ? (size_t)n : room;
        memcpy(output + used, piece, kept);
        used += kept;
    }
    output[used] = 0;
    close(ends[0]);
    int status = 0;
    if (TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) != child)
        testFailed(__FILE__, __LINE__, "waitpid(child) == child");
    return status;
}

static bool isChosen(const TestCase *test_case)
{
    const char *only = testArg("--only");
    return !only || strstr(test_case->name, only);
}

/* Runs one test; returns whether it was not skipped.  A failure does not return. */
static bool runCase(const TestCase *test_case)
{
    skip_reason = NULL;
    RELAXED_STORE(&current_name, test_case->name);
    printf("%s ...\n", test_case->name);
    fflush(stdout);
    test_case->run();
    if (skip_reason)
        printf("%s skipped: %s\n", test_case->name, skip_reason);
    else
        printf("%s ok\n", test_case->name);
    fflush(stdout);
    return !skip_reason;
}

int testMain(int argc, char **argv)
{
    argument_count = argc;
    arguments = argv;
    const char *seed_text = testArg("--seed");
    if (seed_text)
        seed = strtoull(seed_text, NULL, 0);
    if (seed == 0)
        seed = 1;
    random_state = seed;
    printf("seed %llu\n", (unsigned long long)seed);

    for (TestCase *at = first_case; at; at = at->next)
        chosen_count += isChosen(at);
    if (chosen_count == 0) {
        fprintf(stderr, "no test is named like --only %s\n", testArg("--only"));
        return 1;
    }
    unsigned done_count = 0;
    for (TestCase *at = first_case; at; at = at->next)
        if (isChosen(at))
            done_count += runCase(at);
    printf("%u of %u tests ran\n", done_count, chosen_count);
    return done_count ? 0 : 77;
}
