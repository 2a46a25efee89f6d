/* Assert.c -- saying why on stderr and stopping: no stdio stream, no allocation, no lock.
 *
 * Owns    nothing; it may be called on a green stack, in a callback, with any lock held.
 * Before  everything.   After  abort(3).
 * Tests   testsuite/unit/AssertTest.c
 */
#include "internal/Assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 256 };

/* One write(2), so that two OS threads that fail together do not mix their letters. */
_Noreturn static void sayAndStop(char *message, int length)
{
    size_t bytes = length < 0 ? 0 : (size_t)length;
    if (bytes > MESSAGE_BYTES - 2)
        bytes = MESSAGE_BYTES - 2; /* cut short by vsnprintf */
    message[bytes++] = '\n';
    while (bytes > 0) {
        ssize_t written = write(STDERR_FILENO, message, bytes);
        if (written <= 0)
            break; /* nowhere to say it */
        message += written;
        bytes -= (size_t)written;
    }
    abort();
}

_Noreturn void assertFailed(const char *file, int line, const char *text)
{
    char message[MESSAGE_BYTES];
    int length =
        snprintf(message, sizeof message, "capri: %s:%d: assertion failed: %s", file, line, text);
    sayAndStop(message, length);
}

_Noreturn void assertCmpFailed(const char *file, int line, const char *text, int64_t left,
                               int64_t right)
{
    char message[MESSAGE_BYTES];
    int length =
        snprintf(message, sizeof message, "capri: %s:%d: assertion failed: %s (%lld, %lld)", file,
                 line, text, (long long)left, (long long)right);
    sayAndStop(message, length);
}

_Noreturn void barf(const char *format, ...)
{
    static const char prefix[] = "capri: ";
    enum { PREFIX = sizeof prefix - 1 };
    char message[MESSAGE_BYTES];
    va_list arguments;
    memcpy(message, prefix, PREFIX);
    va_start(arguments, format);
    int length = vsnprintf(message + PREFIX, sizeof message - PREFIX, format, arguments);
    va_end(arguments);
    sayAndStop(message, length < 0 ? PREFIX : PREFIX + length);
}
