/* OsThread.h -- which OS thread calls: a word that no other living one has, and never 0.
 *
 * It is read anew each time: a green thread may ask on one OS thread and go on on another, and the
 * C library tells compilers that pthread_self never changes.
 */
#ifndef INTERNAL_OS_THREAD_H
#define INTERNAL_OS_THREAD_H

#include <stdint.h>

#ifdef SMP_MODEL
int modelThread(void);
#endif

static inline uintptr_t osThreadSelf(void)
{
    uintptr_t self;
#ifdef SMP_MODEL
    self = (uintptr_t)(modelThread() + 2); /* -1 in a setup */
#elif defined(__x86_64__)
    __asm__ volatile("movq %%fs:0, %0" : "=r"(self));
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(self));
#else
#error "Capri runs on x86-64 and aarch64"
#endif
    return self;
}

#endif
