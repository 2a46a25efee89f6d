/* Switch_floor.c -- row 1's floor: two contexts switch to each other by hand-written assembler.
 *
 * switch      what a switch by a call can cost: push the callee-saved registers, swap stacks, pop
 *             them, `pop; jmp` (`br` on aarch64), which is predicted as any indirect jump.
 * switch_ret  the same ending in `ret`, as the usual ones do.  Returns are predicted by a stack
 *             that calls feed, and this one goes on elsewhere, so each is mispredicted.
 * Both are there and back.  No signal mask, no floating-point control words: row 1 saves neither.
 */
#include "Bench.h"

enum { ROUNDS = 20 * 1000 * 1000, WARM_UP = 1000 * 1000, STACK = 64 * 1024 };

typedef void Swap(void **save, void *load);

Swap swapRet, swapJump;

#if defined(__x86_64__)
enum { RESUME = 6, WORDS = 8 }; /* six registers, where to go on, and a pad */

#define SWAP(name, end)                                                                            \
    __asm__(".text\n.globl " #name "\n.hidden " #name "\n.type " #name ", @function\n"             \
            ".p2align 4\n" #name ":\n"                                                             \
            "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"             \
            "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"                                                 \
            "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\n" end)
SWAP(swapRet, "ret\n");
SWAP(swapJump, "popq %rcx\njmp *%rcx\n");

#elif defined(__aarch64__)
enum { RESUME = 11, WORDS = 20 }; /* of the twenty registers x30 says where to go on */

#define SWAP(name, end)                                                                            \
    __asm__(".text\n.globl " #name "\n.hidden " #name "\n.type " #name ", %function\n"             \
            ".p2align 4\n" #name ":\nsub sp, sp, #160\n"                                           \
            "stp x19, x20, [sp, #0]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"           \
            "stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"          \
            "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\n"          \
            "stp d14, d15, [sp, #144]\nmov x9, sp\nstr x9, [x0]\nmov sp, x1\n"                     \
            "ldp x19, x20, [sp, #0]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\n"           \
            "ldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"          \
            "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\n"          \
            "ldp d14, d15, [sp, #144]\nadd sp, sp, #160\n" end)
SWAP(swapRet, "ret\n");
SWAP(swapJump, "br x30\n");

#else
#error this floor knows x86-64 and aarch64: write the switch of your processor here
#endif

static void *main_context, *other_context;
static uint64_t visits; /* of the other context */

static void runOtherRet(void)
{
    for (;;) {
        visits++;
        swapRet(&other_context, main_context);
    }
}

static void runOtherJump(void)
{
    for (;;) {
        visits++;
        swapJump(&other_context, main_context);
    }
}

/* Lays out on a fresh stack what a switch leaves behind, so that the first one goes to `entry`. */
static void layOut(char *stack, void (*entry)(void))
{
    uintptr_t *frame = (uintptr_t *)(void *)(stack + STACK) - WORDS;
    memset(frame, 0, WORDS * sizeof *frame);
    frame[RESUME] = (uintptr_t)entry;
    other_context = frame;
}

/* Inlined twice, so that the call is direct: a measured loop of nothing else. */
static inline __attribute__((always_inline)) void measure(const char *name, Swap *swap,
                                                          void (*entry)(void))
{
    static char stack[STACK] __attribute__((aligned(64)));
    layOut(stack, entry);
    visits = 0;
    for (int i = 0; i < WARM_UP; i++)
        swap(&main_context, other_context);
    uint64_t start_ns = readNowNs();
    for (int i = 0; i < ROUNDS; i++)
        swap(&main_context, other_context);
    uint64_t end_ns = readNowNs();
    if (visits != WARM_UP + ROUNDS)
        error(1, 0, "%s: the other context ran %lu times", name, (unsigned long)visits);
    printPerUnit(name, end_ns - start_ns, ROUNDS);
}

int main(int count, char **words)
{
    parseCores(count, words, 1);
    measure("switch_ret", swapRet, runOtherRet);
    measure("switch", swapJump, runOtherJump);
    return 0;
}
