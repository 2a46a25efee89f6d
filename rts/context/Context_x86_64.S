/* Context_x86_64.S -- fresh contexts on x86-64 (System V ABI).                       [path 6/6]
 *
 * The switch itself is contextSwitch in Context.h, escapes are in Escape.h.
 * Tests: testsuite/unit/ContextTest.c; gdb's bt ends at contextStart (rip undefined there).
 */
    .text
.Ltext_begin:
/* rax = pass; the stack holds the entry. */
    .globl contextStart
    .hidden contextStart
    .type contextStart, @function
    .p2align 4
contextStart:
    .cfi_startproc
    .cfi_undefined rip           /* the thread's bottom: unwinders stop here */
    movq %rax, %rdi
    popq %rdx
    leaq 1f(%rip), %rcx          /* no call: See Note [Switch by jump] */
    pushq %rcx
    jmp *%rdx
    nop                          /* unwinders look at the byte before the return address */
1:  ud2                          /* an entry never returns */
    .cfi_endproc
    .size contextStart, .-contextStart

.Ltext_end:

    .section capri_text, "aR", @progbits /* See internal/Text.h */
    .balign 8
    .quad .Ltext_begin - .
    .quad .Ltext_end - .

    .section .note.GNU-stack, "", @progbits
