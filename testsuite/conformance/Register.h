/* Register.h -- what the suites of registerFd share: each case runs with both kinds of manager.
 *
 * Tests  testsuite/conformance/RegisterConformance.c,
 *        testsuite/conformance/RegisterCallbackConformance.c
 */
#ifndef TESTSUITE_REGISTER_H
#define TESTSUITE_REGISTER_H

#include "testsuite/support/Caller.h"

#include "testsuite/conformance/Conformance.h"

static EventManager *under; /* the manager of this round */

static inline void openUnder(bool alone)
{
    const Backend *backend = backendTested();
    if (alone) {
        EventManagerConfig config = {.backend = backend->name};
        CHECK_EQ(eventManagerNew(&config, &under), 0);
    } else {
        openManager();
        under = &manager;
    }
}

static inline void closeUnder(void)
{
    if (under->exclusive)
        CHECK_EQ(eventManagerFree(under), 0);
    else
        eventManagerClose(under);
}

static inline int step(void)
{
    if (under->exclusive)
        return eventManagerStep(under, 0);
    return (int)eventManagerPoll(under, 0, NULL);
}

/* As closeFd does it, or by the manager's own means. */
static inline int closeHere(int fd)
{
    if (under->exclusive)
        return eventManagerCloseFd(under, fd);
    eventManagerClosingFd(under, fd, NULL);
    int result = close(fd);
    eventManagerClosedFd(under, fd, NULL);
    return result;
}

static inline uint64_t changesUnder(void)
{
    EventManagerStats stats;
    eventManagerStats(under, &stats);
    return stats.changes;
}

static inline int reg(Caller *caller, int fd, uint32_t events, Lifetime lifetime)
{
    int result = callerRegister(under, caller, fd, events, lifetime);
    CHECK(registrationsSane(under, fd));
    return result;
}

/* CASE(name) { ... } -- a test that is run for both kinds of manager. */
#define CASE(what)                                                                                 \
    static void run_##what(void);                                                                  \
    TEST(Register, what)                                                                           \
    {                                                                                              \
        for (int alone = 0; alone <= 1; alone++) {                                                 \
            openUnder(alone != 0);                                                                 \
            run_##what();                                                                          \
            CHECK_EQ(RELAXED_LOAD(&under->stepping), 0);                                           \
            closeUnder();                                                                          \
        }                                                                                          \
    }                                                                                              \
    static void run_##what(void)

#endif
