/* CallTest.c -- the words of a call in flight, one move after the other. */
#include "capability/Call.h"

#include "iomgr/OwnerGate.h"
#include "testsuite/support/Test.h"

#include <pthread.h>
#include <sched.h>

static Call call;

static void begin(void)
{
    ownerGateStart();
    callStart();
    call = (Call){0};
}

TEST(Call, nobodyClaims)
{
    begin();
    CHECK_EQ(callLook(&call), 0);
    callEnter(&call);
    CHECK_EQ(callLook(&call), 1);
    CHECK(callReturn(&call));
    CHECK_EQ(callLook(&call), 0);
    callEnter(&call);
    CHECK_EQ(callLook(&call), 3);
    CHECK(callReturn(&call));
}

TEST(Call, isTaken)
{
    begin();
    callEnter(&call);
    CHECK(callClaim(&call, 1));
    CHECK(!callClaim(&call, 1)); /* one at a time */
    callDecide(&call, CallTaken);
    CHECK(!callClaim(&call, 1));
    CHECK(!callReturn(&call));
    CHECK_EQ(call.claim, CallFree);
    callEnter(&call); /* with another one */
    CHECK(!callClaim(&call, 1));
    CHECK_EQ(call.claim, CallFree);
    CHECK(callReturn(&call));
}

TEST(Call, isOverOrSpared)
{
    begin();
    callEnter(&call);
    CHECK(callClaim(&call, 1));
    callDecide(&call, CallFree);
    CHECK(callReturn(&call));
    CHECK(!callClaim(&call, 1));
    CHECK_EQ(call.claim, CallFree);
}

static uint32_t returned;

static void *returnHeld(void *env)
{
    CHECK(callReturn(&call));
    SEQ_CST_STORE(&returned, 1);
    return env;
}

TEST(Call, waitsWhileHeld)
{
    pthread_t worker;
    begin();
    callEnter(&call);
    CHECK(callClaim(&call, 1));
    callDecide(&call, CallHeld);
    CHECK_EQ(pthread_create(&worker, NULL, returnHeld, NULL), 0);
    while (callLook(&call) != 0) /* it is over, and yet it does not return */
        sched_yield();
    CHECK_EQ(SEQ_CST_LOAD(&returned), 0);
    callDecide(&call, CallFree);
    CHECK_EQ(pthread_join(worker, NULL), 0);
    CHECK_EQ(returned, 1);
}

/* A slot whose worker was held for a fork serves another one in the child. */
TEST(Call, isForgottenInAChild)
{
    begin();
    callEnter(&call);
    CHECK(callClaim(&call, 1));
    callDecide(&call, CallHeld);
    callForget(&call);
    CHECK_EQ(callLook(&call), 0);
    callEnter(&call);
    CHECK_EQ(callLook(&call), 3);
    CHECK(callReturn(&call));
}
