/* TimeoutWord.h -- the word of a timeout, which decides between cancel, update and fire; who may
 * change it.
 *
 * Note [Timeout word]
 *   63..27 generation, 26..3 version, bit 2 BUSY, bit 1 QUEUED, bit 0 ARMED.  The key has the
 *   generation; the heap knows a placement by the number (generation, version), which is never 0.
 *   from      on         to         by         order    meaning
 *   -         register   g+1,AQ     registrar  relaxed  out of the pool; then pushed (T1)
 *   -         register   g+1,A      home       relaxed  out of the pool; placed as (g+1,0)
 *   g,v,A     update     g,v,AB     updater    acquire  Q stays as it is; deadline written under B
 *   g,v,AB    updated    g,v+1,AQ   updater    release  pushed if Q was not set (T2)
 *   g,v,A     update     g,v+1,A    home       relaxed  then placed as number (g,v+1)
 *   g,v,A(Q)  cancel     g,v,(Q)    canceller  acquire  without Q: back to the pool at once
 *   g,v,A     cancel     g,v        home       relaxed  taken out of the heap; to the pool
 *   g,v,AQ    collect    g,v,A      gate       acq_rel  then placed as number (g,v) (T3)
 *   g,v,Q     collect    g,v        gate       acq_rel  cancelled in the inbox: to the pool
 *   g,v,Q     sweep      g,v        sweeper    acquire  likewise, out of the inbox by then; a load,
 *                                                       and a relaxed store: it is nobody else's
 *   g,v,A     fire(g,v)  g,v        gate       relaxed  then to the pool, then the callback
 *   Who meets B waits: it is held for one store.  fire(g,v) that meets Q, or another number, leaves
 *   it alone: a newer deadline is on its way.  Home is inside the gate in all of its rows, and goes
 *   the others' way if it meets B, or Q that collecting does not take away.
 *   Numbers come again: a version after 2^24 updates of one registration, a generation after 2^37
 *   registrations of one record.  A gate holder that has been off its core for all of that, between
 *   an entry and fire, would fire early; a key that is kept for so long would name a newer one.
 * Invariants: of cancel and fire one wins.  Only who has cleared A without Q, or Q without A, gives
 *   the record to the pool.  A live one with a deadline is in the inbox or placed, or the gate
 *   holder is between T3, or home's change, and placing it, after which a newer generation comes
 *   out of the inbox, or of a later stay inside the gate.
 *
 * Note [Timeout words at home]
 *   While nobody else changes words, home changes them by a load and a store; from then on by a
 *   compare-and-swap, as all do.  The others are asked to make themselves known before their first:
 *   words      from  to  by      when                                order    partner
 *   home_busy  0     1   home    before it looks at `words`          relaxed  (T8) membarrier
 *   home_busy  1     0   home    after its load and store            release  (T9) who waits
 *   words      0     1   others  before they change one              relaxed  (T10) home's look
 *   words      1     2   others  after a membarrier and home_busy 0  release  (T11) others' look
 *   The membarrier splits home's code: its home_busy = 1 is seen, and waited for, or its look at
 *   `words` comes later and sees 1.  It is never 0 again: once others cancel here they go on to,
 *   and a compare-and-swap is little beside their other costs.  Registering elsewhere is no
 *   reason: nobody else knows such a record.
 */
#ifndef IOMGR_TIMEOUT_WORD_H
#define IOMGR_TIMEOUT_WORD_H

#include "internal/Assert.h"
#include "internal/SMP.h"

#include <capri/timeout.h>

#define TIMEOUT_ARMED UINT64_C(1)
#define TIMEOUT_QUEUED UINT64_C(2)
#define TIMEOUT_BUSY UINT64_C(4)
#define TIMEOUT_NUMBER_SHIFT 3
#define TIMEOUT_GENERATION_SHIFT 27
#define TIMEOUT_VERSIONS (UINT64_C(1) << (TIMEOUT_GENERATION_SHIFT - TIMEOUT_NUMBER_SHIFT))
#define TIMEOUT_EPOCH_SHIFT 48 /* of a key's generation: See Note [Keys over a fork] */

/* TimeoutSharing.words */
enum { TIMEOUT_WORDS_HOME = 0, TIMEOUT_WORDS_ASKED = 1, TIMEOUT_WORDS_SHARED = 2 };

/* Who changes the words of a manager's timeouts. */
typedef struct TimeoutSharing {
    uint32_t words;                   /* anyone: see Note [Timeout words at home] */
    CACHE_ALIGNED uint32_t home_busy; /* home stores: likewise */
} TimeoutSharing;

static inline uint64_t timeoutWordGeneration(uint64_t word)
{
    return word >> TIMEOUT_GENERATION_SHIFT;
}

/* timeoutWordIsLive -- the timeout of that key is neither over nor another one's. */
static inline bool timeoutWordIsLive(uint64_t word, TimeoutKey key)
{
    const uint64_t mask = (UINT64_C(1) << TIMEOUT_EPOCH_SHIFT) - 1;
    return timeoutWordGeneration(word) == (key.generation & mask) && (word & TIMEOUT_ARMED) != 0;
}

/* timeoutWordRegister -- the first word of a record's next registration. */
static inline uint64_t timeoutWordRegister(uint64_t word)
{
    uint64_t next = (timeoutWordGeneration(word) + 1) << TIMEOUT_GENERATION_SHIFT;
    return (next != 0 ? next : UINT64_C(1) << TIMEOUT_GENERATION_SHIFT) | TIMEOUT_ARMED;
}

/* timeoutWordNext -- the next version of what a key names. */
static inline uint64_t timeoutWordNext(uint64_t word)
{
    uint64_t version = ((word >> TIMEOUT_NUMBER_SHIFT) + 1) % TIMEOUT_VERSIONS;
    return timeoutWordGeneration(word) << TIMEOUT_GENERATION_SHIFT |
           version << TIMEOUT_NUMBER_SHIFT | TIMEOUT_ARMED;
}

/* timeoutWordShare -- whoever is not home, before it changes a word: home expects that from now
 * on. */
void timeoutWordShareSlow(TimeoutSharing *sharing);

static inline void timeoutWordShare(TimeoutSharing *sharing)
{
    if (UNLIKELY(ACQUIRE_LOAD(&sharing->words) != TIMEOUT_WORDS_SHARED)) /* T11 */
        timeoutWordShareSlow(sharing);
}

/* timeoutWordAtHome -- home: *word becomes `next`.  False: it was another, which *seen is now. */
static inline bool timeoutWordAtHome(TimeoutSharing *sharing, uint64_t *word, uint64_t *seen,
                                     uint64_t next)
{
    RELAXED_STORE(&sharing->home_busy, 1); /* T8 */
    SMP_COMPILER_FENCE();
    if (UNLIKELY(RELAXED_LOAD(&sharing->words) != TIMEOUT_WORDS_HOME)) {
        RELAXED_STORE(&sharing->home_busy, 0);
        return CAS_RELAXED(word, seen, next);
    }
    uint64_t found = RELAXED_LOAD(word);
    bool same = found == *seen;
    if (LIKELY(same))
        RELAXED_STORE(word, next);
    RELEASE_STORE(&sharing->home_busy, 0); /* T9 */
    *seen = found;
    return same;
}

#endif
