/* TimerManager.c -- registerTimeout, updateTimeout, unregisterTimeout.
 *
 * Owns    TimerManager's fields and the Timeouts.
 * Before  any OS thread.
 * After   iomgr/TimerHeap.c, whose gate holders collect what was posted.
 * Tests   testsuite/unit/TimerManagerTest.c, testsuite/unit/TimeoutThreadsTest.c,
 *         testsuite/conformance/TimeoutConformance.c, testsuite/model/TimeoutModel.c
 *
 * See Note [Timeout word], Note [Timeout inbox] and Note [Timeout sleep].
 */
#include "iomgr/TimerManager.h"

#include "internal/Turn.h"
#include "iomgr/EventManager.h"
#include "iomgr/Memory.h"

#include <errno.h>

#define ARMED UINT64_C(1)
#define QUEUED UINT64_C(2)
#define BUSY UINT64_C(4)
#define NUMBER_SHIFT 3
#define GENERATION_SHIFT 19
#define VERSIONS (UINT64_C(1) << (GENERATION_SHIFT - NUMBER_SHIFT))
#define AWAKE INT64_MIN
#define STUCK_NS INT64_C(1000000) /* look again for memory */

enum {
    CHUNK = 64,      /* records allocated at once */
    SWEEP_LEAST = 64 /* cancelled ones in the inbox before somebody takes them out */
};

struct TimeoutChunk {
    TimeoutChunk *next; /* the pool's lock */
    Timeout records[CHUNK];
};

static uint64_t generationOf(uint64_t word)
{
    return word >> GENERATION_SHIFT;
}

/* ---- records ------------------------------------------------------------------------------- */

static void fireTimeout(Timer *timer, uint64_t number, void *sink);

static void giveRecord(Timeout *record)
{
    TimerManager *timeouts = &record->manager->timeouts;
    spinLock(&timeouts->lock);
    RELAXED_STORE(&record->next, timeouts->free);
    timeouts->free = record;
    spinUnlock(&timeouts->lock);
}

static Timeout *popRecord(TimerManager *timeouts)
{
    spinLock(&timeouts->lock);
    Timeout *record = timeouts->free;
    if (record != NULL)
        timeouts->free = RELAXED_LOAD(&record->next);
    spinUnlock(&timeouts->lock);
    return record;
}

void timerManagerGive(EventManager *manager, Timeout *records, uint32_t count)
{
    TimerManager *timeouts = &manager->timeouts;
    for (uint32_t i = 0; i < count; i++) {
        records[i].timer.fire = fireTimeout;
        records[i].manager = manager;
        records[i].next = &records[i + 1];
    }
    spinLock(&timeouts->lock);
    records[count - 1].next = timeouts->free;
    timeouts->free = &records[0];
    timeouts->records += count;
    spinUnlock(&timeouts->lock);
}

/* From the pool, or from a new chunk.  NULL: no memory. */
static Timeout *takeRecord(EventManager *manager)
{
    TimerManager *timeouts = &manager->timeouts;
    for (;;) {
        Timeout *record = popRecord(timeouts);
        if (record != NULL)
            return record;
        TimeoutChunk *chunk = memoryAllocateZeroed(manager->allocator, sizeof *chunk, CACHE_LINE);
        if (chunk == NULL)
            return NULL;
        spinLock(&timeouts->lock);
        chunk->next = timeouts->chunks;
        timeouts->chunks = chunk;
        spinUnlock(&timeouts->lock);
        timerManagerGive(manager, chunk->records, CHUNK);
    }
}

/* ---- posting ------------------------------------------------------------------------------- */

static void pushRecord(TimerManager *timeouts, Timeout *record)
{
    Timeout *first = RELAXED_LOAD(&timeouts->inbox);
    do
        RELAXED_STORE(&record->next, first);
    while (!CAS_SEQ_CST(&timeouts->inbox, &first, record)); /* T1, T2 */
}

static void lowerPosted(TimerHeap *heap, int64_t deadline_ns)
{
    int64_t posted_ns = RELAXED_LOAD(&heap->posted_ns);
    while (deadline_ns < posted_ns && !CAS_RELAXED(&heap->posted_ns, &posted_ns, deadline_ns))
        continue;
}

/* Something of that deadline is in the inbox. */
static void tellOwner(EventManager *manager, int64_t deadline_ns)
{
    TimerManager *timeouts = &manager->timeouts;
    lowerPosted(&manager->timers, deadline_ns);
    int64_t until_ns = SEQ_CST_LOAD(&timeouts->sleep_until_ns); /* T7 */
    while (deadline_ns < until_ns) {
        if (CAS_RELAXED(&timeouts->sleep_until_ns, &until_ns, AWAKE)) {
            eventManagerWake(manager);
            break;
        }
    }
}

/* QUEUED is set, and by us. */
static void postRecord(EventManager *manager, Timeout *record, int64_t deadline_ns)
{
    pushRecord(&manager->timeouts, record);
    tellOwner(manager, deadline_ns);
}

/* Take cancelled ones out of the inbox, except for the newest. */
static void sweepInbox(TimerManager *timeouts)
{
    Timeout *gone = NULL;
    uint32_t live = 0, dead = 0;
    spinLock(&timeouts->taking);
    Timeout *before = ACQUIRE_LOAD(&timeouts->inbox);
    Timeout *record = before == NULL ? NULL : RELAXED_LOAD(&before->next);
    while (record != NULL) {
        Timeout *next = RELAXED_LOAD(&record->next);
        if (RELAXED_LOAD(&record->word) & ARMED) {
            before = record;
            live++;
        } else {
            RELAXED_STORE(&before->next, next);
            RELAXED_STORE(&record->next, gone);
            gone = record;
            dead++;
        }
        record = next;
    }
    RELAXED_STORE(&timeouts->sweep_at, live > SWEEP_LEAST ? live : SWEEP_LEAST);
    spinUnlock(&timeouts->taking);
    ADD_RELAXED(&timeouts->dead, 0 - dead);
    while (gone != NULL) {
        record = gone;
        gone = RELAXED_LOAD(&record->next);
        RELAXED_STORE(&record->word, RELAXED_LOAD(&record->word) & ~QUEUED);
        giveRecord(record);
    }
}

/* ---- inside the gate ----------------------------------------------------------------------- */

/* No room in the heap: into the inbox again, unless it has been cancelled. */
static void postAgain(EventManager *manager, Timeout *record, uint64_t word, int64_t deadline_ns)
{
    RELAXED_STORE(&manager->timeouts.stuck, true);
    while (word & ARMED) { /* whoever sets QUEUED before us posts it */
        if ((word & QUEUED) != 0)
            return;
        if (CAS_RELAXED(&record->word, &word, word | QUEUED)) {
            pushRecord(&manager->timeouts, record);
            lowerPosted(&manager->timers, deadline_ns);
            return;
        }
    }
}

static void collectOne(EventManager *manager, Timeout *record)
{
    uint64_t word = AND_ACQ_REL(&record->word, ~QUEUED); /* T3 */
    if ((word & ARMED) == 0) {
        ADD_RELAXED(&manager->timeouts.dead, UINT32_MAX);
        giveRecord(record);
        return;
    }
    int64_t deadline_ns = RELAXED_LOAD(&record->deadline_ns);
    if (timerHeapPlace(&manager->timers, &record->timer, word >> NUMBER_SHIFT, deadline_ns) != 0)
        postAgain(manager, record, word & ~QUEUED, deadline_ns);
}

/* The heap's `collect`. */
static void collectPosted(TimerHeap *heap)
{
    EventManager *manager = (EventManager *)(void *)((char *)heap - offsetof(EventManager, timers));
    TimerManager *timeouts = &manager->timeouts;
    RELAXED_STORE(&timeouts->stuck, false);
    RELAXED_STORE(&heap->posted_ns, DEADLINE_NEVER);
    spinLock(&timeouts->taking);
    Timeout *record = XCHG_ACQ_REL(&timeouts->inbox, NULL); /* T4 */
    spinUnlock(&timeouts->taking);
    Timeout *oldest = NULL;
    while (record != NULL) {
        Timeout *next = RELAXED_LOAD(&record->next);
        RELAXED_STORE(&record->next, oldest);
        oldest = record;
        record = next;
    }
    while (oldest != NULL) {
        record = oldest;
        oldest = RELAXED_LOAD(&record->next); /* before it is given to anybody */
        collectOne(manager, record);
    }
}

/* TimerFire, outside the gate. */
static void fireTimeout(Timer *timer, uint64_t number, void *sink)
{
    Timeout *record = (Timeout *)(void *)((char *)timer - offsetof(Timeout, timer));
    uint64_t word = RELAXED_LOAD(&record->word); /* the gate has acquired the registration */
    int spins = 0;
    (void)sink;
    for (;;) {
        if (word >> NUMBER_SHIFT != number || (word & (ARMED | QUEUED)) != ARMED)
            return;
        if (word & BUSY) {
            turnWait(&spins);
            word = RELAXED_LOAD(&record->word);
        } else if (CAS_RELAXED(&record->word, &word, word & ~ARMED)) {
            break;
        }
    }
    EventManager *manager = record->manager;
    TimeoutCallback *callback = record->callback;
    void *env = record->env;
    TimeoutKey key = {record, generationOf(word)};
    giveRecord(record);
    if (callback(manager, key, env) < 0)
        ADD_RELAXED(&manager->timeouts.failed, 1);
}

/* ---- sleeping ------------------------------------------------------------------------------ */

int64_t timerManagerRest(EventManager *manager, int64_t until_ns, int64_t timeout_ns)
{
    TimerManager *timeouts = &manager->timeouts;
    SEQ_CST_STORE(&timeouts->sleep_until_ns, until_ns); /* T5 */
    if (LIKELY(SEQ_CST_LOAD(&timeouts->inbox) == NULL)) /* T6 */
        return timeout_ns;
    timerManagerRise(manager);
    RELAXED_STORE(&manager->timers.posted_ns, 0); /* its poster may not have come to it yet */
    return RELAXED_LOAD(&timeouts->stuck) ? STUCK_NS : 0;
}

void timerManagerRise(EventManager *manager)
{
    RELAXED_STORE(&manager->timeouts.sleep_until_ns, AWAKE);
}

/* ---- what anyone calls --------------------------------------------------------------------- */

int registerTimeout(EventManager *manager, int64_t delay_us, TimeoutCallback *callback, void *env,
                    TimeoutKey *key)
{
    TimeoutKey dead = {NULL, 0};
    if (manager == NULL || callback == NULL)
        return -EINVAL;
    if (eventManagerIsInherited(manager))
        return -ENOTRECOVERABLE;
    if (delay_us <= 0) {
        if (key != NULL)
            *key = dead;
        if (callback(manager, dead, env) < 0)
            ADD_RELAXED(&manager->timeouts.failed, 1);
        return 0;
    }
    Timeout *record = takeRecord(manager);
    if (record == NULL)
        return -ENOMEM;
    int64_t deadline_ns = clockDeadline(manager->clock, delay_us);
    uint64_t generation = generationOf(RELAXED_LOAD(&record->word)) + 1;
    uint64_t queued = deadline_ns == DEADLINE_NEVER ? 0 : QUEUED;
    if (key != NULL)
        *key = (TimeoutKey){record, generation};
    record->callback = callback;
    record->env = env;
    RELAXED_STORE(&record->deadline_ns, deadline_ns);
    RELAXED_STORE(&record->word, generation << GENERATION_SHIFT | ARMED | queued);
    if (queued != 0)
        postRecord(manager, record, deadline_ns);
    return 0;
}

/* The record that a key names; NULL: a dead key.  False: not this manager's. */
static bool findRecord(EventManager *manager, TimeoutKey key, Timeout **record)
{
    *record = key.record;
    return manager != NULL && (*record == NULL || (*record)->manager == manager);
}

/* Change the word of key's timeout: clear `clear`, set `set`.  False: it is over. */
static bool changeWord(Timeout *record, TimeoutKey key, uint64_t clear, uint64_t set,
                       uint64_t *word)
{
    int spins = 0;
    *word = RELAXED_LOAD(&record->word);
    for (;;) {
        if (generationOf(*word) != key.generation || (*word & ARMED) == 0)
            return false;
        if (*word & BUSY) {
            turnWait(&spins);
            *word = RELAXED_LOAD(&record->word);
        } else if (CAS_ACQUIRE(&record->word, word, (*word & ~clear) | set)) {
            return true;
        }
    }
}

int updateTimeout(EventManager *manager, TimeoutKey key, int64_t delay_us)
{
    Timeout *record;
    uint64_t word, next;
    if (!findRecord(manager, key, &record))
        return -EINVAL;
    if (eventManagerIsInherited(manager))
        return -ENOTRECOVERABLE;
    if (record == NULL)
        return 0;
    int64_t deadline_ns = clockDeadline(manager->clock, delay_us);
    if (!changeWord(record, key, 0, BUSY, &word))
        return 0;
    RELAXED_STORE(&record->deadline_ns, deadline_ns);
    word |= BUSY;
    do { /* only the gate's holder changes it meanwhile, who clears QUEUED */
        uint64_t version = ((word >> NUMBER_SHIFT) + 1) % VERSIONS;
        next = generationOf(word) << GENERATION_SHIFT | version << NUMBER_SHIFT | ARMED | QUEUED;
    } while (!CAS_RELEASE(&record->word, &word, next));
    if ((word & QUEUED) == 0)
        postRecord(manager, record, deadline_ns);
    else
        tellOwner(manager, deadline_ns);
    return 1;
}

int unregisterTimeout(EventManager *manager, TimeoutKey key)
{
    Timeout *record;
    uint64_t word;
    if (!findRecord(manager, key, &record))
        return -EINVAL;
    if (record == NULL || !changeWord(record, key, ARMED, 0, &word))
        return 0;
    if ((word & QUEUED) == 0) {
        timerHeapDisarm(NULL, &record->timer);
        giveRecord(record);
        return 1;
    }
    TimerManager *timeouts = &manager->timeouts;
    if (ADD_RELAXED(&timeouts->dead, 1) + 1 >= RELAXED_LOAD(&timeouts->sweep_at))
        sweepInbox(timeouts);
    return 1;
}

/* ---- life cycle ---------------------------------------------------------------------------- */

void timerManagerOpen(EventManager *manager)
{
    TimerManager *timeouts = &manager->timeouts;
    memset(timeouts, 0, sizeof *timeouts);
    timeouts->lock = timeouts->taking = (SpinLock)SPIN_LOCK_INIT;
    timeouts->sleep_until_ns = AWAKE;
    timeouts->sweep_at = SWEEP_LEAST;
    manager->timers.collect = collectPosted;
}

void timerManagerClose(EventManager *manager)
{
    TimeoutChunk *chunk = manager->timeouts.chunks;
    manager->timeouts.chunks = NULL;
    while (chunk != NULL) {
        TimeoutChunk *next = chunk->next;
        memoryRelease(manager->allocator, chunk, sizeof *chunk, CACHE_LINE);
        chunk = next;
    }
}
