/* Sanitizer.h -- telling ASan, TSan and valgrind that the stack changes under them.
 *
 * Each Stack (and each worker's own OS stack) carries what the tools need.  All of it vanishes in
 * plain builds, but the valgrind registration, which is a no-op instruction sequence outside
 * valgrind.
 *
 * Note [Sanitizer switch]
 *   before the switch: ASan learns the new stack's bounds and keeps the old one's fake stack (or
 *   drops it when the old context ends), TSan changes fibre.  Right after it, on the new stack:
 *   ASan finishes. The TSan call must be the last thing before the jump, in a function without
 *   instrumentation, or its shadow call stack underflows.  A fibre belongs to a stack, not to a
 *   thread: creating one costs a lot. Functions that an ending thread never returns from are not
 *   instrumented either: each would leave a frame on the fibre's shadow call stack for ever, which
 *   overflows after 65536 threads on one stack.
 */
#ifndef RTS_SANITIZER_H
#define RTS_SANITIZER_H

#include "internal/Sanitize.h"

#include <stddef.h>

#ifdef SANITIZE_ADDRESS
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SANITIZE_THREAD
#include <sanitizer/tsan_interface.h>
#endif

#if defined(SANITIZE_THREAD) && defined(__clang__)
#define NO_INSTRUMENT __attribute__((disable_sanitizer_instrumentation))
#elif defined(SANITIZE_THREAD)
#define NO_INSTRUMENT __attribute__((no_sanitize("thread")))
#else
#define NO_INSTRUMENT
#endif

/* ALWAYS_INLINE -- for functions that functions without instrumentation call: ThreadSanitizer must
 * see their atomics, so there they stay functions of their own. */
#ifdef SANITIZE_THREAD
#define ALWAYS_INLINE __attribute__((noinline))
#else
#define ALWAYS_INLINE inline __attribute__((always_inline))
#endif

/* What the tools know of one stack. */
typedef struct StackTools {
#ifdef SANITIZE_ADDRESS
    void *fake_stack; /* saved while the stack is not running */
#endif
#ifdef SANITIZE_THREAD
    void *fibre;
#endif
    unsigned valgrind_id;
} StackTools;

#endif
