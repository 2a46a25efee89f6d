/* Hold.c -- outside parties that will still call in: rtsHold, rtsRelease.
 *
 * Owns    the count.
 * Before  rts/Deadlock.c: who is blocked for ever?   After  capability/Monitor.c, which asks again.
 * Tests   testsuite/unit/DeadlockTest.c
 */
#include "rts/Hold.h"

#include "capability/Monitor.h"
#include "internal/Assert.h"
#include "internal/SMP.h"
#include "rts/Startup.h"

#include <capri/rts.h>

static uint32_t holds; /* rtsHold minus rtsRelease, seq_cst */

void holdReset(void)
{
    RELAXED_STORE(&holds, 0);
}

bool holdIsHeld(void)
{
    return SEQ_CST_LOAD(&holds) != 0;
}

int rtsHold(void)
{
    int result = startupVisit();
    if (result != 0)
        return result;
    ADD_SEQ_CST(&holds, 1);
    startupVisitEnd();
    return 0;
}

void rtsRelease(void)
{
    uint32_t before = ADD_SEQ_CST(&holds, (uint32_t)-1);
    ASSERT_CMP(before, >, 0);
    if (before == 1)
        monitorNote();
}
