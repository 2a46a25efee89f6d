/* Loop.c -- a lock around callbacks; stale ones are known by their keys.
 *
 * A callback that was unregistered while another thread was about to enter it cannot be told when
 * that thread is through.  So what the manager is given as `env` lives as long as the loop: watches
 * and alarms are used again, not freed, and a call whose key is not the present one is dropped.
 */
#include "Loop.h"

#include <capri/timeout.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct Watch {
    Loop *loop;
    Watch *all, *next; /* all there are; the free ones, or the late ones */
    FdKey key;
    WatchFn *fn; /* NULL: free, or not yet registered */
    void *env;
    uint32_t late; /* events to be told when the lock is given back; 0: not in that list */
};

struct Alarm {
    Loop *loop;
    Alarm *all, *next;
    TimeoutKey key;
    bool set; /* key's call has not come */
    AlarmFn *fn;
    void *env;
};

struct Loop {
    EventManager *manager;
    pthread_mutex_t lock; /* everything here */
    uint32_t depth;
    Watch *watches, *free_watches, *late;
    Alarm *alarms, *free_alarms;
};

Loop *loopNew(EventManager *manager)
{
    pthread_mutexattr_t recursive;
    Loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->manager = manager;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&loop->lock, &recursive);
    pthread_mutexattr_destroy(&recursive);
    return loop;
}

void loopFree(Loop *loop)
{
    for (Watch *watch = loop->watches, *next; watch != NULL; watch = next) {
        next = watch->all;
        free(watch);
    }
    for (Alarm *alarm = loop->alarms, *next; alarm != NULL; alarm = next) {
        next = alarm->all;
        free(alarm);
    }
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void loopLock(Loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->depth++;
}

void loopUnlock(Loop *loop)
{
    while (loop->depth == 1 && loop->late != NULL) {
        Watch *watch = loop->late;
        uint32_t events = watch->late;
        loop->late = watch->next;
        watch->late = 0;
        watch->fn(watch->env, events);
    }
    loop->depth--;
    pthread_mutex_unlock(&loop->lock);
}

/* ---- fds ------------------------------------------------------------------------------------- */

/* Registering and unregistering may themselves call back (EventClose): inside of the library that
 * did it, which does not expect it there.  That is told when the lock is given back. */
static int callWatch(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    Watch *watch = env;
    Loop *loop = watch->loop;
    (void)manager;
    loopLock(loop);
    if (watch->fn != NULL && watch->key.unique == key.unique) {
        if (loop->depth == 1) {
            watch->fn(watch->env, events);
        } else {
            if (watch->late == 0)
                watch->next = loop->late, loop->late = watch;
            watch->late |= events;
        }
    }
    loopUnlock(loop);
    return 0;
}

static void recycleWatch(Watch *watch)
{
    watch->fn = NULL;
    watch->key = (FdKey){0};
    watch->next = watch->loop->free_watches;
    watch->loop->free_watches = watch;
}

int watchNew(Loop *loop, int fd, uint32_t events, WatchFn *fn, void *env, Watch **watch)
{
    Watch *made = loop->free_watches;
    *watch = NULL;
    if (made != NULL) {
        loop->free_watches = made->next;
    } else {
        made = calloc(1, sizeof *made);
        if (made == NULL)
            return -ENOMEM;
        made->loop = loop;
        made->all = loop->watches;
        loop->watches = made;
    }
    int result = registerFd(loop->manager, callWatch, made, fd, events, MultiShot, &made->key);
    if (result != 0) {
        recycleWatch(made); /* fn was NULL: the call that comes with 1 was dropped */
        return result == 1 ? -EPERM : result;
    }
    made->fn = fn;
    made->env = env;
    *watch = made;
    return 0;
}

void watchFree(Watch *watch)
{
    if (watch == NULL)
        return;
    unregisterFd(watch->loop->manager, watch->key);
    for (Watch **at = &watch->loop->late; watch->late != 0; at = &(*at)->next) {
        if (*at == watch) {
            *at = watch->next;
            watch->late = 0;
            break;
        }
    }
    recycleWatch(watch);
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool isKey(TimeoutKey a, TimeoutKey b)
{
    return a.record == b.record && a.generation == b.generation;
}

static int callAlarm(EventManager *manager, TimeoutKey key, void *env)
{
    Alarm *alarm = env;
    Loop *loop = alarm->loop;
    (void)manager;
    loopLock(loop);
    if (alarm->set && isKey(alarm->key, key)) {
        alarm->set = false;
        alarm->fn(alarm->env);
    }
    loopUnlock(loop);
    return 0;
}

Alarm *alarmNew(Loop *loop, AlarmFn *fn, void *env)
{
    Alarm *alarm = loop->free_alarms;
    if (alarm != NULL) {
        loop->free_alarms = alarm->next;
    } else {
        alarm = calloc(1, sizeof *alarm);
        if (alarm == NULL)
            return NULL;
        alarm->loop = loop;
        alarm->all = loop->alarms;
        loop->alarms = alarm;
    }
    alarm->fn = fn;
    alarm->env = env;
    return alarm;
}

int alarmSet(Alarm *alarm, int64_t delay_us)
{
    EventManager *manager = alarm->loop->manager;
    if (alarm->set && updateTimeout(manager, alarm->key, delay_us) == 1)
        return 0;
    if (delay_us <= 0)
        delay_us = 1; /* never from here */
    int result = registerTimeout(manager, delay_us, callAlarm, alarm, &alarm->key);
    alarm->set = result == 0;
    return result;
}

void alarmStop(Alarm *alarm)
{
    if (alarm->set)
        unregisterTimeout(alarm->loop->manager, alarm->key);
    alarm->set = false;
}

void alarmFree(Alarm *alarm)
{
    if (alarm == NULL)
        return;
    alarmStop(alarm);
    alarm->next = alarm->loop->free_alarms;
    alarm->loop->free_alarms = alarm;
}
