/* Errno.c -- an errno that survives a migration.
 *
 * Owns    nothing.  Must not be inlined anywhere: that is its whole point.
 * Tests   testsuite/unit/ErrnoTest.c
 */
#include <capri/errno.h>

#undef errno

__attribute__((noinline)) int *errnoLocation(void)
{
    __asm__ __volatile__("" ::: "memory");
    return __errno_location();
}
