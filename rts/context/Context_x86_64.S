/* Context_x86_64.S -- the switch for x86-64 (System V ABI).                          [path 6/6]
 *
 * Note [Switch by jump]
 *   The processor predicts returns with a stack of its own that is fed by calls.  A `ret` that goes
 *   on elsewhere is mispredicted (11 ns), and a call that is never returned from leaves an entry
 *   too many, so that every later return of the resumed thread is mispredicted instead (three of
 *   them: 25 ns a yield). So there is neither: contextSwitch jumps here with the resume address on
 *   the stack, and the saved one
 *   is popped and jumped to.  Threads that park through the same path then predict each other's
 *   returns.
 *
 * Registers: rdi = void **save, rsi = void *load, rdx = void *pass.  Saved: rbp rbx r12-r15.
 * Tests: testsuite/unit/ContextTest.c; gdb's bt ends at contextStart (rip undefined there).
 */
    .text
    .globl contextSwap
    .hidden contextSwap
    .type contextSwap, @function
    .p2align 4
contextSwap:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp              /* same frame layout on the other stack: the CFI stays true */
    movq %rdx, %rax
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq %rcx                    /* See Note [Switch by jump] */
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmp *%rcx
    .cfi_endproc
    .size contextSwap, .-contextSwap

/* A fresh context goes on here: rax = pass, r12 = entry, rsp = top of the stack - 8. */
    .globl contextStart
    .hidden contextStart
    .type contextStart, @function
    .p2align 4
contextStart:
    .cfi_startproc
    .cfi_undefined rip           /* the thread's bottom: unwinders stop here */
    movq %rax, %rdi
    andq $-16, %rsp
    xorl %ebp, %ebp
    call *%r12
    ud2                          /* an entry never returns */
    .cfi_endproc
    .size contextStart, .-contextStart

    .section .note.GNU-stack, "", @progbits
