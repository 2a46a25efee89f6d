/* Context_x86_64.S -- the switch for x86-64 (System V ABI).                          [path 6/6]
 *
 * Note [Switch by jump]
 *   The saved resume address is popped and jumped to.  A `ret` would miss the return stack predictor on
 *   every switch (11 ns against 2.2): the predictor expects the caller of the stack we came from.
 *
 * Registers: rdi = void **save, rsi = void *load, rdx = void *pass.  Saved: rbp rbx r12-r15.
 * Tests: testsuite/unit/ContextTest.c; gdb's bt ends at contextStart (rip undefined there).
 */
    .text
    .globl contextSwitch
    .hidden contextSwitch
    .type contextSwitch, @function
    .p2align 4
contextSwitch:
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
    .size contextSwitch, .-contextSwitch

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
