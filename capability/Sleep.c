/* Sleep.c -- lying down and being woken: the words of the sleep/wake protocol and their moves.
 *
 * Owns    Capability.sleep; Idle.sleeping and Idle.searching.
 * Before  capability/Idle.c: nothing was found.   After  iomgr/EventManager.c: the poll that waits.
 * Tests   testsuite/unit/SleepTest.c, testsuite/model/SleepModel.c (every interleaving)
 *
 * See Note [Idle states] and Note [StoreLoad].
 */
#include "capability/Sleep.h"

#include "internal/Assert.h"

bool sleepLieDown(Idle *all, uint32_t *state, uint32_t index, Inbox *inbox, uint32_t *mode,
                  uint32_t expected)
{
    ASSERT_CMP(RELAXED_LOAD(state), ==, IdleAwake);
    SEQ_CST_STORE(state, IdleAsleep); /* I1 */
    OR_SEQ_CST(&all->sleeping, UINT64_C(1) << index);
    return inboxIsEmpty(inbox) && SEQ_CST_LOAD(mode) == expected;
}

IdleState sleepGetUp(Idle *all, uint32_t *state, uint32_t index)
{
    IdleState was = (IdleState)XCHG_SEQ_CST(state, IdleAwake); /* I3 */
    ASSERT(was != IdleAwake);
    AND_SEQ_CST(&all->sleeping, ~(UINT64_C(1) << index));
    return was;
}

bool sleepNotify(uint32_t *state, IdleState as)
{
    uint32_t old = SEQ_CST_LOAD(state);
    return old == IdleAsleep && CAS_SEQ_CST(state, &old, (uint32_t)as); /* I2 */
}

bool sleepSearchBegin(Idle *all, uint32_t most)
{
    uint32_t searching = RELAXED_LOAD(&all->searching);
    do {
        if (searching >= most)
            return false;
    } while (!CAS_SEQ_CST(&all->searching, &searching, searching + 1));
    return true;
}

bool sleepSearchEnd(Idle *all)
{
    uint32_t old = ADD_SEQ_CST(&all->searching, UINT32_MAX);
    ASSERT(old != 0);
    return old == 1;
}
