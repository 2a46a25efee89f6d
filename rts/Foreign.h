/* Foreign.h -- a call that may block, made elsewhere: on another OS thread, or by the kernel. */
#ifndef RTS_FOREIGN_H
#define RTS_FOREIGN_H

#include "iomgr/FileRequest.h"

/* foreignRun -- green threads: run fn(env) on an OS thread of the pool, park until it has returned.
 * 0; fn was not called: -EAGAIN (no OS thread to be had), -EPERM (in a step of a task, or where
 * nothing may wait: scheduleMayWait). */
int foreignRun(void (*fn)(void *env), void *env);

/* foreignSubmit -- green threads: let the kernel make the call, park until it has.  0: *result is a
 * count, 0, an fd or -E...; -EOPNOTSUPP, -ENOMEM, -EAGAIN; -EPERM, likewise: it was not made. */
int foreignSubmit(const FileRequest *request, ssize_t *result);

#endif
