/* Timeout.c -- registerTimeout, updateTimeout, unregisterTimeout: at home, and from anywhere.
 *
 * Owns    nothing: TimerManager's rows of home and of the others.
 * Before  any OS thread.
 * After   at home iomgr/TimerHeap.c, else iomgr/TimerManager.c: the inbox.
 * Tests   testsuite/unit/TimerManagerTest.c, testsuite/unit/TimeoutHomeTest.c,
 *         testsuite/unit/TimeoutThreadsTest.c, testsuite/unit/TimeoutRacesTest.c,
 *         testsuite/conformance/TimeoutConformance.c,
 *         testsuite/model/TimeoutModel.c, testsuite/model/TimeoutHomeModel.c
 *
 * See Note [Timeout word], Note [Timeout home] and Note [Timeout words at home].
 *
 * Note [Keys over a fork]
 *   In a fork's child the managers of capabilities begin anew, with nothing registered, and the
 *   records that the parent's keys point to are gone.  So a key bears, above bit 48, how many forks
 *   away from the first process its manager was made (FdKey.unique, too): another number than the
 *   manager's own means -ESRCH before anything is looked at.  A standalone manager is the process's
 *   that made it: See Note [Inherited managers].
 */
#include "iomgr/EventManager.h"

#include "internal/Turn.h"

#include <errno.h>

#define ARMED TIMEOUT_ARMED
#define QUEUED TIMEOUT_QUEUED
#define BUSY TIMEOUT_BUSY
#define NUMBER_SHIFT TIMEOUT_NUMBER_SHIFT

/* ---- at home: See Note [Timeout home] -------------------------------------------------------- */

enum { ELSEWHERE = 2 }; /* home cannot: as the others do it */

/* True: the caller is home, and inside the gate. */
static inline bool comeHome(EventManager *manager, GateWay *way)
{
    if (!eventManagerIsHome(manager))
        return false;
    *way = ownerGateEnter(&manager->timers.gate);
    if (LIKELY(manager->owns != NULL || eventManagerIsHome(manager)))
        return true;
    ownerGateLeave(&manager->timers.gate, *way);
    return false;
}

static inline void leaveHome(EventManager *manager, GateWay way)
{
    ownerGateLeave(&manager->timers.gate, way);
}

/* What was posted before is registered before.  See Note [Timeout inbox]. */
static inline void letInFirst(EventManager *manager)
{
    if (UNLIKELY(RELAXED_LOAD(&manager->timeouts.inbox) != NULL))
        timerManagerCollect(manager);
}

/* It is to be told of, if it sleeps: a manager that is lent. */
static inline void tellLent(EventManager *manager, int64_t deadline_ns)
{
    if (UNLIKELY(deadline_ns < RELAXED_LOAD(&manager->timeouts.sleep_until_ns)))
        timerManagerTell(manager, deadline_ns);
}

/* What a registration is about. */
typedef struct Order {
    int64_t deadline_ns;
    TimeoutCallback *callback;
    void *env;
    TimeoutKey *key; /* or NULL */
} Order;

/* A record out of the pool gets its next generation. */
static inline uint64_t fillRecord(TimerManager *timeouts, Timeout *record, const Order *order,
                                  uint64_t queued)
{
    uint64_t word = timeoutWordRegister(RELAXED_LOAD(&record->word)) | queued;
    if (order->key != NULL)
        *order->key = timerManagerKey(timeouts, record, word);
    record->callback = order->callback;
    record->env = order->env;
    return word;
}

/* Inside the gate.  0, -ENOMEM, or ELSEWHERE: there is no record left. */
static inline int placeAtHome(EventManager *manager, const Order *order)
{
    TimerManager *timeouts = &manager->timeouts;
    Timeout *record = timeoutPoolTakeHome(&timeouts->pool);
    if (UNLIKELY(record == NULL))
        return ELSEWHERE;
    letInFirst(manager);
    uint64_t word = fillRecord(timeouts, record, order, 0);
    RELAXED_STORE(&record->word, word);
    int result =
        timerHeapPlace(&manager->timers, &record->timer, word >> NUMBER_SHIFT, order->deadline_ns);
    if (UNLIKELY(result != 0)) {
        RELAXED_STORE(&record->word, word & ~ARMED);
        timeoutPoolGiveHome(&timeouts->pool, record);
    }
    return result;
}

/* Inside the gate.  1: done; 0: it is over; ELSEWHERE. */
static inline int moveAtHome(EventManager *manager, TimeoutKey key, int64_t deadline_ns)
{
    Timeout *record = key.record;
    uint64_t word, next;
    letInFirst(manager);
    word = RELAXED_LOAD(&record->word);
    do {
        if (!timeoutWordIsLive(word, key))
            return 0;
        if (UNLIKELY((word & (QUEUED | BUSY)) != 0))
            return ELSEWHERE;
        next = timeoutWordNext(word);
    } while (!timeoutWordAtHome(&manager->timeouts.sharing, &record->word, &word, next));
    if (UNLIKELY(timerHeapPlace(&manager->timers, &record->timer, next >> NUMBER_SHIFT,
                                deadline_ns) != 0)) {
        timerManagerPostMoved(manager, record, next, deadline_ns);
    }
    return 1;
}

static inline int cancelAtHome(EventManager *manager, TimeoutKey key)
{
    TimerManager *timeouts = &manager->timeouts;
    Timeout *record = key.record;
    uint64_t word = RELAXED_LOAD(&record->word);
    if (UNLIKELY(timeoutWordIsLive(word, key) && (word & QUEUED) != 0)) {
        timerManagerCollect(manager);
        word = RELAXED_LOAD(&record->word);
    }
    do {
        if (!timeoutWordIsLive(word, key))
            return 0;
        if (UNLIKELY((word & (QUEUED | BUSY)) != 0))
            return ELSEWHERE;
    } while (!timeoutWordAtHome(&timeouts->sharing, &record->word, &word, word & ~ARMED));
    timerHeapLift(&manager->timers, &record->timer);
    timeoutPoolGiveHome(&timeouts->pool, record);
    return 1;
}

/* ---- what anyone calls ----------------------------------------------------------------------- */

/* 0, -ENOMEM. */
static int postOrder(EventManager *manager, const Order *order)
{
    TimerManager *timeouts = &manager->timeouts;
    Timeout *record;
    while ((record = timeoutPoolTake(&timeouts->pool)) == NULL) {
        if (timerManagerGrow(manager) < 0)
            return -ENOMEM;
    }
    uint64_t queued = order->deadline_ns == DEADLINE_NEVER ? 0 : QUEUED;
    uint64_t word = fillRecord(timeouts, record, order, queued);
    RELAXED_STORE(&record->deadline_ns, order->deadline_ns);
    RELAXED_STORE(&record->word, word);
    if (queued != 0)
        timerManagerPost(manager, record, order->deadline_ns);
    return 0;
}

static inline int addTimeout(EventManager *manager, const Order *order)
{
    GateWay way;
    while (LIKELY(comeHome(manager, &way))) {
        int result = placeAtHome(manager, order);
        leaveHome(manager, way);
        if (LIKELY(result == 0))
            tellLent(manager, order->deadline_ns);
        if (LIKELY(result != ELSEWHERE))
            return result;
        if (timerManagerGrow(manager) < 0)
            return -ENOMEM;
    }
    return postOrder(manager, order);
}

static inline int checkRegistration(const EventManager *manager, TimeoutCallback *callback)
{
    if (manager == NULL || callback == NULL)
        return -EINVAL;
    return UNLIKELY(eventManagerIsInherited(manager)) ? -ENOTRECOVERABLE : 0;
}

int registerTimeout(EventManager *manager, int64_t delay_us, TimeoutCallback *callback, void *env,
                    TimeoutKey *key)
{
    TimeoutKey dead = {NULL, 0};
    int result = checkRegistration(manager, callback);
    if (result < 0)
        return result;
    if (delay_us <= 0) {
        if (key != NULL)
            *key = dead;
        if (callback(manager, dead, env) < 0)
            ADD_RELAXED(&manager->timeouts.failed, 1);
        return 0;
    }
    Order order = {clockDeadline(manager->clock, delay_us), callback, env, key};
    return addTimeout(manager, &order);
}

int timeoutRegisterAt(EventManager *manager, int64_t deadline_ns, TimeoutCallback *callback,
                      void *env, TimeoutKey *key)
{
    int result = checkRegistration(manager, callback);
    if (result < 0)
        return result;
    Order order = {deadline_ns < 0 ? 0 : deadline_ns, callback, env, key};
    return addTimeout(manager, &order);
}

/* 1: go on; else the answer. */
static inline int checkKey(const EventManager *manager, TimeoutKey key)
{
    const Timeout *record = key.record;
    if (manager == NULL)
        return -EINVAL;
    if (UNLIKELY(eventManagerIsInherited(manager)))
        return -ENOTRECOVERABLE;
    if (record == NULL)
        return 0;
    if (UNLIKELY((key.generation ^ manager->timeouts.epoch) >> TIMEOUT_EPOCH_SHIFT != 0))
        return -ESRCH; /* See Note [Keys over a fork] */
    return record->manager == manager ? 1 : -EINVAL;
}

/* Not home: change the word of key's timeout: clear `clear`, set `set`.  False: it is over. */
static bool changeWord(TimerManager *timeouts, TimeoutKey key, uint64_t clear, uint64_t set,
                       uint64_t *word)
{
    Timeout *record = key.record;
    int spins = 0;
    timeoutWordShare(&timeouts->sharing);
    *word = RELAXED_LOAD(&record->word);
    for (;;) {
        if (!timeoutWordIsLive(*word, key))
            return false;
        if (*word & BUSY) {
            turnWait(&spins);
            *word = RELAXED_LOAD(&record->word);
        } else if (CAS_ACQUIRE(&record->word, word, (*word & ~clear) | set)) {
            return true;
        }
    }
}

static int postUpdate(EventManager *manager, TimeoutKey key, int64_t deadline_ns)
{
    Timeout *record = key.record;
    uint64_t word, next;
    if (!changeWord(&manager->timeouts, key, 0, BUSY, &word))
        return 0;
    SEQ_CST_STORE(&record->deadline_ns, deadline_ns); /* T12 */
    word |= BUSY;
    do /* only the gate's holder changes it meanwhile, who clears QUEUED */
        next = timeoutWordNext(word) | QUEUED;
    while (!CAS_RELEASE(&record->word, &word, next));
    if ((word & QUEUED) == 0)
        timerManagerPost(manager, record, deadline_ns);
    else
        timerManagerTell(manager, deadline_ns);
    return 1;
}

static inline int moveTimeout(EventManager *manager, TimeoutKey key, int64_t deadline_ns)
{
    GateWay way;
    if (LIKELY(comeHome(manager, &way))) {
        int result = moveAtHome(manager, key, deadline_ns);
        leaveHome(manager, way);
        if (LIKELY(result == 1))
            tellLent(manager, deadline_ns);
        if (LIKELY(result != ELSEWHERE))
            return result;
    }
    return postUpdate(manager, key, deadline_ns);
}

int updateTimeout(EventManager *manager, TimeoutKey key, int64_t delay_us)
{
    int result = checkKey(manager, key);
    return result == 1 ? moveTimeout(manager, key, clockDeadline(manager->clock, delay_us))
                       : result;
}

int timeoutUpdateAt(EventManager *manager, TimeoutKey key, int64_t deadline_ns)
{
    int result = checkKey(manager, key);
    return result == 1 ? moveTimeout(manager, key, deadline_ns < 0 ? 0 : deadline_ns) : result;
}

static int cancelElsewhere(EventManager *manager, TimeoutKey key)
{
    TimerManager *timeouts = &manager->timeouts;
    Timeout *record = key.record;
    uint64_t word;
    if (!changeWord(timeouts, key, ARMED, 0, &word))
        return 0;
    if ((word & QUEUED) == 0) {
        timerHeapDisarm(NULL, &record->timer);
        timeoutPoolGive(&timeouts->pool, record);
        return 1;
    }
    if (ADD_RELAXED(&timeouts->dead, 1) + 1 >= RELAXED_LOAD(&timeouts->sweep_at))
        timerManagerSweep(manager);
    return 1;
}

int unregisterTimeout(EventManager *manager, TimeoutKey key)
{
    GateWay way;
    int result = checkKey(manager, key);
    if (UNLIKELY(result != 1))
        return result;
    if (LIKELY(comeHome(manager, &way))) {
        result = cancelAtHome(manager, key);
        leaveHome(manager, way);
        if (LIKELY(result != ELSEWHERE))
            return result;
    }
    return cancelElsewhere(manager, key);
}
