/* RegisterConformance.c -- registerFd and unregisterFd: whom an event calls, how often, with what.
 *
 * Run once per back-end: --backend epoll, --backend poll.  Each case runs with a standalone manager
 * and with one as capabilities have them; where they may differ (a call of a MultiShot registration
 * costs a change of the latter) the case says so.
 */
#include "testsuite/conformance/Register.h"

#include <sys/resource.h>

/* ---- how often ------------------------------------------------------------------------------- */

CASE(oneShotIsCalledOnce)
{
    int ends[2];
    Caller caller = {0};
    pipeOpen(ends);
    CHECK_EQ(reg(&caller, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(step(), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(step(), 0); /* the byte is still there */
    CHECK_EQ(caller.calls, 1);
    CHECK_EQ(caller.events, EventRead);
    CHECK_EQ(caller.called.fd, ends[0]);
    CHECK_EQ(caller.called.unique, caller.key.unique);
    CHECK_EQ(unregisterFd(under, caller.key), 0);
    CHECK_EQ(under->registered, 0);
    pairClose(ends);
}

CASE(multiShotIsLevelTriggered)
{
    int ends[2];
    Caller caller = {0};
    pipeOpen(ends);
    CHECK_EQ(reg(&caller, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(step(), 0);
    byteSend(ends[1]);
    uint64_t before = changesUnder();
    for (uint32_t round = 1; round <= 5; round++) {
        CHECK_EQ(step(), 1);
        CHECK_EQ(caller.calls, round);
    }
    uint64_t armed = under->exclusive && under->backend->levels ? 0 : 5; /* levels cost nothing */
    CHECK_EQ(changesUnder(), before + armed);
    CHECK_EQ(fdEmpty(ends[0]), 1);
    while (step() > 0) /* a look from before may be reported, on a shared manager */
        CHECK(!under->exclusive);
    uint32_t calls = caller.calls;
    CHECK_LE(calls, 6);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(caller.calls, calls + 1);
    CHECK_EQ(unregisterFd(under, caller.key), 1);
    CHECK_EQ(unregisterFd(under, caller.key), 0);
    CHECK_EQ(step(), 0);
    CHECK(registrationsSane(under, ends[0]));
    pairClose(ends);
}

CASE(anEventFromBeforeIsSeen)
{
    int ends[2];
    Caller caller = {0};
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(reg(&caller, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(caller.calls, 0); /* not inside registerFd */
    CHECK_EQ(step(), 1);
    CHECK_EQ(caller.calls, 1);
    pairClose(ends);
}

/* ---- merging --------------------------------------------------------------------------------- */

CASE(unchangedUnionCostsNothing)
{
    int ends[2];
    Caller one = {0}, two = {0}, three = {0}, four = {0};
    socketPairOpen(ends);
    fdFill(ends[0]);
    uint64_t before = changesUnder();
    CHECK_EQ(reg(&one, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(changesUnder(), before + 1); /* add */
    CHECK_EQ(reg(&two, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(changesUnder(), before + 1);
    CHECK_EQ(reg(&three, ends[0], EventRead, MultiShot), 0); /* the longest lifetime */
    uint64_t longer = under->exclusive && under->backend->levels ? 1 : 0;
    CHECK_EQ(changesUnder(), before + 1 + longer);
    CHECK_EQ(reg(&four, ends[0], EventRead | EventWrite, MultiShot), 0); /* the union grows */
    CHECK_EQ(changesUnder(), before + 2 + longer);
    byteSend(ends[1]);
    CHECK_EQ(step(), 4);
    CHECK_EQ(one.calls + two.calls + three.calls + four.calls, 4);
    CHECK_EQ(under->registered, 2);
    CHECK_EQ(unregisterFd(under, three.key), 1);
    CHECK_EQ(unregisterFd(under, four.key), 1);
    CHECK_EQ(RELAXED_LOAD(&under->fds), 0); /* nobody is left: the kernel has been told */
    pairClose(ends);
}

CASE(onlyWhatWasAskedForIsTold)
{
    int ends[2];
    Caller reader = {0}, writer = {0}, either = {0};
    socketPairOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(reg(&reader, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(reg(&writer, ends[0], EventWrite, OneShot), 0);
    CHECK_EQ(reg(&either, ends[0], EventRead | EventWrite, OneShot), 0);
    while (step() > 0)
        continue;
    CHECK_EQ(reader.events, EventRead);
    CHECK_EQ(writer.events, EventWrite);
    CHECK_NE(either.events & (EventRead | EventWrite), 0);
    CHECK_EQ(reader.calls + writer.calls + either.calls, 3);
    pairClose(ends);
}

/* GHC #10317: what an event does not concern stays registered, and so does a MultiShot. */
CASE(othersSurviveAnEvent)
{
    int ends[2];
    Caller reader = {0}, writer = {0}, always = {0};
    socketPairOpen(ends);
    CHECK_EQ(reg(&reader, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(reg(&writer, ends[0], EventWrite, OneShot), 0);
    CHECK_EQ(step(), 1);
    CHECK_EQ(writer.calls, 1);
    CHECK_EQ(reader.calls, 0);
    CHECK(registrationsSane(under, ends[0]));
    CHECK_EQ(step(), 0);
    CHECK_EQ(reg(&always, ends[0], EventRead, MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 2);
    CHECK_EQ(reader.calls, 1);
    CHECK_EQ(step(), 1);
    CHECK_EQ(always.calls, 2);
    CHECK_EQ(reader.calls, 1);
    pairClose(ends);
}

CASE(manyOnOneFd)
{
    enum { MANY = 200 };
    static Caller callers[MANY];
    int ends[2];
    memset(callers, 0, sizeof callers);
    pipeOpen(ends);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(reg(&callers[i], ends[0], EventRead, i % 2 ? OneShot : MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), MANY);
    CHECK_EQ(step(), MANY / 2);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(callers[i].calls, i % 2 ? 1 : 2);
        CHECK_EQ(unregisterFd(under, callers[i].key), i % 2 ? 0 : 1);
    }
    CHECK_EQ(under->registered, 0);
    CHECK_EQ(step(), 0);
    pairClose(ends);
}

CASE(besideWaiters)
{
    int ends[2];
    Watcher reader, writer;
    Caller caller = {0};
    socketPairOpen(ends);
    fdFill(ends[0]);
    CHECK_EQ(reg(&caller, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(watcherAwait(under, &reader, ends[0], 0, FdRead, 0, 1), 0);
    CHECK_EQ(watcherAwait(under, &writer, ends[0], 0, FdWrite, 0, 1), 0);
    CHECK_EQ(step(), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 2);
    CHECK_EQ(caller.calls, 1);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(writer.fired, 0);
    CHECK(registrationsSane(under, ends[0]));
    CHECK_EQ(unregisterFd(under, caller.key), 1);
    fdEmpty(ends[1]);
    while (writer.fired == 0)
        step();
    CHECK_EQ(writer.result, 0);
    pairClose(ends);
}

CASE(onAnAdoptedFd)
{
    int ends[2];
    Watcher reader;
    Caller caller = {0};
    pipeOpen(ends);
    CHECK_EQ(watcherAwait(under, &reader, ends[0], FdAdopted, FdRead, 0, 1), 0);
    CHECK_EQ(reg(&caller, ends[0], EventRead, MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 2);
    CHECK_EQ(reader.fired, 1);
    CHECK_EQ(step(), 1); /* the byte is still there: no edge, and yet a call */
    CHECK_EQ(caller.calls, 2);
    CHECK_EQ(fdEmpty(ends[0]), 1);
    while (step() > 0)
        CHECK_LE(caller.calls, 3);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(closeHere(ends[0]), 0);
    CHECK_EQ(caller.closes, 1);
    close(ends[1]);
}

/* ---- keys ------------------------------------------------------------------------------------ */

CASE(staleKeysTouchNobody)
{
    int ends[2];
    Caller older = {0}, newer = {0};
    pipeOpen(ends);
    CHECK_EQ(reg(&older, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(unregisterFd(under, older.key), 1);
    CHECK_EQ(reg(&newer, ends[0], EventRead, MultiShot), 0);
    CHECK_NE(older.key.unique, newer.key.unique);
    CHECK_EQ(unregisterFd(under, older.key), 0);
    CHECK_EQ(unregisterFd(under, (FdKey){0, 0}), 0);
    CHECK_EQ(unregisterFd(under, (FdKey){.unique = newer.key.unique, .fd = ends[1]}), 0);
    CHECK_EQ(unregisterFd(under, (FdKey){.unique = newer.key.unique, .fd = -1}), 0);
    CHECK_EQ(unregisterFd(under, (FdKey){.unique = newer.key.unique, .fd = 1 << 30}), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(newer.calls, 1);
    CHECK_EQ(older.calls, 0);
    /* The same number, another file. */
    int number = ends[0];
    CHECK_EQ(closeHere(ends[0]), 0);
    close(ends[1]);
    pipeOpen(ends);
    CHECK_EQ(ends[0], number);
    Caller newest = {0};
    CHECK_EQ(reg(&newest, number, EventRead, MultiShot), 0);
    CHECK_EQ(unregisterFd(under, newer.key), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(newest.calls, 1);
    pairClose(ends);
}

CASE(managersAreApart)
{
    int ends[2];
    EventManager *other;
    Caller here = {0}, there = {0};
    pipeOpen(ends);
    CHECK_EQ(eventManagerNew(NULL, &other), 0);
    CHECK_EQ(reg(&here, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(callerRegister(other, &there, ends[0], EventRead, MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(eventManagerStep(other, 0), 1);
    CHECK_EQ(there.calls, 1);
    CHECK_EQ(here.calls, 0);
    CHECK_EQ(step(), 1);
    CHECK_EQ(here.calls, 1);
    CHECK_EQ(unregisterFd(other, there.key), 1);
    CHECK_EQ(eventManagerFree(other), 0);
    pairClose(ends);
}

/* ---- reasons --------------------------------------------------------------------------------- */

CASE(hangUpWakesBothWithTheReason)
{
    int ends[2];
    Caller reader = {0}, writer = {0};
    socketPairOpen(ends);
    fdFill(ends[0]);
    CHECK_EQ(reg(&reader, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(reg(&writer, ends[0], EventWrite, OneShot), 0);
    CHECK_EQ(step(), 0);
    close(ends[1]);
    while (reader.calls + writer.calls < 2)
        CHECK_GE(step(), 1);
    CHECK_EQ(reader.events & (EventRead | EventHangUp), EventRead | EventHangUp);
    CHECK_EQ(writer.events & (EventWrite | EventHangUp), EventWrite | EventHangUp);
    CHECK_EQ(reader.events & EventWrite, 0);
    CHECK_EQ(writer.events & (EventRead | EventPeerClosed), 0);
    close(ends[0]);
}

CASE(peerClosedComesWithRead)
{
    int ends[2];
    Caller reader = {0};
    socketPairOpen(ends);
    CHECK_EQ(reg(&reader, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(shutdown(ends[1], SHUT_WR), 0);
    CHECK_EQ(step(), 1);
    CHECK_EQ(reader.events, EventRead | EventPeerClosed);
    pairClose(ends);
}

CASE(errorComesWithWrite)
{
    int ends[2];
    Caller writer = {0};
    pipeOpen(ends);
    fdFill(ends[1]);
    CHECK_EQ(reg(&writer, ends[1], EventWrite, MultiShot), 0);
    CHECK_EQ(step(), 0);
    close(ends[0]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(writer.events, EventWrite | EventError);
    CHECK_EQ(closeHere(ends[1]), 0);
    CHECK_EQ(writer.close_events, EventWrite | EventClose);
}

/* ---- what cannot be registered --------------------------------------------------------------- */

CASE(aRegularFileIsReadyAtOnce)
{
    char name[] = "/tmp/capri-register-XXXXXX";
    int fd = mkstemp(name);
    CHECK_GE(fd, 0);
    unlink(name);
    for (int lifetime = OneShot; lifetime <= MultiShot; lifetime++) {
        Caller caller = {0};
        CHECK_EQ(reg(&caller, fd, EventRead | EventWrite, (Lifetime)lifetime), 1);
        CHECK_EQ(caller.calls, 1);
        CHECK_EQ(caller.events, EventRead | EventWrite);
        CHECK_EQ(step(), 0);
        CHECK_EQ(unregisterFd(under, caller.key), 0);
    }
    CHECK_EQ(under->registered, 0);
    close(fd);
}

CASE(badArgumentsAreRefused)
{
    int ends[2];
    Caller caller = {0};
    pipeOpen(ends);
    CHECK_EQ(registerFd(under, NULL, NULL, ends[0], EventRead, OneShot, NULL), -EINVAL);
    CHECK_EQ(reg(&caller, ends[0], 0, OneShot), -EINVAL);
    CHECK_EQ(reg(&caller, ends[0], EventRead | EventClose, OneShot), -EINVAL);
    CHECK_EQ(reg(&caller, ends[0], EventHangUp, OneShot), -EINVAL);
    CHECK_EQ(reg(&caller, ends[0], EventRead, (Lifetime)2), -EINVAL);
    CHECK_EQ(reg(&caller, -1, EventRead, OneShot), -EBADF);
    CHECK_EQ(reg(&caller, 1 << 30, EventRead, OneShot), -EMFILE);
    pairClose(ends);
    CHECK_EQ(reg(&caller, ends[0], EventRead, OneShot), -EBADF);
    CHECK_EQ(under->registered, 0);
    CHECK_EQ(caller.calls + caller.closes, 0);
}

CASE(theHighestNumber)
{
    struct rlimit limit;
    int ends[2];
    Caller caller = {0};
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int highest = (int)(limit.rlim_cur < FD_MAX ? limit.rlim_cur : FD_MAX) - 1;
    pipeOpen(ends);
    CHECK_EQ(dup2(ends[0], highest), highest);
    CHECK_EQ(reg(&caller, highest, EventRead, MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(caller.called.fd, highest);
    CHECK_EQ(closeHere(highest), 0);
    pairClose(ends);
}

/* ---- failing callbacks ----------------------------------------------------------------------- */

CASE(aFailingCallbackIsCountedAndStopsNothing)
{
    int ends[2];
    Caller bad = {.result = -EIO}, good = {0};
    pipeOpen(ends);
    CHECK_EQ(reg(&bad, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(reg(&good, ends[0], EventRead, MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 2);
    CHECK_EQ(step(), 2);
    CHECK_EQ(bad.calls, 2);
    CHECK_EQ(good.calls, 2);
    CHECK_EQ(closeHere(ends[0]), 0);
    EventManagerStats stats;
    eventManagerStats(under, &stats);
    CHECK_EQ(stats.failures, 3);
    CHECK_EQ(stats.fired, 4);
    close(ends[1]);
}
