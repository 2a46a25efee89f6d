/* Wait.h -- one blocked thread, one claim word.
 *
 * Whatever may wake a waiter (event, timer, write, end of a thread, close, cancel) was given the
 * number of the wait and must win the claim; the winner's result is stored by the same CAS.
 *
 * Note [Claim states]   word = wait number << 20 | result (16 bits) << 4 | deaf (1) | state (3)
 *   from         on      to           by         order    meaning
 *   any          begin   n+1,Armed    waiter     relaxed  about to wait; sources get n+1 by a
 *                                                         release
 *   n,Armed      commit  n,Parked     scheduler  seq_cst  (C1) stack saved, off it: resumable
 *                                                         anywhere; then its interrupts are looked
 *                                                         at
 *   n,Armed      claim   n,Fired      source     acq_rel  (C2) came first: the waiter will not
 *                                                         park, or the commit fails and the
 *                                                         scheduler queues it
 *   n,Parked     claim   n,Fired      source     acq_rel  (C3) pairs with C1; the winner queues the
 *                                                         waiter
 *   n,Armed      end     n,Idle       waiter     relaxed  gave up before parking (ready already)
 *   any          list    n+1,Listed   waiter     seq_cst  about to wait for one list only, with no
 *                                                         deadline: See Note [Listed waits]
 *   n,Listed     settle  n,Fired      remover    relaxed  who took the node off the list; the queue
 *                                                         publishes it to the waiter
 *   n,Fired      claim   -            source     -        lost
 *   n,Listed     claim   -            source     -        lost
 *   m != n       claim   -            source     -        a later wait: lost
 * deaf: a Parked or Listed wait that no interrupt may claim (See Note [Interrupt words]).
 * Who finds Fired other than by claimFired loads the word again (acquire) before it looks at the
 * result. Invariant: of all claims for one number exactly one wins; a Parked waiter is queued
 * exactly once. A plain OS thread never commits: it sleeps on the word as a futex while it is
 * Armed, and the winner wakes the futex.
 */
#ifndef RTS_WAIT_H
#define RTS_WAIT_H

#include "internal/Assert.h"
#include "internal/SMP.h"

typedef enum ClaimState {
    ClaimIdle = 0,
    ClaimArmed = 1,
    ClaimParked = 2,
    ClaimFired = 3,
    ClaimListed = 4
} ClaimState;

typedef uint64_t Claim;

#define CLAIM_DEAF UINT64_C(8)

/* What claimTry found. */
typedef enum ClaimOutcome {
    ClaimLost,     /* somebody else won, or that wait is over */
    ClaimWonArmed, /* won; the waiter has not parked: nothing to queue */
    ClaimWonParked /* won; the caller must make the waiter ready */
} ClaimOutcome;

static inline ClaimState claimState(Claim word)
{
    return (ClaimState)(word & 7);
}

static inline uint64_t claimNumber(Claim word)
{
    return word >> 20;
}

static inline int claimResult(Claim word)
{
    return (int16_t)(uint16_t)(word >> 4);
}

static inline Claim claimWord(uint64_t number, int result, ClaimState state)
{
    return number << 20 | (uint64_t)(uint16_t)(int16_t)result << 4 | (uint64_t)state;
}

/* claimReset -- nobody waits (a descriptor gets a new thread); numbers go on. */
static inline void claimReset(Claim *claim)
{
    RELAXED_STORE(claim, claimWord(claimNumber(RELAXED_LOAD(claim)), 0, ClaimIdle));
}

/* claimBegin -- waiter: start the next wait; returns its number (> 0). */
static inline uint64_t claimBegin(Claim *claim)
{
    uint64_t number = claimNumber(RELAXED_LOAD(claim)) + 1;
    RELEASE_STORE(claim, claimWord(number, 0, ClaimArmed)); /* See Note [Describing] */
    return number;
}

/* claimCommit -- scheduler, off the waiter's stack; deaf: 0 or CLAIM_DEAF.  False: it has been
 * claimed, queue it. */
static inline bool claimCommit(Claim *claim, Claim deaf)
{
    Claim old = RELAXED_LOAD(claim);
    if (LIKELY(claimState(old) == ClaimArmed &&
               CAS_SEQ_CST(claim, &old, old + (ClaimParked - ClaimArmed) + deaf))) /* C1 */
        return true;
    ASSERT_CMP(claimState(old), ==, ClaimFired);
    return false;
}

/* claimTry -- a source: wake the waiter of wait `number` with `result` (0 or -E...). */
ClaimOutcome claimTry(Claim *claim, uint64_t number, int result);

/* claimEnd -- waiter: leave an Armed wait.  True: nobody had claimed it; false: it had been (its
 * result is claimResult of the word). */
bool claimEnd(Claim *claim);

/* claimList -- waiter: start a wait for one list only; deaf: as above.
 * claimSettle -- whoever took its node off that list: the wait is over. */
static inline void claimList(Claim *claim, Claim deaf)
{
    Claim next = claimWord(claimNumber(RELAXED_LOAD(claim)) + 1, 0, ClaimListed);
    SEQ_CST_STORE_AHEAD(claim, next | deaf); /* of W1, or of the queue's lock */
}

static inline void claimSettle(Claim *claim, int result)
{
    ASSERT_CMP(claimState(RELAXED_LOAD(claim)), ==, ClaimListed);
    RELAXED_STORE(claim, claimWord(claimNumber(RELAXED_LOAD(claim)), result, ClaimFired));
}

/* claimFired -- waiter: has it been claimed already? (acquire) */
static inline bool claimFired(Claim *claim)
{
    return claimState(ACQUIRE_LOAD(claim)) == ClaimFired;
}

#endif
