/* FdAwait.c -- waiting for an fd: what a slot believes and what the kernel was told.
 *
 * Owns    the transitions of Note [Fd slot states]; EventManager.fds, EventManagerStats.changes.
 * Before  rts/ThreadWait.c and closeFd.   After  iomgr/FdSlot.c, the back-end.
 * Tests   testsuite/unit/FdAwaitTest.c, testsuite/conformance/EventManagerConformance.c
 *
 * Waiters are detached under CONTROL and fired after it was given back: a callback may do anything.
 *
 * Note [One-shot in flux]
 *   A writer arms (read and write, for a reader waits) and publishes only then.  If the read event
 *   comes in between, it uses up the arming of both, and its poller finds no writer to arm again
 *   for; nor does the writer's re-check see an edge of its own direction.  So a poller that finds
 *   CONTROL taken waits for it: then the writer is published.  If it finds CONTROL free, a writer
 *   is either published or will arm after this event.
 */
#include "iomgr/FdAwait.h"

#include <errno.h>
#include <stddef.h>

enum { CHANGE_TRIES = 4 /* a number that is closed and reused more often than this in between */ };

bool event_manager_verify; /* see EventManager.h */

static uint64_t cookieOf(const FdSlot *slot, int fd)
{
    uint16_t generation = fdControlGeneration(RELAXED_LOAD(&slot->control));
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

/* What is waited for; anyone may ask, it is exact under CONTROL outside edge mode. */
static uint32_t interestOf(FdSlot *slot)
{
    return (watchListHasWatchers(&slot->waiters[FdRead]) ? EventRead : 0u) |
           (watchListHasWatchers(&slot->waiters[FdWrite]) ? EventWrite : 0u);
}

/* Does the slot believe nothing, with nobody at it? */
static bool isUntouched(FdSlot *slot)
{
    uint32_t control = SEQ_CST_LOAD(&slot->control);
    return (control & (SLOT_STATE | SLOT_CONTROL)) == 0 && interestOf(slot) == 0;
}

uint32_t fdAwaitInterest(FdSlot *slot, WatchMode mode)
{
    if (mode == WatchEdge)
        return EventRead | EventWrite;
    return interestOf(slot) | registrationInterest(slot, mode == WatchLevel);
}

bool fdAwaitIsGone(int result)
{
    /* EPERM: the number is a regular file now. */
    return result == -ENOENT || result == -EBADF || result == -EPERM;
}

uint32_t fdAwaitDismiss(EventManager *manager, FdLeft *left, int result, void *sink)
{
    uint32_t told = watchListFire(left->waiters[FdRead], result, sink) +
                    watchListFire(left->waiters[FdWrite], result, sink);
    if (UNLIKELY(left->registrations != NULL))
        told += fdRegisterClosed(manager, left->registrations, left->why);
    return told;
}

/* ---- under CONTROL ------------------------------------------------------------------------- */

static void noteMode(EventManager *manager, FdSlot *slot, WatchMode mode)
{
    uint32_t bit = mode == WatchEdge ? SLOT_EDGE : mode == WatchLevel ? SLOT_LEVEL : SLOT_ONESHOT;
    uint32_t old = RELAXED_LOAD(&slot->control);
    while (!CAS_SEQ_CST(&slot->control, &old, (old & ~SLOT_MODES) | bit))
        continue; /* a poller set a sticky bit */
    if ((old & SLOT_MODES) == 0)
        ADD_RELAXED(&manager->fds, 1);
}

static void advanceSlot(EventManager *manager, FdSlot *slot, FdLeft *left)
{
    if (RELAXED_LOAD(&slot->control) & SLOT_MODES)
        ADD_RELAXED(&manager->fds, UINT32_MAX); /* - 1 */
    fdSlotAdvance(slot, left->waiters);
    if (UNLIKELY(slot->registrations != NULL)) {
        Registration **last = &left->registrations;
        while (*last != NULL)
            last = &(*last)->next;
        *last = registrationClose(slot, 0);
    }
}

/* Tell the kernel, either way.  Bits that the coming look will set again are cleared before it. */
static int changeInterest(EventManager *manager, FdSlot *slot, int fd, bool known, WatchMode mode,
                          uint32_t interest)
{
    const Backend *backend = manager->backend;
    if (mode == WatchEdge) {
        bool was_edge = (RELAXED_LOAD(&slot->control) & SLOT_EDGE) != 0;
        AND_SEQ_CST(&slot->control,
                    ~(uint32_t)(was_edge ? SLOT_SUSPECT | SLOT_PEER_CLOSED : SLOT_STICKY));
    }
    ADD_RELAXED(&manager->stats.changes, 1);
    int result = (known ? backend->modify : backend->add)(manager->state, fd, mode, interest,
                                                          cookieOf(slot, fd));
    if (result == 0) {
        noteMode(manager, slot, mode);
        slot->armed = interest;
    }
    return result;
}

/* Modify what is registered.  If the number is another file now, or none, whoever is there
 * is *left's. */
static int modifyWatched(EventManager *manager, FdSlot *slot, int fd, WatchMode mode,
                         uint32_t interest, FdLeft *left)
{
    int result = changeInterest(manager, slot, fd, true, mode, interest);
    if (fdAwaitIsGone(result))
        advanceSlot(manager, slot, left);
    return result;
}

#ifdef CAPRI_ASSERTIONS
static void verifyAdopted(int fd, uint32_t control, int result)
{
    if (RELAXED_LOAD(&event_manager_verify) && (control & SLOT_EDGE) && result == -ENOENT)
        barf("fd %d was adopted, and then closed by plain close(2): use closeFd", fd);
}
#endif

int fdAwaitTell(EventManager *manager, FdSlot *slot, int fd, WatchMode mode, uint32_t interest,
                FdLeft *left)
{
    uint32_t control = RELAXED_LOAD(&slot->control);
    int result;
    if (control & SLOT_MODES) {
        result = modifyWatched(manager, slot, fd, mode, interest, left);
#ifdef CAPRI_ASSERTIONS
        verifyAdopted(fd, control, result);
#endif
        return result;
    }
    result = changeInterest(manager, slot, fd, false, mode, interest);
    if (result == -EEXIST) /* known to the kernel, e.g. the same file given back fresh */
        result = changeInterest(manager, slot, fd, true, mode, interest);
    return result;
}

/* Make the kernel watch fd for `direction` too, and look now.  *edges: the count before
 * its look. */
static int watchFd(EventManager *manager, FdSlot *slot, int fd, WatchMode mode,
                   FdDirection direction, uint32_t *edges, FdLeft *left)
{
    int result = -EBADF;
    for (int tries = 0; tries < CHANGE_TRIES; tries++) {
        uint32_t mine = direction == FdRead ? EventRead : EventWrite;
        *edges = fdSlotEdges(slot, direction);
        result = fdAwaitTell(manager, slot, fd, mode, fdAwaitInterest(slot, mode) | mine, left);
        if (result != -ENOENT)
            return result;
    }
    return -EBADF;
}

void fdAwaitRefused(FdSlot *slot, FdLeft *left)
{
    uint16_t generation = fdControlGeneration(RELAXED_LOAD(&slot->control));
    left->waiters[FdRead] = watchListTake(&slot->waiters[FdRead], generation);
    left->waiters[FdWrite] = watchListTake(&slot->waiters[FdWrite], generation);
    left->registrations = registrationClose(slot, EventError);
    left->why = EventError;
}

void fdAwaitSilence(EventManager *manager, FdSlot *slot, int fd, FdLeft *left)
{
    ADD_RELAXED(&manager->stats.changes, 1);
    manager->backend->remove(manager->state, fd); /* fails if it was closed already: as good */
    if (manager->exclusive) { /* an event of the present batch concerns nobody */
        advanceSlot(manager, slot, left);
    } else { /* a woken thread compares generations: its fd is still open */
        AND_SEQ_CST(&slot->control, ~SLOT_MODES);
        ADD_RELAXED(&manager->fds, UINT32_MAX); /* - 1 */
    }
    slot->armed = 0;
}

/* ---- waiting ------------------------------------------------------------------------------- */

static bool isEdge(const EventManager *manager, uint32_t kind)
{
    return (kind & FdAdopted) != 0 && manager->backend->edges;
}

/* No CONTROL, no system call. */
static int awaitWarm(FdSlot *slot, FdDirection direction, FdSeen seen, WatchNode *node, void *sink)
{
    uint16_t generation;
    uint32_t edges;
    int result = eventManagerWarm(slot, direction, seen, &generation, &edges);
    if (result == 0)
        result = fdSlotPublish(slot, direction, generation, edges, node, sink);
    return result == -EBADF && fdSlotHasMoved(slot, generation) ? 1 : result;
}

/* Under CONTROL: what to tell the slot's waiters should the kernel say that it does not know the
 * file.  One-shot: it was closed behind our back.  Edge: it would have been closed by closeFd,
 * which tells them itself; so the slot's belief is stale (a late waiter's, in an old home), and
 * they wait for a file that is open. */
static int goneResult(FdSlot *slot)
{
    return RELAXED_LOAD(&slot->control) & SLOT_EDGE ? FD_LOOK_AGAIN : -EBADF;
}

static int awaitCold(EventManager *manager, FdSlot *slot, int fd, uint32_t kind,
                     FdDirection direction, WatchNode *node, void *sink)
{
    FdLeft left = {.why = 0};
    uint32_t edges = 0;
    fdSlotLock(slot);
    int gone = goneResult(slot);
    int result = watchFd(manager, slot, fd, isEdge(manager, kind) ? WatchEdge : WatchOneShot,
                         direction, &edges, &left);
    uint16_t generation = fdControlGeneration(RELAXED_LOAD(&slot->control));
    if (result == 0) {
        /* After the kernel's look, still under CONTROL: whoever finds ENOENT next knows every
         * published waiter to belong to the older file. */
        bool added = watchListAdd(&slot->waiters[direction], generation, node);
        if (!added)
            barf("fd %d: the generation moved under CONTROL", fd);
    } else if (result == -EPERM && (kind & FdAdopted)) {
        fdSlotMark(slot, generation, SLOT_READY);
    }
    fdSlotUnlock(slot);
    fdAwaitDismiss(manager, &left, gone, sink);
    if (result == 0)
        return fdSlotRecheck(slot, direction, generation, edges, node, sink);
    return result == -EPERM ? 1 : result;
}

int eventManagerAwait(EventManager *manager, int fd, uint32_t kind, FdDirection direction,
                      FdSeen seen, WatchNode *node, void *sink)
{
    ASSERT(seen.edges != 0 || seen.who != 0);
    ASSERT(node->fire != NULL);
    if (fd < 0)
        return -EBADF;
    FdSlot *slot = fdTableGet(&manager->table, fd);
    if (slot == NULL)
        return fd >= FD_MAX ? -EMFILE : -ENOMEM;
    int result = FD_ASK_KERNEL;
    if ((kind & (FdAdopted | FdNewHome)) == FdAdopted)
        result = awaitWarm(slot, direction, seen, node, sink);
    if (result == FD_ASK_KERNEL)
        result = awaitCold(manager, slot, fd, kind, direction, node, sink);
    if (result == 1 && seen.edges == 0)
        eventManagerWoken(manager, fd, direction, seen.who);
    return result;
}

/* Nobody waits any more, and watching keeps the file open: stop.  See Note [Fd slot states]. */
static void unpinFd(EventManager *manager, FdSlot *slot, int fd)
{
    uint32_t control = SEQ_CST_LOAD(&slot->control) & (SLOT_ONESHOT | SLOT_REGISTERED);
    if (control != SLOT_ONESHOT || interestOf(slot) != 0)
        return;
    fdSlotLock(slot);
    control = RELAXED_LOAD(&slot->control) & (SLOT_ONESHOT | SLOT_REGISTERED);
    if (control == SLOT_ONESHOT && interestOf(slot) == 0) {
        ADD_RELAXED(&manager->stats.changes, 1);
        manager->backend->remove(manager->state, fd);
        AND_SEQ_CST(&slot->control, ~(uint32_t)SLOT_ONESHOT);
        ADD_RELAXED(&manager->fds, UINT32_MAX); /* - 1 */
    }
    fdSlotUnlock(slot);
}

bool eventManagerForget(EventManager *manager, int fd, FdDirection direction, WatchNode *node,
                        void *sink)
{
    FdSlot *slot = fdTableFind(&manager->table, fd);
    ASSERT(slot != NULL);
    if (slot == NULL)
        return false;
    /* A later generation than the node's: whoever closed the list has the node, and remove waits
     * until it lets go. */
    uint16_t generation = watchListGeneration(RELAXED_LOAD(&slot->waiters[direction]));
    bool published = watchListRemove(&slot->waiters[direction], generation, node, sink);
    if (published && manager->backend->pins)
        unpinFd(manager, slot, fd);
    return published;
}

void eventManagerWoken(EventManager *manager, int fd, FdDirection direction, uint32_t who)
{
    FdSlot *slot = fdTableFind(&manager->table, fd);
    if (slot == NULL)
        return;
    uint64_t last = (uint64_t)who << 32 | fdSlotEdges(slot, direction);
    if (RELAXED_LOAD(&slot->last[direction]) != last)
        RELAXED_STORE(&slot->last[direction], last);
}

/* ---- adopting and closing ------------------------------------------------------------------ */

int eventManagerAdopt(EventManager *manager, int fd, void *sink)
{
    FdLeft left = {.why = 0};
    int result = 0;
    if (fd < 0)
        return -EBADF;
    FdSlot *slot = fdTableFind(&manager->table, fd);
    if (slot == NULL || isUntouched(slot))
        return 0; /* adopting only marks, and the mark is kept above: the first park registers */
    fdSlotLock(slot);
    AND_SEQ_CST(&slot->control, ~(uint32_t)SLOT_READY);
    uint32_t control = RELAXED_LOAD(&slot->control);
    bool edge = (control & SLOT_EDGE) || ((control & SLOT_MODES) && /* is anybody there? */
                                          fdAwaitInterest(slot, WatchLevel) != 0);
    if (edge && manager->backend->edges)
        result = modifyWatched(manager, slot, fd, WatchEdge, EventRead | EventWrite, &left);
    fdSlotUnlock(slot);
    fdAwaitDismiss(manager, &left, -EBADF, sink);
    /* Another file than the slot's: fine, it believes nothing now. */
    return result == -ENOENT || result == -EPERM ? 0 : result;
}

void eventManagerFresh(EventManager *manager, int fd, void *sink)
{
    FdLeft left = {.why = 0};
    FdSlot *slot = fdTableFind(&manager->table, fd);
    if (slot == NULL || isUntouched(slot))
        return;
    fdSlotLock(slot);
    advanceSlot(manager, slot, &left);
    fdSlotUnlock(slot);
    fdAwaitDismiss(manager, &left, -EBADF, sink);
}

/* Out of the slot and out of the kernel's set; whoever waits is told `result`. */
static uint32_t leaveSlot(EventManager *manager, int fd, int result, void *sink)
{
    FdLeft left = {.why = 0};
    FdSlot *slot = fdTableFind(&manager->table, fd);
    if (slot == NULL || isUntouched(slot))
        return 0; /* closing: who comes after this look is eventManagerClosedFd's */
    fdSlotLock(slot);
    bool registered = (RELAXED_LOAD(&slot->control) & SLOT_MODES) != 0;
    if (result == FD_LOOK_AGAIN) /* released by the words that advance */
        RELAXED_STORE(&slot->moved,
                      SLOT_MOVED | (uint32_t)fdControlGeneration(RELAXED_LOAD(&slot->control)));
    advanceSlot(manager, slot, &left);
    if (registered) {
        ADD_RELAXED(&manager->stats.changes, 1);
        manager->backend->remove(manager->state, fd); /* fails if it was closed already: as good */
    }
    fdSlotUnlock(slot);
    return fdAwaitDismiss(manager, &left, result, sink);
}

uint32_t eventManagerClosingFd(EventManager *manager, int fd, void *sink)
{
    return leaveSlot(manager, fd, -EBADF, sink);
}

void eventManagerLeave(EventManager *manager, int fd, void *sink)
{
    leaveSlot(manager, fd, FD_LOOK_AGAIN, sink);
}

uint32_t eventManagerClosedFd(EventManager *manager, int fd, void *sink)
{
    FdLeft left = {.why = 0};
    FdSlot *slot = fdTableFind(&manager->table, fd);
    if (slot == NULL || isUntouched(slot))
        return 0;
    fdSlotLock(slot);
    uint32_t control = RELAXED_LOAD(&slot->control);
    if (control & SLOT_MODES) { /* also with nobody waiting: he may have come and gone */
        WatchMode mode = fdAwaitMode(control);
        uint32_t interest = fdAwaitInterest(slot, mode);
        if (interest == 0)
            interest = EventRead | EventWrite;
        modifyWatched(manager, slot, fd, mode, interest, &left);
    } else if (interestOf(slot) != 0) { /* for calls that the kernel has: they keep the file */
        advanceSlot(manager, slot, &left);
    }
    fdSlotUnlock(slot);
    return fdAwaitDismiss(manager, &left, FD_LOOK_AGAIN, sink);
}

uint32_t fdAwaitGone(EventManager *manager, FdSlot *slot, uint16_t generation, void *sink)
{
    FdLeft left = {.why = 0};
    fdSlotLock(slot);
    if (fdControlGeneration(RELAXED_LOAD(&slot->control)) == generation)
        advanceSlot(manager, slot, &left);
    fdSlotUnlock(slot);
    return fdAwaitDismiss(manager, &left, -EBADF, sink);
}
