/* Context_aarch64.S -- switches and escapes on aarch64 (AAPCS64).                    [path 6/6]
 *
 * Registers: x0 = void **save, x1 = void *load, x2 = void *pass.  Saved: x19-x28, fp, lr, d8-d15.
 * Resumes by `br`, not `ret`: See Note [Switch by jump] in Context.h.
 * Tests: testsuite/unit/ContextTest.c (under qemu-user).
 */
    .text
.Ltext_begin:
    .globl contextSwap
    .hidden contextSwap
    .type contextSwap, %function
    .p2align 4
contextSwap:
    .cfi_startproc
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    mov x0, x2
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_adjust_cfa_offset -160
    .cfi_restore x29
    .cfi_restore x30
    br x30
    .cfi_endproc
    .size contextSwap, .-contextSwap

/* A fresh context goes on here: x0 = pass, x19 = entry. */
    .globl contextStart
    .hidden contextStart
    .type contextStart, %function
    .p2align 4
contextStart:
    .cfi_startproc
    .cfi_undefined x30
    mov x29, #0
    mov x30, #0
    blr x19
    brk #1
    .cfi_endproc
    .size contextStart, .-contextStart

/* void *escapeCall(Escape *x0, fn x1, first x2, second x3): See Note [Escapes] in Escape.h. */
    .globl escapeCall
    .hidden escapeCall
    .type escapeCall, %function
    .p2align 4
escapeCall:
    .cfi_startproc
    stp x29, x30, [sp, #-160]!
    .cfi_def_cfa_offset 160
    .cfi_offset x29, -160
    .cfi_offset x30, -152
    mov x29, sp
    .cfi_def_cfa_register x29
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    .cfi_offset x19, -144
    .cfi_offset x20, -136
    .cfi_offset x21, -128
    .cfi_offset x22, -120
    .cfi_offset x23, -112
    .cfi_offset x24, -104
    .cfi_offset x25, -96
    .cfi_offset x26, -88
    .cfi_offset x27, -80
    .cfi_offset x28, -72
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov x9, x1
    mov x0, x2
    mov x1, x3
    blr x9
.Lescaped:
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    .cfi_def_cfa sp, 0
    ret
    .cfi_endproc
    .size escapeCall, .-escapeCall

/* void escapeTo(Escape *x0) */
    .globl escapeTo
    .hidden escapeTo
    .type escapeTo, %function
    .p2align 4
escapeTo:
    .cfi_startproc
    ldr x9, [x0]
    mov sp, x9
    mov x29, x9
    mov x0, #0
    b .Lescaped
    .cfi_endproc
    .size escapeTo, .-escapeTo

.Ltext_end:

    .section capri_text, "aR", %progbits /* See internal/Text.h */
    .balign 8
    .quad .Ltext_begin - .
    .quad .Ltext_end - .

    .section .note.GNU-stack, "", %progbits
