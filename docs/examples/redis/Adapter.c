/* Adapter.c -- hiredis' hooks: two watches and an alarm for each connection.
 *
 * The hooks return nothing: an fd that cannot be watched ends its connection, by the alarm, since
 * hiredis does not expect that out of a hook.
 */
#include "Adapter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Adapter {
    redisAsyncContext *context; /* NULL: has ended */
    Loop *loop;
    Watch *read, *write;
    Alarm *alarm;
    int64_t limit_us;
    int failed;    /* what registering said; 0 */
    bool counting; /* the alarm is set for limit_us */
    bool inside;   /* of hiredis, which may end the connection there */
} Adapter;

/* hiredis has done something for the connection: is there still one?  If not, that was all. */
static bool leave(Adapter *adapter)
{
    adapter->inside = false;
    if (adapter->context != NULL)
        return true;
    free(adapter);
    return false;
}

static void count(Adapter *adapter, bool anew)
{
    const redisAsyncContext *context = adapter->context;
    bool waits = (context->c.flags & REDIS_CONNECTED) == 0 || context->replies.head != NULL;
    if (adapter->limit_us <= 0 || adapter->failed != 0)
        return;
    if (!waits)
        alarmStop(adapter->alarm);
    else if (anew || !adapter->counting)
        adapter->failed = alarmSet(adapter->alarm, adapter->limit_us);
    adapter->counting = waits && adapter->failed == 0;
}

/* hiredis reads, finds the error, and tells everyone who waits. */
static void endConnection(Adapter *adapter, const char *why)
{
    redisAsyncContext *context = adapter->context;
    context->c.err = REDIS_ERR_IO;
    snprintf(context->c.errstr, sizeof context->c.errstr, "%s", why);
    adapter->inside = true;
    if (context->c.flags & REDIS_CONNECTED) {
        redisAsyncHandleRead(context);
    } else {
        context->err = context->c.err;
        context->errstr = context->c.errstr;
        if (context->onConnect != NULL)
            context->onConnect(context, REDIS_ERR);
        if (adapter->context != NULL)
            redisAsyncFree(context);
    }
    leave(adapter);
}

static void onReadable(void *env, uint32_t events)
{
    Adapter *adapter = env;
    if (events & EventClose) { /* closed behind our back, or the kernel watches it no longer */
        endConnection(adapter, "not watched any longer");
        return;
    }
    adapter->inside = true;
    redisAsyncHandleRead(adapter->context);
    if (leave(adapter))
        count(adapter, true);
}

static void onWritable(void *env, uint32_t events)
{
    Adapter *adapter = env;
    if (events & EventClose) {
        endConnection(adapter, "not watched any longer");
        return;
    }
    adapter->inside = true;
    redisAsyncHandleWrite(adapter->context);
    if (leave(adapter))
        count(adapter, true);
}

static void onAlarm(void *env)
{
    Adapter *adapter = env;
    adapter->counting = false;
    endConnection(adapter, adapter->failed != 0 ? strerror(-adapter->failed) : "timed out");
}

/* ---- hooks ----------------------------------------------------------------------------------- */

static void watch(Adapter *adapter, Watch **at, uint32_t events, WatchFn *fn)
{
    if (*at != NULL || adapter->failed != 0)
        return;
    adapter->failed = watchNew(adapter->loop, adapter->context->c.fd, events, fn, adapter, at);
    if (adapter->failed != 0)
        alarmSet(adapter->alarm, 0);
}

static void addRead(void *data)
{
    Adapter *adapter = data;
    watch(adapter, &adapter->read, EventRead, onReadable);
}

static void delRead(void *data)
{
    Adapter *adapter = data;
    watchFree(adapter->read);
    adapter->read = NULL;
}

static void addWrite(void *data) /* there is a new command, say */
{
    Adapter *adapter = data;
    watch(adapter, &adapter->write, EventWrite, onWritable);
    count(adapter, false);
}

static void delWrite(void *data)
{
    Adapter *adapter = data;
    watchFree(adapter->write);
    adapter->write = NULL;
}

static void cleanup(void *data) /* before hiredis closes the fd */
{
    Adapter *adapter = data;
    delRead(adapter);
    delWrite(adapter);
    alarmFree(adapter->alarm);
    adapter->context->ev.data = NULL;
    adapter->context = NULL;
    if (!adapter->inside)
        free(adapter);
}

#if HIREDIS_MAJOR >= 1
static void scheduleTimer(void *data, struct timeval limit) /* redisAsyncSetTimeout */
{
    Adapter *adapter = data;
    redisLimit(adapter->context, (int64_t)limit.tv_sec * 1000000 + limit.tv_usec);
}
#endif

int redisAttach(redisAsyncContext *context, Loop *loop)
{
    if (context->ev.data != NULL)
        return -EBUSY;
    Adapter *adapter = calloc(1, sizeof *adapter);
    if (adapter == NULL)
        return -ENOMEM;
    adapter->alarm = alarmNew(loop, onAlarm, adapter);
    if (adapter->alarm == NULL) {
        free(adapter);
        return -ENOMEM;
    }
    adapter->context = context;
    adapter->loop = loop;
    context->ev.data = adapter;
    context->ev.addRead = addRead;
    context->ev.delRead = delRead;
    context->ev.addWrite = addWrite;
    context->ev.delWrite = delWrite;
    context->ev.cleanup = cleanup;
#if HIREDIS_MAJOR >= 1
    context->ev.scheduleTimer = scheduleTimer;
#endif
    addWrite(adapter); /* writable: connected, or refused */
    int failed = adapter->failed;
    if (failed != 0) {
        cleanup(adapter);
        memset(&context->ev, 0, sizeof context->ev);
    }
    return failed;
}

int redisLimit(redisAsyncContext *context, int64_t limit_us)
{
    Adapter *adapter = context->ev.data;
    if (adapter->counting)
        alarmStop(adapter->alarm);
    adapter->counting = false;
    adapter->limit_us = limit_us;
    count(adapter, true);
    return adapter->failed;
}
