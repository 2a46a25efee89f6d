/* Caller.h -- what tests of registerFd share: a callback that remembers, a manager of either kind.
 *
 * Tests  testsuite/unit, testsuite/conformance, testsuite/stress.
 */
#ifndef TESTSUITE_CALLER_H
#define TESTSUITE_CALLER_H

#include "iomgr/Registration.h"
#include "testsuite/support/IoFixture.h"

/* What callerNote does besides remembering, and what it returns. */
typedef struct Caller {
    uint32_t calls, closes; /* calls: without EventClose; release */
    uint32_t events;        /* of the last call that was not a close */
    uint32_t close_events;
    FdKey key; /* of the registration, and of the last call */
    FdKey called;
    void (*then)(EventManager *manager, struct Caller *caller); /* inside the callback, or NULL */
    void *other;                                                /* for `then` */
    int result;                                                 /* what the callback returns */
    int answer;                                                 /* for `then` */
} Caller;

static inline int callerNote(EventManager *manager, FdKey key, uint32_t events, void *env)
{
    Caller *caller = env;
    CHECK_NE(events, 0);
    caller->called = key;
    if (events & EventClose) {
        caller->close_events = events;
        ADD_RELEASE(&caller->closes, 1);
        return caller->result;
    }
    CHECK_EQ(RELAXED_LOAD(&caller->closes), 0);
    caller->events = events;
    ADD_RELEASE(&caller->calls, 1);
    if (caller->then != NULL)
        caller->then(manager, caller);
    return caller->result;
}

static inline int callerRegister(EventManager *manager, Caller *caller, int fd, uint32_t events,
                                 Lifetime lifetime)
{
    return registerFd(manager, callerNote, caller, fd, events, lifetime, &caller->key);
}

static inline bool registrationsSane(EventManager *manager, int fd)
{
    FdSlot *slot = fdTableFind(&manager->table, fd);
    return slot == NULL || (fdSlotSane(slot) && registrationSane(slot));
}

#endif
