/* Foreign.h -- a call that may block, on another OS thread. */
#ifndef RTS_FOREIGN_H
#define RTS_FOREIGN_H

/* foreignRun -- green threads: run fn(env) on an OS thread of the pool, park until it has returned.
 * 0; fn was not called: -EAGAIN (no OS thread to be had), -EPERM (in a step of a task). */
int foreignRun(void (*fn)(void *env), void *env);

#endif
