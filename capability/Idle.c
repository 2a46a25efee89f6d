/* Idle.c -- searching, sleeping, whom to wake.
 *
 * Owns    `idle`, Capability.peers, spin_ns and random; the words of Sleep.c through its moves.
 * Before  rts/Schedule.c: nothing is ready.
 * After   capability/RunQueue.c: stolen work; iomgr/EventManager.c: the poll that waits.
 * Tests   testsuite/unit/IdleTest.c, testsuite/model/SleepModel.c (Sleep.c, every interleaving)
 *
 * See Note [Idle wakes], Note [Idle search], Note [Idle guard] and Note [Idle states].
 */
#include "capability/Idle.h"

#include "capability/CapabilityTable.h"
#include "capability/Monitor.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>

enum {
    SPIN_MOST_NS = 20 * 1000,
    SPIN_LEAST_NS = 1000, /* halved below this: no spin at all */
    SPIN_RETRY_NS = 2000,
    SPIN_RETRY_EVERY = 64, /* searches */
    SPIN_PAUSES_MOST = 32, /* between two looks */
    SPIN_LOOKS_MOST = 256, /* if the clock stands still */
    GUARD_TICK_MOST_NS = 4 * GUARD_TICK_NS,
    GUARD_TICK_RESTLESS_NS = 16 * GUARD_TICK_NS,
    NAPS_RESTLESS = 4,
    NAPS_MOST = 16
};

/* What a look at a peer finds worth taking. */
enum { OfferSurplus = 1, OfferLone = 2, OfferStale = 4 };

Idle idle, idle_disabled;

void idleStart(void)
{
    memset(&idle, 0, sizeof idle);
    memset(&idle_disabled, 0, sizeof idle_disabled);
}

static uint64_t bitOf(const Capability *capability)
{
    return UINT64_C(1) << capability->index;
}

static uint64_t allBits(void)
{
    return UINT64_MAX >> (CAPABILITY_MOST - SEQ_CST_LOAD(&capabilities.count));
}

/* Who sleeps, disabled ones too: See Note [Two beds]. */
static uint64_t sleepers(void)
{
    return SEQ_CST_LOAD(&idle.sleeping) | SEQ_CST_LOAD(&idle_disabled.sleeping);
}

/* The peers that do not sleep. */
static uint64_t awakePeers(const Capability *capability)
{
    return allBits() & ~sleepers() & ~bitOf(capability);
}

bool idleAllAsleep(void)
{
    return sleepers() == allBits();
}

/* ---- Waking. ---- */

static bool wakeAs(Capability *capability, IdleState as)
{
    if (!sleepNotify(&capability->sleep, as))
        return false;
    ADD_RELAXED(&capability->stats.wakes_sent, 1);
    eventManagerWake(&capability->manager);
    return true;
}

void idleWakeFor(Capability *capability)
{
    wakeAs(capability, IdleNotified);
}

/* The guard last: as long as it sleeps the busy ones are looked after. */
void idleWakeOne(void)
{
    uint64_t sleeping = SEQ_CST_LOAD(&idle.sleeping);
    if (sleeping == 0 || !sleepSearchBegin(&idle, 1))
        return;
    uint32_t guard = RELAXED_LOAD(&idle.guard);
    uint64_t last = guard == 0 ? 0 : sleeping & (UINT64_C(1) << (guard - 1));
    for (uint64_t rest = sleeping & ~last; rest != 0 || last != 0; rest &= rest - 1) {
        if (rest == 0) {
            rest = last;
            last = 0;
        }
        if (wakeAs(capabilities.items[__builtin_ctzll(rest)], IdleCalled))
            return; /* it counts as the searcher now */
    }
    sleepSearchEnd(&idle);
}

/* ---- Looking at a peer and taking from it. ---- */

/* Bring the view of a peer up to date.  See Note [Idle search]. */
static uint32_t lookAtPeer(Capability *capability, Capability *peer, int64_t now_ns)
{
    PeerView *view = &capability->peers[peer->index];
    bool asleep = RELAXED_LOAD(&peer->sleep) != IdleAwake;
    uint64_t switches = RELAXED_LOAD(&peer->stats.switches);
    if (asleep || switches != view->switches || view->switched_ns == 0) {
        view->switches = switches;
        view->switched_ns = now_ns;
    }
    uint32_t polls = RELAXED_LOAD(&peer->manager.poll_count);
    if (asleep || polls != view->polls || view->polled_ns == 0) {
        view->polls = polls;
        view->polled_ns = now_ns;
    }
    uint32_t offers = 0, length = runQueueLength(&peer->queue);
    bool marked = (RELAXED_LOAD(&peer->attention) & AttentionPoll) != 0; /* by the Monitor */
    if (length >= 2)
        offers |= OfferSurplus;
    else if (length == 1 && (marked || now_ns - view->switched_ns >= STEAL_YOUNGEST_NS))
        offers |= OfferLone;
    if (!asleep && (marked || now_ns - view->polled_ns > STALE_POLL_NS))
        offers |= OfferStale;
    return offers;
}

static void stealFrom(Capability *capability, Capability *peer, uint32_t leave)
{
    Runnable *stolen[RUN_QUEUE_STEAL_MOST];
    uint32_t count = runQueueSteal(&peer->queue, leave, stolen);
    for (uint32_t i = 0; i < count; i++)
        capabilityPush(capability, stolen[i]);
    COUNT(&capability->stats.stolen, count);
}

static bool hasEvents(Capability *peer, int64_t now_ns)
{
    return RELAXED_LOAD(&peer->manager.fds) != 0 || timerHeapDue(&peer->manager.timers) <= now_ns;
}

/* Take a stale peer's events, due timers and open inbox.  readable: its pollable said there is
 * something. */
static void relievePeer(Capability *capability, Capability *peer, int64_t now_ns, bool readable)
{
    PeerView *view = &capability->peers[peer->index];
    if (hasEvents(peer, now_ns)) {
        capability->manager.polling = true; /* callbacks are made here */
        uint32_t fired = eventManagerRescue(&peer->manager, capability);
        capability->manager.polling = false;
        COUNT(&capability->stats.rescued, fired);
        if (readable && fired == 0) {
            view->muted = true;
            view->muted_at = view->polls;
        }
    }
    Runnable *open = inboxTakeOpen(&peer->inbox);
    while (open != NULL) {
        Runnable *next = RELAXED_LOAD(&open->next);
        capabilityPush(capability, open);
        COUNT(&capability->stats.stolen, 1);
        open = next;
    }
}

/* True: something is ready here now. */
static bool visitPeer(Capability *capability, Capability *peer, int64_t now_ns, bool readable)
{
    uint32_t offers = lookAtPeer(capability, peer, now_ns);
    if (offers & OfferStale)
        relievePeer(capability, peer, now_ns, readable);
    if (offers & (OfferSurplus | OfferLone))
        stealFrom(capability, peer, offers & OfferSurplus ? 1 : 0);
    return capabilityHasReady(capability);
}

/* Visit the peers in `which`, from a random one on, until something is ready here. */
static bool visitPeers(Capability *capability, uint64_t which, uint64_t readable)
{
    uint32_t count = capabilityTableCount();
    capability->random ^= capability->random << 13;
    capability->random ^= capability->random >> 7;
    capability->random ^= capability->random << 17;
    uint32_t at = (uint32_t)(capability->random >> 32) % count;
    int64_t now_ns = clockRead(capability->manager.clock);
    for (uint32_t i = 0; i < count; i++, at = at + 1 == count ? 0 : at + 1) {
        uint64_t bit = UINT64_C(1) << at;
        if ((which & bit) != 0 &&
            visitPeer(capability, capabilities.items[at], now_ns, (readable & bit) != 0))
            return true;
    }
    return false;
}

/* ---- Searching. ---- */

static bool peersHaveSurplus(const Capability *capability)
{
    for (uint32_t i = 0; i < capabilityTableCount(); i++)
        if (i != capability->index && runQueueLength(&capabilities.items[i]->queue) >= 2)
            return true;
    return false;
}

static bool lookOnce(Capability *capability)
{
    if (capabilityReceive(capability))
        return true;
    for (uint32_t i = 0; i < capabilityTableCount(); i++) {
        Capability *peer = capabilities.items[i];
        if (peer != capability && runQueueLength(&peer->queue) >= 2) {
            stealFrom(capability, peer, 1);
            if (capabilityHasReady(capability))
                return true;
        }
    }
    return false;
}

static void adaptSpin(Capability *capability, uint32_t budget_ns, bool found)
{
    uint32_t spin_ns = found ? budget_ns * 2 : budget_ns / 2;
    if (spin_ns > SPIN_MOST_NS)
        spin_ns = SPIN_MOST_NS;
    capability->spin_ns = spin_ns < SPIN_LEAST_NS ? 0 : spin_ns;
}

/* While a peer is awake it may soon have surplus: wait for it a moment, not longer than pays. */
static bool spinForWork(Capability *capability)
{
    uint32_t budget_ns = capability->spin_ns;
    if (budget_ns == 0 && capability->stats.searches % SPIN_RETRY_EVERY == 0)
        budget_ns = SPIN_RETRY_NS;
    if (budget_ns == 0 || awakePeers(capability) == 0)
        return false;
    const Clock *clock = capability->manager.clock;
    int64_t end_ns = clockRead(clock) + budget_ns;
    bool found = false;
    int pauses = 1;
    for (int look = 0; !found && look < SPIN_LOOKS_MOST; look++) {
        for (int i = 0; i < pauses; i++)
            SMP_PAUSE();
        if (pauses < SPIN_PAUSES_MOST)
            pauses *= 2;
        found = lookOnce(capability);
        if (clockRead(clock) >= end_ns || RELAXED_LOAD(&capability->mode) != CapabilityEnabled)
            break;
    }
    adaptSpin(capability, budget_ns, found);
    return found;
}

/* The last searcher who found something sees to it that the search goes on if there is more. */
static void endSearch(Capability *capability, bool found)
{
    if (sleepSearchEnd(&idle) && found && RELAXED_LOAD(&idle.sleeping) != 0 &&
        (runQueueLength(&capability->queue) >= 2 || peersHaveSurplus(capability)))
        idleWakeOne();
}

/* Before anything is stolen: what a peer's thread uses is in the other core's caches, what waits
 * for an event of ours is not.  And what was given to the kernel is handed over by a poll. */
static bool pollOwn(Capability *capability)
{
    const EventManager *manager = &capability->manager;
    return RELAXED_LOAD(&manager->fds) != 0 &&
           (manager->backend->submit != NULL || peersHaveSurplus(capability)) &&
           eventManagerPoll(&capability->manager, 0, capability) != 0 &&
           capabilityHasReady(capability);
}

bool idleSearch(Capability *capability)
{
    ASSERT_CMP(RELAXED_LOAD(&capability->sleep), ==, IdleAwake);
    COUNT(&capability->stats.searches, 1);
    if (pollOwn(capability))
        return true;
    uint32_t count = capabilityTableCount();
    if (count < 2 || !sleepSearchBegin(&idle, count / 2 + count % 2))
        return false;
    bool found = visitPeers(capability, allBits() & ~bitOf(capability), 0);
    if (!found && peersHaveSurplus(capability))
        sched_yield(); /* a gate is taken: its holder may need this very core */
    if (!found)
        found = spinForWork(capability);
    endSearch(capability, found);
    return found;
}

/* ---- The guard. ---- */

/* What one look at all awake peers found. */
typedef struct Survey {
    int64_t deadline_ns; /* of the stale peers' timers */
    uint64_t visit;      /* peers with something to take now */
    bool stale;          /* some peer is */
    int count;
    int pollables[CAPABILITY_MOST]; /* of stale peers */
    uint8_t peers[CAPABILITY_MOST]; /* whose they are */
} Survey;

static void surveyStale(Capability *capability, Capability *peer, int64_t now_ns, Survey *survey)
{
    PeerView *view = &capability->peers[peer->index];
    int64_t earliest_ns = timerHeapDue(&peer->manager.timers);
    survey->stale = true;
    if (earliest_ns < survey->deadline_ns)
        survey->deadline_ns = earliest_ns;
    if (earliest_ns <= now_ns || RELAXED_LOAD(&peer->inbox.open) != NULL)
        survey->visit |= bitOf(peer);
    if (RELAXED_LOAD(&peer->manager.fds) == 0)
        return;
    int pollable = eventManagerPollable(&peer->manager);
    if (pollable < 0 || (view->muted && view->muted_at == view->polls)) {
        survey->visit |= bitOf(peer);
    } else {
        survey->pollables[survey->count] = pollable;
        survey->peers[survey->count++] = (uint8_t)peer->index;
    }
}

static void surveyPeers(Capability *capability, uint64_t awake, int64_t now_ns, Survey *survey)
{
    survey->deadline_ns = DEADLINE_NEVER;
    survey->visit = 0;
    survey->stale = false;
    survey->count = 0;
    for (; awake != 0; awake &= awake - 1) {
        Capability *peer = capabilities.items[__builtin_ctzll(awake)];
        uint32_t offers = lookAtPeer(capability, peer, now_ns);
        if (offers & (OfferSurplus | OfferLone))
            survey->visit |= bitOf(peer);
        if (offers & OfferStale)
            surveyStale(capability, peer, now_ns, survey);
    }
}

/* Sleep for one tick.  Returns the peers whose pollables were readable. */
static uint64_t sleepTick(Capability *capability, int64_t until_ns, const Survey *survey,
                          uint32_t *fired)
{
    uint64_t ready = 0, readable = 0;
    EventManager *manager = &capability->manager;
    int64_t deadline_ns = until_ns < survey->deadline_ns ? until_ns : survey->deadline_ns;
    if (survey->count == 0) {
        *fired = eventManagerPoll(manager, deadline_ns, capability);
        return 0;
    }
    *fired = eventManagerPollOver(manager, deadline_ns, survey->pollables, survey->count, &ready,
                                  capability);
    for (; ready != 0; ready &= ready - 1)
        readable |= UINT64_C(1) << survey->peers[__builtin_ctzll(ready)];
    return readable;
}

static bool mayRestOn(Capability *capability)
{
    return SEQ_CST_LOAD(&capability->sleep) == IdleAsleep && !capabilityHasReady(capability);
}

/* Its own events have ended a sleep as the guard. */
static void noteNap(Capability *capability, int64_t slept_ns)
{
    if (slept_ns >= GUARD_TICK_NS)
        capability->naps /= 2;
    else if (capability->naps < NAPS_MOST)
        capability->naps++;
}

/* Sleep as the guard until there is something to do, here or at a peer: *visit.  False: no peer is
 * awake any more, it is not the guard now.  See Note [Idle guard]. */
static bool sleepAsGuard(Capability *capability, uint64_t *visit, uint64_t *readable)
{
    Survey survey;
    int64_t tick_ns = capability->naps < NAPS_RESTLESS ? GUARD_TICK_NS : GUARD_TICK_RESTLESS_NS;
    for (bool slept = false;; slept = true) {
        uint64_t awake = awakePeers(capability);
        if (awake == 0) {
            RELAXED_STORE(&idle.guard, 0);
            return false;
        }
        int64_t now_ns = clockRead(capability->manager.clock);
        surveyPeers(capability, awake, now_ns, &survey);
        *visit = survey.visit;
        if (slept && survey.visit != 0)
            return true;
        if (slept) {
            tick_ns = survey.stale ? GUARD_TICK_NS : tick_ns * 2;
            tick_ns = tick_ns < GUARD_TICK_MOST_NS ? tick_ns : GUARD_TICK_MOST_NS;
        }
        uint32_t fired = 0;
        *visit = *readable = sleepTick(capability, now_ns + tick_ns, &survey, &fired);
        if (fired != 0 && !slept)
            noteNap(capability, RELAXED_LOAD(&capability->manager.now_ns) - now_ns);
        if (fired != 0 || *readable != 0 || !mayRestOn(capability))
            return true;
        capability->naps = 0;
        COUNT(&capability->stats.guard_ticks, 1);
    }
}

/* ---- Sleeping. ---- */

static bool becomeGuard(const Capability *capability)
{
    uint32_t none = 0;
    return RELAXED_LOAD(&idle.guard) == 0 && awakePeers(capability) != 0 &&
           CAS_RELAXED(&idle.guard, &none, capability->index + 1);
}

/* The owner has polled and runs nothing, so those two are seen to. */
static inline IdleState rise(Idle *all, Capability *capability)
{
    IdleState was = sleepGetUp(all, &capability->sleep, capability->index);
    if (was != IdleAsleep)
        COUNT(&capability->stats.woken, 1);
    capabilityAttend(capability, AttentionPoll | AttentionSlice);
    capabilityReceive(capability);
    return was;
}

static IdleState getUp(Idle *all, Capability *capability)
{
    IdleState was = rise(all, capability);
    if (RELAXED_LOAD(&idle.guard) == capability->index + 1)
        RELAXED_STORE(&idle.guard, 0);
    monitorNote(); /* See Note [Monitor ticks] */
    return was;
}

void idleSleep(Capability *capability)
{
    uint64_t visit = 0, readable = 0;
    bool rest = idleLieDown(capability);
    /* While somebody searches, surplus is that one's business: it calls the next. */
    if (rest && !capabilityHasReady(capability) &&
        (SEQ_CST_LOAD(&idle.searching) != 0 || !peersHaveSurplus(capability))) {
        COUNT(&capability->stats.sleeps, 1);
        if (!becomeGuard(capability) || !sleepAsGuard(capability, &visit, &readable))
            eventManagerPoll(&capability->manager, DEADLINE_NEVER, capability);
    }
    IdleState was = getUp(&idle, capability);
    bool ready = capabilityHasReady(capability);
    if (was == IdleCalled) {
        ready = ready || visitPeers(capability, allBits() & ~bitOf(capability), readable);
        endSearch(capability, ready);
    } else if (visit != 0 && !ready) {
        visitPeers(capability, visit, readable);
    }
}

void idleServe(Capability *capability)
{
    bool rest = sleepLieDown(&idle_disabled, &capability->sleep, capability->index,
                             &capability->inbox, &capability->mode, CapabilityDisabled);
    if (rest && !capabilityHasReady(capability)) {
        COUNT(&capability->stats.sleeps, 1);
        eventManagerPoll(&capability->manager, DEADLINE_NEVER, capability);
    }
    getUp(&idle_disabled, capability);
}

/* ---- Alone: See Note [Recess]. ---- */

bool idleLieDown(Capability *capability)
{
    return sleepLieDown(&idle, &capability->sleep, capability->index, &capability->inbox,
                        &capability->mode, CapabilityEnabled);
}

void idleGetUp(Capability *capability)
{
    if (rise(&idle, capability) == IdleCalled)
        sleepSearchEnd(&idle);
}

void idleSleepAlone(Capability *capability, int64_t deadline_ns)
{
    if (idleLieDown(capability) && !capabilityHasReady(capability)) {
        COUNT(&capability->stats.sleeps, 1);
        eventManagerPoll(&capability->manager, deadline_ns, capability);
    }
    idleGetUp(capability);
}
