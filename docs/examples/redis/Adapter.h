/* Adapter.h -- hiredis' asynchronous connections in a Capri event manager.
 *
 * To copy into a project: this pair, and docs/examples/loop/Loop.c and Loop.h.
 *
 * hiredis is not thread-safe: everything that touches a connection is called with the loop locked,
 * out of hiredis' callbacks (which come locked), or between loopLock and loopUnlock.
 */
#ifndef ADAPTER_H
#define ADAPTER_H

#include <Loop.h>

#include <hiredis/async.h>

/* redisAttach -- let the loop drive a connection that redisAsyncConnect has begun: 0; -EBUSY: one
 * does already; or what watchNew said.  hiredis frees what is attached together with the
 * connection. */
int redisAttach(redisAsyncContext *context, Loop *loop);

/* redisLimit -- when commands wait (or connecting does) and for limit_us nothing has come, the
 * connection ends: commands get a NULL reply, `err` is not 0.  0: no limit.  Returns 0, -ENOMEM.
 * redisAsyncSetTimeout (hiredis 1.0 and later) does the same. */
int redisLimit(redisAsyncContext *context, int64_t limit_us);

#endif
