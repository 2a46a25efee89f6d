/* Loop.h -- callbacks of an event manager, one at a time: for libraries that are not thread-safe.
 *
 * Under capabilities the callbacks of a manager run on any core: two registrations' at once, and
 * one that was unregistered may be on its way in (-EINPROGRESS).  A Loop is the lock that a library
 * with callbacks of its own wants there: its watches and alarms call with the lock held, and never
 * again once they have been freed.  In a standalone manager the lock is never contended.
 *
 * Every call but loopNew and loopFree wants the loop locked; callbacks come locked.  A green thread
 * that holds the lock calls nothing of Capri that may let another one run: no waits, no writing of
 * variables, no forks (callbacks may do the latter two).  Callbacks may run on a green thread's
 * stack: give RtsConfig.stack_size what the library needs beside what the threads do.
 */
#ifndef LOOP_H
#define LOOP_H

#include <capri/event.h>

typedef struct Loop Loop;
typedef struct Watch Watch;
typedef struct Alarm Alarm;

typedef void WatchFn(void *env, uint32_t events);
typedef void AlarmFn(void *env);

/* loopNew -- NULL: out of memory.  loopFree -- when the manager calls nobody any more: after
 * eventManagerFree or rtsShutdown; watches and alarms that are left go with it. */
Loop *loopNew(EventManager *manager);
void loopFree(Loop *loop);

/* loopLock, loopUnlock -- may be nested. */
void loopLock(Loop *loop);
void loopUnlock(Loop *loop);

/* watchNew -- call fn(env, events) for as long as fd is ready: 0, or what registerFd said (-EPERM:
 * cannot be polled).  With EventClose in `events` it will not be called again.
 * watchFree -- no call comes after this; out of fn, too.  NULL is ignored. */
int watchNew(Loop *loop, int fd, uint32_t events, WatchFn *fn, void *env, Watch **watch);
void watchFree(Watch *watch);

/* alarmNew -- NULL: out of memory.  alarmSet -- call fn(env) once, delay_us from now and not at any
 * time set before: 0 or -ENOMEM.  alarmStop, alarmFree -- no call comes after this. */
Alarm *alarmNew(Loop *loop, AlarmFn *fn, void *env);
int alarmSet(Alarm *alarm, int64_t delay_us);
void alarmStop(Alarm *alarm);
void alarmFree(Alarm *alarm);

#endif
