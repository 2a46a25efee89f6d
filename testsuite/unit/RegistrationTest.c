/* RegistrationTest.c -- each row of the state table of registrations, at one slot. */
#include "iomgr/Registration.h"
#include "testsuite/support/IoFixture.h"

enum { ME = 1, OTHER = 2 };

static FdSlot slot;

static void openSlot(void)
{
    memset(&slot, 0, sizeof slot);
    slot.edges = UINT64_C(1) << 32 | 1;
    slot.control = SLOT_LEVEL;
    fdSlotLock(&slot);
}

static Registration made(uint64_t unique, uint32_t events, Lifetime lifetime)
{
    return (Registration){.key = {.unique = unique}, .events = events, .lifetime = lifetime};
}

static void linkIn(Registration *at)
{
    registrationLink(&slot, at);
    CHECK(registrationSane(&slot));
}

TEST(Registration, interestIsTheUnion)
{
    openSlot();
    CHECK_EQ(registrationInterest(&slot, false), 0);
    Registration reader = made(1, EventRead, OneShot), writer = made(2, EventWrite, MultiShot);
    linkIn(&reader);
    CHECK_EQ(registrationInterest(&slot, false), EventRead);
    CHECK(!registrationIsKept(&slot));
    linkIn(&writer);
    CHECK_EQ(registrationInterest(&slot, false), EventRead | EventWrite);
    CHECK(registrationIsKept(&slot));
    CHECK(registrationSelect(&slot, EventRead | EventWrite | EventHangUp));
    CHECK_EQ(registrationInterest(&slot, false), 0);         /* selected: not asked for, ... */
    CHECK_EQ(registrationInterest(&slot, true), EventWrite); /* ... unless it is to stay so */
    CHECK_EQ(reader.pending, EventRead | EventHangUp);
    CHECK_EQ(writer.pending, EventWrite | EventHangUp);
}

TEST(Registration, eventsThatConcernNobody)
{
    openSlot();
    Registration reader = made(1, EventRead, MultiShot);
    linkIn(&reader);
    CHECK(!registrationSelect(&slot, EventWrite));
    CHECK(!registrationSelect(&slot, EventUrgent));
    CHECK(registrationBegin(&slot, ME) == NULL);
    CHECK(registrationSelect(&slot, EventRead | EventPeerClosed));
    CHECK(!registrationSelect(&slot, EventRead)); /* selected already */
    CHECK(registrationBegin(&slot, ME) == &reader);
    CHECK(!registrationSelect(&slot, EventRead)); /* running */
    CHECK(registrationBegin(&slot, OTHER) == NULL);
    CHECK(!registrationFinish(&slot, &reader));
    CHECK_EQ(reader.state, RegistrationWaiting);
}

TEST(Registration, oldestFirst)
{
    openSlot();
    Registration all[3] = {made(1, EventRead, OneShot), made(2, EventRead, MultiShot),
                           made(3, EventRead, OneShot)};
    for (int i = 0; i < 3; i++)
        linkIn(&all[i]);
    CHECK(registrationSelect(&slot, EventRead));
    for (int i = 0; i < 3; i++) {
        CHECK(registrationBegin(&slot, ME) == &all[i]);
        CHECK_EQ(registrationFinish(&slot, &all[i]), all[i].lifetime == OneShot);
        CHECK(registrationSane(&slot));
    }
    CHECK(slot.registrations == &all[1]);
}

TEST(Registration, forgettingInEveryState)
{
    Registration *freed;
    for (int lifetime = OneShot; lifetime <= MultiShot; lifetime++) {
        for (int state = 0; state < 4; state++) { /* waiting, selected, running, closed */
            for (uintptr_t caller = ME; caller <= OTHER; caller++) {
                openSlot();
                Registration at = made(7, EventRead, (Lifetime)lifetime);
                linkIn(&at);
                if (state >= 1)
                    CHECK(registrationSelect(&slot, EventRead));
                if (state >= 2)
                    CHECK(registrationBegin(&slot, ME) == &at);
                if (state == 3)
                    CHECK(registrationClose(&slot, 0) == NULL);
                CHECK_EQ(registrationForget(&slot, 8, caller, &freed), 0);
                bool over = lifetime == OneShot; /* before it was called */
                int expected = state < 2 ? 1 : caller == OTHER ? -EINPROGRESS : over ? 0 : 1;
                CHECK_EQ(registrationForget(&slot, 7, caller, &freed), expected);
                CHECK(freed == (state < 2 ? &at : NULL));
                if (state >= 2) {
                    CHECK_EQ(at.state, RegistrationGone);
                    CHECK_EQ(registrationForget(&slot, 7, ME, &freed), 0);
                    CHECK(registrationFinish(&slot, &at));
                    CHECK_EQ(at.state, RegistrationGone);
                }
                CHECK(slot.registrations == NULL);
                CHECK(registrationSane(&slot));
            }
        }
    }
}

TEST(Registration, closingInEveryState)
{
    openSlot();
    Registration waiting = made(1, EventRead, OneShot), selected = made(2, EventWrite, OneShot);
    Registration once = made(3, EventWrite, OneShot), always = made(4, EventWrite, MultiShot);
    linkIn(&once);
    linkIn(&always);
    CHECK(registrationSelect(&slot, EventWrite));
    CHECK(registrationBegin(&slot, ME) == &once);
    CHECK(registrationBegin(&slot, OTHER) == &always);
    linkIn(&waiting);
    linkIn(&selected);
    CHECK(registrationSelect(&slot, EventWrite));
    Registration *closed = registrationClose(&slot, 0);
    CHECK(closed == &waiting && waiting.next == &selected && selected.next == NULL);
    CHECK(registrationSane(&slot));
    CHECK(registrationClose(&slot, 0) == NULL); /* a second close finds nobody new */
    CHECK(registrationFinish(&slot, &once));
    CHECK_EQ(once.state, RegistrationGone); /* it has had its one call */
    CHECK(registrationFinish(&slot, &always));
    CHECK_EQ(always.state, RegistrationClosed);
    CHECK((slot.control & SLOT_REGISTERED) == 0);
}
