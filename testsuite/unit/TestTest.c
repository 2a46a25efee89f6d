/* TestTest.c -- the harness can pass, fail, skip, and say what it compared.
 *
 * Tests  testsuite/support/Test.c
 */
#include "testsuite/support/Test.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 512 };

static void failEq(void *arg)
{
    (void)arg;
    CHECK_EQ(40 + 2, 43U);
}

static void failLtOfSigns(void *arg)
{
    (void)arg;
    CHECK_LT(1U, -1);
}

static void failPlain(void *arg)
{
    CHECK(arg == NULL);
}

static void writeMuch(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        if (write(STDOUT_FILENO, "0123456789", 10) != 10)
            _exit(1);
}

/* Goal: a failing comparison ends in SIGABRT and shows its text and both operands. */
TEST(Test, failingComparisonPrintsBothOperands)
{
    char output[OUTPUT_BYTES];
    int status = testChild(failEq, NULL, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(strstr(output, "40 + 2 == 43U"));
    CHECK(strstr(output, "left  42\n"));
    CHECK(strstr(output, "right 43\n"));
    CHECK(strstr(output, "Test.failingComparisonPrintsBothOperands"));
}

TEST(Test, failingCheckPrintsItsText)
{
    char output[OUTPUT_BYTES];
    int status = testChild(failPlain, output, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK(strstr(output, "arg == NULL"));
}

TEST(Test, signsAreComparedAsInMathematics)
{
    char output[OUTPUT_BYTES];
    CHECK(WIFSIGNALED(testChild(failLtOfSigns, NULL, output, sizeof output)));
    CHECK(strstr(output, "right -1\n"));
    CHECK_LT(-1, 1U);
    CHECK_GT(ULONG_MAX, -1L);
    CHECK_NE(ULONG_MAX, -1L);
    CHECK_LT(LLONG_MIN, LLONG_MAX);
    CHECK_LE(-5, -5);
    CHECK_GE(-4, -5);
    CHECK_EQ(true, 1);
    CHECK_EQ((char)'a', 97U);
}

TEST(Test, pointersAreCompared)
{
    int here = 0;
    const int *const same = &here;
    CHECK_EQ(&here, same);
    CHECK_NE(&here, NULL);
}

TEST(Test, operandsAreEvaluatedOnce)
{
    int left = 0, right = 0;
    CHECK_EQ(++left, ++right);
    CHECK_EQ(left, 1);
    CHECK_EQ(right, 1);
}

TEST(Test, childOutputIsBoundedAndStatusIsZero)
{
    char output[OUTPUT_BYTES];
    CHECK_EQ(testChild(writeMuch, NULL, output, sizeof output), 0);
    CHECK_EQ(strlen(output), sizeof output - 1);
}

TEST(Test, seededSequencesRepeat)
{
    uint64_t one = testSeed(), two = testSeed();
    CHECK_NE(testSeed(), 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(testRandomFrom(&one), testRandomFrom(&two));
    CHECK_NE(testRandom(), testRandom());
}

TEST(Test, skipLeavesTheTest)
{
    SKIP("to show how it looks");
    CHECK(false);
}
