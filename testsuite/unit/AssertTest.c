/* AssertTest.c -- what is said before the process stops. */
#ifndef CAPRI_ASSERTIONS
#define CAPRI_ASSERTIONS
#endif
#include "internal/Assert.h"
#include "testsuite/support/Test.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static char said[4096];

static bool aborts(void (*body)(void *), const char *text)
{
    int status = testChild(body, NULL, said, sizeof said);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, text) != NULL;
}

static void failAssert(void *arg)
{
    ASSERT(arg != NULL);
}

static void failCompare(void *arg)
{
    int left = arg == NULL ? -7 : 0;
    ASSERT_CMP(left, >=, 40 + 2);
}

static void failKernel(void *arg)
{
    (void)arg;
    barf("the kernel said %d about %s", -5, "nothing");
}

static void failLong(void *arg)
{
    char text[1000];
    (void)arg;
    memset(text, 'z', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    barf("%s", text);
}

static void failNothing(void *arg)
{
    ASSERT(arg == NULL);
    ASSERT_CMP(1 + 1, ==, 2);
}

TEST(Assert, namesTheConditionAndThePlace)
{
    CHECK(aborts(failAssert, "assertion failed: arg != NULL\n"));
    CHECK(strstr(said, "AssertTest.c:") != NULL);
}

TEST(Assert, comparisonPrintsBothOperands)
{
    CHECK(aborts(failCompare, "left >= 40 + 2 (-7, 42)\n"));
}

TEST(Assert, barfFormats)
{
    CHECK(aborts(failKernel, "capri: the kernel said -5 about nothing\n"));
}

TEST(Assert, aLongMessageIsCutAndEnded)
{
    CHECK(aborts(failLong, "zzz\n"));
    CHECK_LE(strlen(said), 600); /* sanitizers may add a line of their own */
}

TEST(Assert, whatHoldsIsSilent)
{
    CHECK_EQ(testChild(failNothing, NULL, said, sizeof said), 0);
}
