/* Capability.h -- the right to run: one core's run queue, inbox and event manager.
 *
 * Note [Pinned runnables]
 *   Whatever is in the run queue may be stolen, so a runnable that may run only here never gets
 *   there: it has a list of its own (`pinned`, first in first out), which only the owner touches.
 *   The scheduler takes its next runnable by capabilityPopOld or capabilityPopYoung, never from
 *   the run queue itself. popOld alternates between the two while both hold something, so neither
 *   starves the other.
 *
 * Note [Capability modes]
 *   on       bit       by                  what the owner does when it sees it, at its next switch
 *   disable  Disabled  capabilitySetCount  moves everything ready to enabled ones, then sleeps over
 *                                          its own manager and moves what that makes ready
 *   halt     Halted    fork, rtsPause      queues what it runs, tells, waits for the bit to go; a
 *                                          sleeper may sleep on: See Note [Standing]
 *   stop     Stopped   shutdown            leaves its loop
 *   fork     Alone     the child           starts the other workers, clears the bit
 *   Changes are made one at a time (the world's lock), seq_cst, and followed by idleWakeFor: an
 *   owner about to sleep looks at its mode after it has said so (I1, See Note [Idle states]), hence
 *   is woken or does not sleep.  A running owner is told by Scheduler.look_at = 0 and by
 *   AttentionSlice; both are hints: what they miss is seen at the next look at the clock.
 */
#ifndef CAPABILITY_CAPABILITY_H
#define CAPABILITY_CAPABILITY_H

#include "capability/Inbox.h"
#include "capability/RunQueue.h"
#include "iomgr/EventManager.h"

enum {
    CAPABILITY_MOST = 64, /* one bit each in Idle.sleeping */
    UPPER_WORDS = 184
};

/* Room for the upper floor's share of a capability: zero at first, kept over a fork. */
typedef struct UpperShare {
    uint64_t words[UPPER_WORDS];
} UpperShare;

/* Capability.mode, See Note [Capability modes].  0: it runs what is ready. */
enum {
    CapabilityEnabled = 0,
    CapabilityDisabled = 1, /* runs nothing: hands on what is ready, serves what waits here */
    CapabilityHalted = 2,   /* its OS thread stands still between two runnables */
    CapabilityStopped = 4,  /* its OS thread leaves the loop */
    CapabilityAlone = 8     /* a fork's child has nothing but this one: bring the others back */
};

/* Bits of Capability.attention: what the running thread should see to at its next safepoint. */
enum {
    AttentionPoll = 1,  /* a poll is due */
    AttentionSlice = 2, /* the time slice is over and others wait */
    AttentionStop = 4   /* the runtime shuts down */
};

typedef struct CapabilityStats {
    uint64_t switches;    /* threads resumed */
    uint64_t stolen;      /* runnables taken from peers */
    uint64_t searches;    /* idleSearch calls */
    uint64_t sleeps;      /* idleSleep calls that lay down */
    uint64_t woken;       /* times a peer's Wakeup ended the sleep */
    uint64_t wakes_sent;  /* anyone (relaxed add): Wakeups sent to this one */
    uint64_t rescued;     /* events and timers taken for stale peers */
    uint64_t guard_ticks; /* guard sleeps that timed out */
    uint64_t upper[8];    /* the upper floor's own counters */
} CapabilityStats;

/* What a searcher remembers of a peer. */
typedef struct PeerView {
    uint64_t switches;
    uint32_t polls;
    uint32_t muted_at;   /* poll count at which its pollable was readable for nothing */
    int64_t switched_ns; /* when `switches` was last seen to move */
    int64_t polled_ns;   /* likewise `polls` */
    bool muted;          /* muted_at counts; See Note [Idle guard] */
} PeerView;

struct Capability {
    uint32_t index;          /* constant */
    uint32_t mode;           /* the table's lock stores (seq_cst), the worker's loop looks */
    void *current;           /* owner: what runs now, or NULL; others may look (relaxed) */
    struct Worker *carrier;  /* a worker that begins to carry it (release), anyone looks: NULL
                                before the first; See Note [Carriers] */
    uint64_t swap_until;     /* owner: at this count of switches a yield has more to see to than the
                                run queue; 0 while anything is pinned here (others: 0, relaxed) */
    uint64_t random;         /* owner: seed of victim choice */
    uint32_t spin_ns;        /* owner: present spin budget of idleSearch */
    uint32_t pinned;         /* owner changes, others look (relaxed): length of that list */
    Runnable *pinned_oldest; /* owner; See Note [Pinned runnables] */
    Runnable *pinned_newest; /* owner */
    CACHE_ALIGNED UpperShare upper;
    CACHE_ALIGNED RunQueue queue;
    CACHE_ALIGNED Inbox inbox;
    CACHE_ALIGNED uint32_t sleep;        /* IdleState, see Note [Idle states] in Sleep.h */
    CACHE_ALIGNED uint32_t attention;    /* bits: others set (fetch-or), the owner clears */
    CACHE_ALIGNED CapabilityStats stats; /* owner counts (COUNT), others read */
    EventManager manager;
    PeerView peers[CAPABILITY_MOST]; /* owner */
    Capability *next_offered;        /* under the spares' lock: See Note [Spares] */
    uint32_t naps;                   /* owner: short sleeps as the guard: See Note [Idle guard] */
    bool leaves;                     /* owner: what runs leaves to the loop: a bound worker carries
                                        it, for one runnable only, or a step is over */
    bool pinned_turn;                /* owner: whose turn it is in capabilityPopOld */
};

/* capabilityInit -- make it ready; its manager is opened.  0 or -E... */
int capabilityInit(Capability *capability, uint32_t index, const Backend *backend,
                   const Clock *clock, const Allocator *allocator);
void capabilityFree(Capability *capability);

/* capabilitySurvive -- child of a fork, on what alone is left: capability 0 now, nothing ready, a
 * fresh manager; what was inherited is closed.  0 or -E... (then there is no manager). */
int capabilitySurvive(Capability *capability);

/* capabilityPush -- owner: a runnable became ready here. */
static inline void capabilityPush(Capability *capability, Runnable *runnable)
{
    runQueuePush(&capability->queue, runnable);
}

/* capabilityPushPinned -- owner: likewise one that may run only here. */
void capabilityPushPinned(Capability *capability, Runnable *runnable);

/* The two that see pinned runnables first or in turn; only for capabilityPopOld and -Young. */
Runnable *capabilityPopPinnedTurn(Capability *capability);
Runnable *capabilityPopPinned(Capability *capability);

/* capabilityPopOld -- owner: what is to run next in the order of arrival, or NULL. */
static inline Runnable *capabilityPopOld(Capability *capability)
{
    if (UNLIKELY(RELAXED_LOAD(&capability->pinned) != 0))
        return capabilityPopPinnedTurn(capability);
    return runQueuePopOld(&capability->queue);
}

/* capabilityPopYoung -- owner: what became ready last (pinned ones: first), or NULL. */
static inline Runnable *capabilityPopYoung(Capability *capability)
{
    Runnable *runnable = runQueuePopYoung(&capability->queue);
    return LIKELY(runnable != NULL) ? runnable : capabilityPopPinned(capability);
}

/* capabilityIsCalledOff -- owner: should it come to its loop, whatever is ready?  (A hint: relaxed.
 * Stopping is no reason: whoever stops has seen that nothing lives.) */
static inline bool capabilityIsCalledOff(const Capability *capability)
{
    return (RELAXED_LOAD(&capability->mode) & ~(uint32_t)CapabilityStopped) != 0 ||
           capability->leaves;
}

/* capabilityHasMail -- owner: is anything in the inbox?  capabilityMail -- not 0: there is. */
static inline uintptr_t capabilityMail(const Capability *capability)
{
    return (uintptr_t)RELAXED_LOAD(&capability->inbox.pinned) |
           (uintptr_t)RELAXED_LOAD(&capability->inbox.open);
}

static inline bool capabilityHasMail(const Capability *capability)
{
    return capabilityMail(capability) != 0;
}

/* capabilityHasReady -- is anything ready here, not counting the inbox?  Exact for the owner. */
static inline bool capabilityHasReady(Capability *capability)
{
    return runQueueLength(&capability->queue) != 0 || RELAXED_LOAD(&capability->pinned) != 0;
}

/* capabilitySend -- anyone: hand a runnable to this capability and wake it if it sleeps. */
void capabilitySend(Capability *capability, Runnable *runnable, bool pinned);

/* capabilityReceive -- owner: move the inbox into the run queue (open ones) and the pinned list.
 * True: something came. */
bool capabilityReceive(Capability *capability);

/* capabilityAttend -- owner: which of `bits` were set in attention; they are cleared. */
static inline uint32_t capabilityAttend(Capability *capability, uint32_t bits)
{
    if (LIKELY((RELAXED_LOAD(&capability->attention) & bits) == 0))
        return 0;
    return AND_SEQ_CST(&capability->attention, ~bits) & bits;
}

#endif
