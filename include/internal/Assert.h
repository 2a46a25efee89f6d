/* Assert.h -- two ways to stop: ASSERT for a bug of ours, barf for an answer the kernel cannot
 * give.
 *
 * ASSERT and ASSERT_CMP compile to nothing without CAPRI_ASSERTIONS (preset `dev` and the sanitizer
 * presets turn it on); ASSERT_CMP prints both operands.  barf is always there.  Both print to
 * stderr with write(2)-sized formatting and abort, so they work on a 64 KiB green-thread stack.
 */
#ifndef INTERNAL_ASSERT_H
#define INTERNAL_ASSERT_H

#include <stdint.h>

#ifdef __cplusplus
#error "internal headers are C"
#endif

_Noreturn void assertFailed(const char *file, int line, const char *text) __attribute__((cold));
_Noreturn void assertCmpFailed(const char *file, int line, const char *text, int64_t left,
                               int64_t right) __attribute__((cold));
_Noreturn void barf(const char *format, ...) __attribute__((cold, format(printf, 1, 2)));

#ifdef CAPRI_ASSERTIONS
#define ASSERT(condition)                                                                          \
    (__builtin_expect(!!(condition), 1) ? (void)0 : assertFailed(__FILE__, __LINE__, #condition))
#define ASSERT_CMP(left, op, right)                                                                \
    do {                                                                                           \
        int64_t assert_left = (int64_t)(left), assert_right = (int64_t)(right);                    \
        if (__builtin_expect(!(assert_left op assert_right), 0))                                   \
            assertCmpFailed(__FILE__, __LINE__, #left " " #op " " #right, assert_left,             \
                            assert_right);                                                         \
    } while (0)
#else
#define ASSERT(condition) ((void)sizeof(!!(condition)))
#define ASSERT_CMP(left, op, right) ((void)sizeof((left)op(right)))
#endif

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
