/* RegisterCallbackConformance.c -- callbacks that register, unregister and close; closing.
 *
 * Run once per back-end and, each case, with both kinds of manager, as RegisterConformance.c.
 */
#include "testsuite/conformance/Register.h"

/* ---- callbacks that register, unregister, close ---------------------------------------------- */

static void unregisterItself(EventManager *at, Caller *caller)
{
    caller->answer = unregisterFd(at, caller->key);
}

CASE(callbackUnregistersItself)
{
    int ends[2];
    Caller always = {.then = unregisterItself}, once = {.then = unregisterItself};
    pipeOpen(ends);
    CHECK_EQ(reg(&always, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(reg(&once, ends[0], EventRead, OneShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 2);
    CHECK_EQ(always.answer, 1);
    CHECK_EQ(once.answer, 0); /* it was over when it was called */
    CHECK_EQ(step(), 0);
    CHECK_EQ(always.calls + once.calls, 2);
    CHECK_EQ(under->registered, 0);
    CHECK(registrationsSane(under, ends[0]));
    pairClose(ends);
}

static void unregisterOther(EventManager *at, Caller *caller)
{
    caller->answer = unregisterFd(at, ((Caller *)caller->other)->key);
}

CASE(callbackUnregistersAnother)
{
    int ends[2];
    Caller second = {0}, first = {.then = unregisterOther, .other = &second};
    pipeOpen(ends);
    CHECK_EQ(reg(&first, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(reg(&second, ends[0], EventRead, MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1); /* the second was selected, and is not called */
    CHECK_EQ(first.answer, 1);
    CHECK_EQ(second.calls, 0);
    CHECK_EQ(under->registered, 0);
    pairClose(ends);
}

static void registerOther(EventManager *at, Caller *caller)
{
    caller->answer = callerRegister(at, caller->other, caller->key.fd, EventRead, OneShot);
}

CASE(callbackRegisters)
{
    int ends[2];
    Caller second = {0}, first = {.then = registerOther, .other = &second};
    Caller again = {.then = registerOther, .other = &again};
    pipeOpen(ends);
    CHECK_EQ(reg(&first, ends[0], EventRead, OneShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(first.answer, 0);
    CHECK_EQ(second.calls, 0);
    CHECK_EQ(step(), 1);
    CHECK_EQ(second.calls, 1);
    /* A OneShot that registers itself anew. */
    CHECK_EQ(reg(&again, ends[0], EventRead, OneShot), 0);
    for (uint32_t round = 1; round <= 5; round++) {
        CHECK_EQ(step(), 1);
        CHECK_EQ(again.calls, round);
        CHECK(registrationsSane(under, ends[0]));
    }
    CHECK_EQ(unregisterFd(under, again.key), 1);
    pairClose(ends);
}

static void closeItself(EventManager *at, Caller *caller)
{
    (void)at;
    caller->answer = closeHere(caller->key.fd);
    CHECK_EQ(caller->closes, 0); /* not inside of itself */
}

static void closeAndUnregister(EventManager *at, Caller *caller)
{
    closeItself(at, caller);
    CHECK_EQ(unregisterFd(at, caller->key), 1);
}

CASE(callbackClosesItsFd)
{
    int ends[2];
    Caller always = {.then = closeItself}, other = {0}, once = {.then = closeItself};
    pipeOpen(ends);
    CHECK_EQ(reg(&always, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(reg(&other, ends[0], EventRead, MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1); /* `other` was selected, and hears of the close only */
    CHECK_EQ(always.answer, 0);
    CHECK_EQ(always.closes, 1);
    CHECK_EQ(always.close_events, EventRead | EventClose);
    CHECK_EQ(other.calls, 0);
    CHECK_EQ(other.closes, 1);
    CHECK_EQ(under->registered, 0);
    close(ends[1]);
    pipeOpen(ends);
    byteSend(ends[1]);
    CHECK_EQ(reg(&once, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(step(), 1);
    CHECK_EQ(once.closes, 0); /* it has had its one call */
    close(ends[1]);
    pipeOpen(ends);
    byteSend(ends[1]);
    Caller both = {.then = closeAndUnregister};
    CHECK_EQ(reg(&both, ends[0], EventRead, MultiShot), 0);
    CHECK_EQ(step(), 1);
    CHECK_EQ(both.closes, 0); /* it has said that it wants to hear no more */
    CHECK_EQ(under->registered, 0);
    close(ends[1]);
}

static void reuseNumber(EventManager *at, Caller *caller)
{
    int number = caller->key.fd, ends[2];
    closeItself(at, caller);
    pipeOpen(ends);
    CHECK_EQ(ends[0], number);
    caller->answer = ends[1];
    CHECK_EQ(callerRegister(at, caller->other, number, EventRead, MultiShot), 0);
}

CASE(numberReusedInsideACallback)
{
    int ends[2];
    Caller newer = {0}, older = {.then = reuseNumber, .other = &newer};
    pipeOpen(ends);
    CHECK_EQ(reg(&older, ends[0], EventRead, MultiShot), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 1);
    CHECK_EQ(older.closes, 1);
    CHECK_EQ(step(), 0);
    CHECK_EQ(newer.calls + newer.closes, 0);
    byteSend(older.answer);
    CHECK_EQ(step(), 1);
    CHECK_EQ(newer.calls, 1);
    CHECK(registrationsSane(under, ends[0]));
    close(older.answer);
    close(ends[1]);
    CHECK_EQ(closeHere(ends[0]), 0);
    CHECK_EQ(newer.closes, 1);
}

/* ---- closing --------------------------------------------------------------------------------- */

CASE(closingCallsEverybodyOnce)
{
    int ends[2];
    Caller once = {0}, always = {0}, writer = {0};
    socketPairOpen(ends);
    fdFill(ends[0]);
    CHECK_EQ(reg(&once, ends[0], EventRead, OneShot), 0);
    CHECK_EQ(reg(&always, ends[0], EventRead | EventWrite, MultiShot), 0);
    CHECK_EQ(reg(&writer, ends[0], EventWrite, OneShot), 0);
    CHECK_EQ(closeHere(ends[0]), 0);
    CHECK_EQ(once.close_events, EventRead | EventClose);
    CHECK_EQ(always.close_events, EventRead | EventWrite | EventClose);
    CHECK_EQ(writer.close_events, EventWrite | EventClose);
    CHECK_EQ(once.closes + always.closes + writer.closes, 3);
    CHECK_EQ(once.calls + always.calls + writer.calls, 0);
    CHECK_EQ(unregisterFd(under, always.key), 0);
    CHECK_EQ(under->registered, 0);
    CHECK_EQ(RELAXED_LOAD(&under->fds), 0);
    CHECK_EQ(step(), 0);
    close(ends[1]);
    if (under->exclusive)
        CHECK_EQ(closeHere(ends[0]), -EBADF);
}

CASE(closingADupIsNoTrap)
{
    int ends[2];
    Caller caller = {0};
    pipeOpen(ends);
    CHECK_EQ(reg(&caller, ends[0], EventRead, MultiShot), 0);
    int twin = dup(ends[0]); /* keeps the file open, and in the kernel's set if nobody removes it */
    CHECK_EQ(closeHere(ends[0]), 0);
    byteSend(ends[1]);
    CHECK_EQ(step(), 0);
    CHECK_EQ(caller.calls, 0);
    CHECK_EQ(caller.closes, 1);
    close(twin);
    close(ends[1]);
}

CASE(plainCloseIsFoundByTheNextChange)
{
    int first[2], second[2];
    Caller older = {0}, newer = {0};
    pipeOpen(first);
    CHECK_EQ(reg(&older, first[0], EventRead, OneShot), 0);
    int number = first[0];
    pairClose(first);
    socketPairOpen(second);
    CHECK_EQ(second[0], number);
    CHECK_EQ(reg(&newer, number, EventRead | EventWrite, MultiShot), 0);
    CHECK_EQ(older.closes, 1);
    CHECK_EQ(older.close_events, EventRead | EventClose);
    CHECK_EQ(step(), 1);
    CHECK_EQ(newer.events, EventWrite);
    CHECK_EQ(newer.closes, 0);
    pairClose(second);
    CHECK_EQ(unregisterFd(under, newer.key), 1); /* closed behind its back: no error */
}
