/* Fiber.h -- a stack of its own for each model thread; switching costs no system call. */
#ifndef MODEL_FIBER_H
#define MODEL_FIBER_H

typedef struct Fiber {
    void *stack_pointer; /* valid while the fiber is not running */
    unsigned char
        *stack; /* lowest usable byte; a guard page lies below; NULL: the OS thread's own */
} Fiber;

/* Map the stack; exits the program when there is no memory. */
void fiberCreate(Fiber *fiber);

/* Forget whatever ran on the stack; the next switch to it calls entry(), which must not return. */
void fiberStart(Fiber *fiber, void (*entry)(void));

/* Save the running context in *from and continue *to. */
void fiberSwitch(Fiber *from, Fiber *to);

#endif
