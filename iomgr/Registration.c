/* Registration.c -- a callback that waits at a slot: the slot's list of them.         [path 2/6]
 *
 * Owns    FdSlot.registrations, SLOT_REGISTERED, Registration's changing fields.
 * Before  iomgr/FdRegister.c, under CONTROL.
 * Tests   testsuite/unit/RegistrationTest.c, testsuite/model/RegisterModel.c
 *
 * See Note [Registration states].
 */
#include "iomgr/Registration.h"

#include <errno.h>
#include <stddef.h>

#define ASKED ((uint32_t)(EventRead | EventWrite))

/* SLOT_REGISTERED says whether the list is empty to who does not hold CONTROL. */
static void noteList(FdSlot *slot)
{
    ASSERT(RELAXED_LOAD(&slot->control) & SLOT_CONTROL);
    if (slot->registrations != NULL)
        OR_RELAXED(&slot->control, (uint32_t)SLOT_REGISTERED); /* unlock releases it */
    else
        AND_SEQ_CST(&slot->control, ~(uint32_t)SLOT_REGISTERED);
}

static void takeOut(FdSlot *slot, Registration *at)
{
    Registration **link = &slot->registrations;
    while (*link != at) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = at->next;
    at->next = NULL;
    if (slot->registrations == NULL)
        noteList(slot);
}

void registrationLink(FdSlot *slot, Registration *made)
{
    Registration **link = &slot->registrations;
    while (*link != NULL)
        link = &(*link)->next;
    made->next = NULL;
    made->state = RegistrationWaiting;
    *link = made;
    noteList(slot);
}

static bool isKept(const Registration *at)
{
    return at->lifetime == MultiShot && at->state <= RegistrationRunning;
}

uint32_t registrationInterest(const FdSlot *slot, bool keep)
{
    uint32_t interest = 0;
    for (const Registration *at = slot->registrations; at != NULL; at = at->next) {
        if (at->state == RegistrationWaiting || (keep && isKept(at)))
            interest |= at->events;
    }
    return interest;
}

bool registrationIsKept(const FdSlot *slot)
{
    for (const Registration *at = slot->registrations; at != NULL; at = at->next) {
        if (isKept(at))
            return true;
    }
    return false;
}

bool registrationSelect(FdSlot *slot, uint32_t events)
{
    bool any = false;
    for (Registration *at = slot->registrations; at != NULL; at = at->next) {
        uint32_t told = registrationTold(at, events);
        if (told == 0 || at->state != RegistrationWaiting)
            continue;
        at->pending = told;
        at->state = RegistrationSelected;
        any = true;
    }
    return any;
}

Registration *registrationBegin(FdSlot *slot, uintptr_t runner)
{
    for (Registration *at = slot->registrations; at != NULL; at = at->next) {
        if (at->state == RegistrationSelected) {
            at->state = RegistrationRunning;
            at->runner = runner;
            return at;
        }
    }
    return NULL;
}

bool registrationFinish(FdSlot *slot, Registration *at)
{
    ASSERT_CMP(at->state, >=, RegistrationRunning);
    if (isKept(at)) {
        at->state = RegistrationWaiting;
        return false;
    }
    takeOut(slot, at);
    return true;
}

int registrationForget(FdSlot *slot, uint64_t unique, uintptr_t caller, Registration **freed)
{
    Registration *at = slot->registrations;
    *freed = NULL;
    while (at != NULL && at->key.unique != unique)
        at = at->next;
    if (at == NULL)
        return 0;
    if (at->state < RegistrationRunning) {
        takeOut(slot, at);
        *freed = at;
        return 1;
    }
    /* A OneShot was over before it was called. */
    bool was = at->lifetime == MultiShot && at->state != RegistrationGone;
    at->state = RegistrationGone;
    return at->runner != caller ? -EINPROGRESS : was ? 1 : 0;
}

Registration *registrationClose(FdSlot *slot, uint32_t why)
{
    Registration *closed = NULL, **last = &closed, **link = &slot->registrations, *at;
    while ((at = *link) != NULL) {
        if (at->state >= RegistrationRunning) {
            if (at->state == RegistrationRunning) {
                at->state = at->lifetime == MultiShot ? RegistrationClosed : RegistrationGone;
                at->pending = why;
            }
            link = &at->next;
        } else {
            *link = at->next;
            at->next = NULL;
            *last = at;
            last = &at->next;
        }
    }
    noteList(slot);
    return closed;
}

bool registrationSane(const FdSlot *slot)
{
    uint32_t bound = 1u << 20;
    uint32_t control = RELAXED_LOAD(&slot->control);
    if (((control & SLOT_REGISTERED) != 0) != (slot->registrations != NULL))
        return false;
    for (const Registration *at = slot->registrations; at != NULL; at = at->next) {
        if (at->events == 0 || (at->events & ~ASKED) != 0 || at->key.unique == 0 || --bound == 0)
            return false;
        /* Somebody is to be called, and the kernel has been told. */
        if (at->state <= RegistrationSelected && (control & SLOT_MODES) == 0)
            return false;
    }
    return true;
}
