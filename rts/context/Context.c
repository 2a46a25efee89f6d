/* Context.c -- laying out a fresh context the way contextSwitch restores one.
 *
 * Owns    the first frame of a green thread's stack.
 * Before  rts/context/Stack.c: a stack.   After  rts/context/Context_<machine>.S: the switch.
 * Tests   testsuite/unit/ContextTest.c
 */
#include "rts/context/Context.h"

#include "internal/Assert.h"

#if defined(__x86_64__)
enum { FRAME_WORDS = 8, FRAME_ENTRY = 3, FRAME_RESUME = 6 }; /* r15 r14 r13 r12 rbx rbp rip pad */
#else
enum { FRAME_WORDS = 20, FRAME_ENTRY = 0, FRAME_RESUME = 11 }; /* x19..x28 x29 x30 d8..d15 */
#endif

void *contextMake(void *top, void (*entry)(void *pass))
{
    uint64_t *frame = (uint64_t *)top - FRAME_WORDS;
    ASSERT_CMP((uintptr_t)top % 16, ==, 0);
    for (int i = 0; i < FRAME_WORDS; i++)
        frame[i] = 0;
    frame[FRAME_ENTRY] = (uint64_t)(uintptr_t)entry;
    frame[FRAME_RESUME] = (uint64_t)(uintptr_t)contextStart;
    return frame;
}
