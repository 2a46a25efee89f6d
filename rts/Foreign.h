/* Foreign.h -- a call that may block, on another OS thread. */
#ifndef RTS_FOREIGN_H
#define RTS_FOREIGN_H

/* foreignRun -- green threads: run fn(env) on an OS thread of the pool, park until it has returned.
 * 0, or -EAGAIN: no OS thread to be had, fn was not called. */
int foreignRun(void (*fn)(void *env), void *env);

#endif
