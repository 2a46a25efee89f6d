/* Context_x86_64.S -- fresh contexts and escapes on x86-64 (System V ABI).           [path 6/6]
 *
 * The switch itself is contextSwitch in Context.h.  Tests: testsuite/unit/ContextTest.c; gdb's bt
 * ends at contextStart (rip undefined there).
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

/* void *escapeCall(Escape *rdi, fn rsi, first rdx, second rcx): See Note [Escapes] in Escape.h. */
    .globl escapeCall
    .hidden escapeCall
    .type escapeCall, @function
    .p2align 4
escapeCall:
    .cfi_startproc
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
    subq $8, %rsp
    movq %rsp, (%rdi)
    movq %rsi, %rax
    movq %rdx, %rdi
    movq %rcx, %rsi
    call *%rax
.Lescaped:
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size escapeCall, .-escapeCall

/* void escapeTo(Escape *rdi) */
    .globl escapeTo
    .hidden escapeTo
    .type escapeTo, @function
    .p2align 4
escapeTo:
    .cfi_startproc
    movq (%rdi), %rsp
    leaq 48(%rsp), %rbp
    xorl %eax, %eax
    jmp .Lescaped
    .cfi_endproc
    .size escapeTo, .-escapeTo

.Ltext_end:

    .section capri_text, "aR", @progbits /* See internal/Text.h */
    .balign 8
    .quad .Ltext_begin - .
    .quad .Ltext_end - .

    .section .note.GNU-stack, "", @progbits
