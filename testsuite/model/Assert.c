/* Assert.c -- ASSERT and barf of the code under test: in a model they end the execution as failed.
 *
 * Before  the code under test.      After  testsuite/model/Explorer.c: modelFail.
 * Tests   testsuite/model/ExplorerTest.c ("an assertion fails").
 */
#include "internal/Assert.h"

#include "testsuite/model/Explorer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void assertFailed(const char *file, int line, const char *text)
{
    modelFail(file, line, text);
}

void assertCmpFailed(const char *file, int line, const char *text, int64_t left, int64_t right)
{
    char both[160];
    snprintf(both, sizeof both, "%s (%" PRId64 ", %" PRId64 ")", text, left, right);
    modelFail(file, line, both);
}

void barf(const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    modelFail("barf", 0, text);
}
