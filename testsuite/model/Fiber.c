/* Fiber.c -- switching stacks for the explorer.
 *
 * Owns    the stacks of the model threads.
 * Tests   testsuite/model/LitmusTest.c (every model thread is a fiber).
 *
 * Note [Own switch]
 *   swapcontext saves the signal mask with a system call on every switch (0.3 us); a search makes
 *   millions of switches.  And the product's own context switch may not be used to test the
 *   product.
 */
#include "testsuite/model/Fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK_BYTES = 256 * 1024 };

void modelFiberSwitch(void **save, void *load);

/* See Note [Own switch]: callee-saved registers go on the stack, then the stacks are exchanged. */
#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.globl modelFiberSwitch\n.hidden modelFiberSwitch\n"
        ".type modelFiberSwitch,@function\nmodelFiberSwitch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
        ".size modelFiberSwitch, .-modelFiberSwitch\n");
enum { ENTRY_WORD = 6, FRAME_WORDS = 8 }; /* entry sees rsp % 16 == 8 */
#elif defined(__aarch64__)
__asm__(".text\n.p2align 4\n.globl modelFiberSwitch\n.hidden modelFiberSwitch\n"
        ".type modelFiberSwitch,%function\nmodelFiberSwitch:\n"
        "sub sp, sp, #160\n"
        "stp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"
        "stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\n"
        "stp d14, d15, [sp, #144]\n"
        "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
        "ldp x19, x20, [sp]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\n"
        "ldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
        "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\n"
        "ldp d14, d15, [sp, #144]\n"
        "add sp, sp, #160\nret\n"
        ".size modelFiberSwitch, .-modelFiberSwitch\n");
enum { ENTRY_WORD = 11, FRAME_WORDS = 20 };
#else
#error "Capri runs on x86-64 and aarch64"
#endif

void fiberCreate(Fiber *fiber)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *map =
        mmap(NULL, page + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map, page, PROT_NONE) != 0) {
        perror("explorer: no stack");
        exit(2);
    }
    fiber->stack = map + page;
}

void fiberStart(Fiber *fiber, void (*entry)(void))
{
    uintptr_t *frame = (uintptr_t *)(void *)(fiber->stack + STACK_BYTES) - FRAME_WORDS;
    for (int i = 0; i < FRAME_WORDS; i++)
        frame[i] = 0;
    frame[ENTRY_WORD] = (uintptr_t)entry;
    fiber->stack_pointer = frame;
}

void fiberSwitch(Fiber *from, Fiber *to)
{
    modelFiberSwitch(&from->stack_pointer, to->stack_pointer);
}
