/* FdRegister.c -- registerFd, unregisterFd; calling back, and telling the kernel what is left.
 *
 * Owns    the life of every Registration; EventManager.registered, uniques, stats.failures;
 *         uniques_taken.
 * Before  iomgr/EventManager.c: dispatch.   After  iomgr/Registration.c, iomgr/FdAwait.c.
 * Tests   testsuite/unit/FdRegisterTest.c, testsuite/conformance/RegisterConformance.c,
 *         testsuite/model/RegisterModel.c
 *
 * Note [Fd registration]
 *   How the kernel watches a slot with registrations:
 *     Edge     it is adopted and was waited for: stays so.  Registering, and every call of a
 *              MultiShot one, is followed by a modify, so that the kernel looks again.
 *     Level    a standalone manager, some registration is MultiShot, nobody waits: one OS thread
 *              polls and calls back, so no callback is begun twice.  Only a change of the union of
 *              what is asked for costs a system call.
 *     OneShot  everything else.  Under capabilities a rescuer polls while the owner is inside a
 *              callback: what is being called is not asked for, and armed again afterwards.
 *   Registering without a system call relies on an arming that is there already.  `armed` says so
 *   while the list is not empty: who uses up an arming comes here, because SLOT_REGISTERED was set
 *   before the arming began (or CONTROL was held), and takes the list as it is then.
 *   The commonest case, Level and one MultiShot registration, takes CONTROL twice and gives it back
 *   by stores: nobody but the poller, who is here, sets bits of `control` without it.
 *   A registrar links after the kernel has looked; an event that comes in between finds CONTROL
 *   taken, and waits: See Note [One-shot in flux].
 */
#include "iomgr/FdAwait.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <pthread.h>

enum {
    REGISTER_TRIES = 4
}; /* a number that is closed and reused more often than this in between */

#define ASKED ((uint32_t)(EventRead | EventWrite))

#ifdef SMP_MODEL
int modelThread(void);
static uintptr_t currentRunner(void)
{
    return (uintptr_t)modelThread();
}
#else
static uintptr_t currentRunner(void)
{
    return (uintptr_t)pthread_self();
}
#endif

/* ---- names ---------------------------------------------------------------------------------- */

/* No two managers of a process give the same name out: each takes whole blocks of numbers. */
#define UNIQUES_BLOCK UINT64_C(4096)

static uint64_t uniques_taken; /* anyone, relaxed add: blocks so far */

/* From a multiple of a block on comes the first number of the next one. */
static uint64_t nextUnique(EventManager *manager)
{
    const uint64_t epoch = ~UINT64_C(0) << TIMEOUT_EPOCH_SHIFT;
    uint64_t old = RELAXED_LOAD(&manager->uniques), next;
    do {
        next = old + 1;
        if (UNLIKELY(old % UNIQUES_BLOCK == 0))
            next = (old & epoch) + ADD_RELAXED(&uniques_taken, 1) * UNIQUES_BLOCK + 1;
    } while (!CAS_RELAXED(&manager->uniques, &old, next));
    return next;
}

/* ---- memory, calling ------------------------------------------------------------------------ */

static void freeRegistration(EventManager *manager, Registration *at)
{
    ADD_SEQ_CST(&manager->registered, UINT32_MAX); /* - 1 */
    memoryRelease(manager->allocator, at, sizeof *at, CACHE_LINE);
}

static void callBack(EventManager *manager, const Registration *at, uint32_t events)
{
    if (at->callback(manager, at->key, events, at->env) < 0)
        ADD_RELAXED(&manager->stats.failures, 1);
}

uint32_t fdRegisterClosed(EventManager *manager, Registration *closed, uint32_t why)
{
    uint32_t called = 0;
    while (closed != NULL) {
        Registration *next = closed->next;
        callBack(manager, closed, closed->events | EventClose | why);
        freeRegistration(manager, closed);
        closed = next;
        called++;
    }
    return called;
}

static void freeChunk(EventManager *manager, FdSlot *chunk)
{
    for (int i = 0; i < FD_CHUNK; i++) {
        while (chunk[i].registrations != NULL) {
            Registration *at = chunk[i].registrations;
            ASSERT_CMP(at->state, ==, RegistrationWaiting); /* nobody is inside a callback */
            chunk[i].registrations = at->next;
            freeRegistration(manager, at);
        }
    }
}

void fdRegisterFree(EventManager *manager)
{
    for (int i = 0; i < FD_CHUNKS && RELAXED_LOAD(&manager->registered) != 0; i++) {
        FdSlot *chunk = ACQUIRE_LOAD(&manager->table.chunks[i]);
        if (chunk != NULL)
            freeChunk(manager, chunk);
    }
}

/* ---- under CONTROL: what the kernel is told -------------------------------------------------- */

static WatchMode fitMode(EventManager *manager, FdSlot *slot, bool kept)
{
    if (RELAXED_LOAD(&slot->control) & SLOT_EDGE)
        return WatchEdge;
    if (kept && manager->exclusive && manager->backend->levels &&
        !watchListHasWatchers(&slot->waiters[FdRead]) &&
        !watchListHasWatchers(&slot->waiters[FdWrite]))
        return WatchLevel;
    return WatchOneShot;
}

/* The kernel watches for exactly this. */
static bool isArmed(FdSlot *slot, WatchMode mode, uint32_t interest)
{
    uint32_t control = RELAXED_LOAD(&slot->control);
    return (control & SLOT_MODES) != 0 && fdAwaitMode(control) == mode && slot->armed == interest;
}

/* The list has changed, or an arming was used up: see to it that the kernel watches for whoever is
 * there, and for nobody else.  Returns what the kernel said, 0: nothing was to be told, or it was
 * well. */
static int adjustInterest(EventManager *manager, FdSlot *slot, int fd, FdLeft *left)
{
    uint32_t control = RELAXED_LOAD(&slot->control);
    if ((control & SLOT_MODES) == 0 || (control & SLOT_EDGE))
        return 0;
    WatchMode mode = fitMode(manager, slot, registrationIsKept(slot));
    uint32_t interest = fdAwaitInterest(slot, mode);
    if (interest == 0) { /* what is running arms again, or silences, when it has returned */
        if (slot->armed != 0 && slot->registrations == NULL)
            fdAwaitSilence(manager, slot, fd, left);
        return 0;
    }
    if (isArmed(slot, mode, interest))
        return 0;
    int result = fdAwaitTell(manager, slot, fd, mode, interest, left);
    if (result < 0 && !fdAwaitIsGone(result))
        fdAwaitRefused(slot, left);
    return result;
}

/* Callbacks have run; kept: one of them stays.  Adopted: what it has left behind is no edge, so the
 * kernel is asked to look again. */
static int lookAgain(EventManager *manager, FdSlot *slot, int fd, bool kept, FdLeft *left)
{
    if ((RELAXED_LOAD(&slot->control) & SLOT_EDGE) == 0)
        return adjustInterest(manager, slot, fd, left);
    if (!kept || registrationInterest(slot, false) == 0)
        return 0;
    int result = fdAwaitTell(manager, slot, fd, WatchEdge, ASKED, left);
    if (result < 0 && !fdAwaitIsGone(result))
        fdAwaitRefused(slot, left);
    return result;
}

static int addRegistration(EventManager *manager, FdSlot *slot, int fd, Registration *made,
                           FdLeft *left)
{
    int result = -ENOENT;
    for (int tries = 0; result == -ENOENT && tries < REGISTER_TRIES; tries++) {
        WatchMode mode =
            fitMode(manager, slot, made->lifetime == MultiShot || registrationIsKept(slot));
        uint32_t interest = fdAwaitInterest(slot, mode) | made->events;
        if (slot->registrations != NULL && mode != WatchEdge && isArmed(slot, mode, interest))
            result = 0;
        else
            result = fdAwaitTell(manager, slot, fd, mode, interest, left);
    }
    if (result == 0)
        registrationLink(slot, made);
    return result == -ENOENT ? -EBADF : result;
}

/* ---- registering ----------------------------------------------------------------------------- */

static int publishRegistration(EventManager *manager, FdSlot *slot, Registration *made)
{
    FdLeft left = {.why = 0};
    int fd = made->key.fd;
    fdSlotLock(slot);
    int result = addRegistration(manager, slot, fd, made, &left);
    fdSlotUnlock(slot);
    fdAwaitDismiss(manager, &left, -EBADF, NULL);
    return result;
}

static int checkArguments(FdCallback *callback, int fd, uint32_t events, Lifetime lifetime)
{
    if (callback == NULL || events == 0 || (events & ~ASKED) != 0 ||
        (lifetime != OneShot && lifetime != MultiShot))
        return -EINVAL;
    return fd < 0 ? -EBADF : 0;
}

int registerFd(EventManager *manager, FdCallback *callback, void *env, int fd, uint32_t events,
               Lifetime lifetime, FdKey *key)
{
    int result = checkArguments(callback, fd, events, lifetime);
    if (result < 0)
        return result;
    if (eventManagerIsInherited(manager))
        return -ENOTRECOVERABLE;
    FdSlot *slot = fdTableGet(&manager->table, fd);
    if (slot == NULL)
        return fd >= FD_MAX ? -EMFILE : -ENOMEM;
    Registration *made = memoryAllocateZeroed(manager->allocator, sizeof *made, CACHE_LINE);
    if (made == NULL)
        return -ENOMEM;
    FdKey named = {.unique = nextUnique(manager), .fd = fd};
    *made = (Registration){
        .callback = callback, .env = env, .key = named, .events = events, .lifetime = lifetime};
    ADD_SEQ_CST(&manager->registered, 1); /* before it is linked: See Note [Closing] */
    if (key != NULL)
        *key = named;
    result = publishRegistration(manager, slot, made);
    if (result == 0)
        return 0;
    if (result == -EPERM) {
        callBack(manager, made, events);
        result = 1;
    }
    freeRegistration(manager, made);
    return result;
}

int unregisterFd(EventManager *manager, FdKey key)
{
    FdLeft left = {.why = 0};
    Registration *freed;
    if (eventManagerIsInherited(manager))
        return -ENOTRECOVERABLE;
    if (eventManagerIsOldKey(manager, key))
        return -ESRCH;
    FdSlot *slot = fdTableFind(&manager->table, key.fd);
    if (slot == NULL)
        return 0;
    fdSlotLock(slot);
    int result = registrationForget(slot, key.unique, currentRunner(), &freed);
    int told = result == 0 ? 0 : adjustInterest(manager, slot, key.fd, &left);
    fdSlotUnlock(slot);
    if (freed != NULL)
        freeRegistration(manager, freed);
    fdAwaitDismiss(manager, &left, fdAwaitIsGone(told) ? -EBADF : 0, NULL);
    return result;
}

/* ---- an event -------------------------------------------------------------------------------- */

/* CONTROL is held before and after.  True: it stays. */
static bool finishOne(EventManager *manager, FdSlot *slot, Registration *at)
{
    if (!registrationFinish(slot, at))
        return true;
    fdSlotUnlock(slot);
    if (at->state == RegistrationClosed)
        callBack(manager, at, at->events | EventClose | at->pending);
    freeRegistration(manager, at);
    fdSlotLock(slot);
    return false;
}

/* Likewise; it is given back for the call. */
static bool runOne(EventManager *manager, FdSlot *slot, Registration *at)
{
    uint32_t events = at->pending;
    fdSlotUnlock(slot);
    callBack(manager, at, events);
    fdSlotLock(slot);
    return finishOne(manager, slot, at);
}

uint32_t fdRegisterDispatch(EventManager *manager, FdSlot *slot, int fd, uint16_t generation,
                            uint32_t events, void *sink)
{
    FdLeft left = {.why = 0};
    Registration *at;
    uint32_t called = 0;
    bool kept = false;
    int told = 0;
    fdSlotLock(slot);
    uint32_t control = RELAXED_LOAD(&slot->control);
    if (UNLIKELY(fdControlGeneration(control) != generation)) {
        fdSlotUnlock(slot);
        return 0;
    }
    if (control & SLOT_ONESHOT)
        slot->armed = 0;
    bool any = registrationSelect(slot, events);
    if ((control & SLOT_LEVEL) == 0 || !any) /* whom it does not concern */
        told = adjustInterest(manager, slot, fd, &left);
    while (any && (at = registrationBegin(slot, currentRunner())) != NULL) {
        kept |= runOne(manager, slot, at);
        called++;
    }
    if (called > 0 && told == 0)
        told = lookAgain(manager, slot, fd, kept, &left);
    fdSlotUnlock(slot);
    return called + fdAwaitDismiss(manager, &left, fdAwaitIsGone(told) ? -EBADF : 0, sink);
}

/* Something has happened to the slot while its only registration was being called. */
static void finishLevel(EventManager *manager, FdSlot *slot, Registration *at)
{
    FdLeft left = {.why = 0};
    int fd = at->key.fd;
    fdSlotLock(slot);
    bool kept = finishOne(manager, slot, at);
    int told = lookAgain(manager, slot, fd, kept, &left);
    fdSlotUnlock(slot);
    fdAwaitDismiss(manager, &left, fdAwaitIsGone(told) ? -EBADF : 0, NULL);
}

/* The only poller gives CONTROL back: the word is what it was. */
static void unlockAlone(FdSlot *slot, uint32_t control)
{
    RELEASE_STORE(&slot->control, control);
}

uint32_t fdRegisterDispatchLevel(EventManager *manager, FdSlot *slot, uint32_t control,
                                 uint32_t events)
{
    uint32_t seen = control;
    ASSERT(control & SLOT_LEVEL);
    if ((control & SLOT_CONTROL) || !CAS_ACQUIRE(&slot->control, &seen, control | SLOT_CONTROL))
        return FD_REGISTER_SLOW;
    Registration *at = slot->registrations;
    uint32_t told = at == NULL ? 0 : registrationTold(at, events);
    if (told == 0 || at->next != NULL || at->lifetime != MultiShot ||
        at->state != RegistrationWaiting) {
        fdSlotUnlock(slot);
        return FD_REGISTER_SLOW;
    }
    at->state = RegistrationRunning;
    at->runner = currentRunner();
    unlockAlone(slot, control);
    callBack(manager, at, told);
    seen = control;
    if (LIKELY(CAS_ACQUIRE(&slot->control, &seen, control | SLOT_CONTROL))) {
        bool alone = at->state == RegistrationRunning && at->next == NULL;
        if (LIKELY(alone))
            at->state = RegistrationWaiting;
        unlockAlone(slot, control);
        if (LIKELY(alone))
            return 1;
    }
    finishLevel(manager, slot, at);
    return 1;
}
