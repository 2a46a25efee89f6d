/* Serial.c -- the commit token.
 *
 * Owns    the token and who waits for it.
 * Before  rts/stm/STM.c: a transaction has been spoilt too often.   After  rts/Park.c.
 * Tests   testsuite/unit/SerialTest.c
 *
 * See Note [Serial mode].
 */
#include "rts/stm/Serial.h"

#include "rts/Park.h"
#include "rts/stm/TVar.h"

#include "internal/Turn.h"

uint32_t serial_held;
static TVar waiting; /* its list: threadDescribe names a variable */

static bool isFree(void *env)
{
    (void)env;
    return SEQ_CST_LOAD(&serial_held) == 0;
}

void serialAwait(void)
{
    int spins = 0;
    Thread *self = scheduleSelf();
    MaskingState before = MaskedUninterruptible;
    if (self != NULL)
        before = interruptMask(self, MaskedUninterruptible);
    while (RELAXED_LOAD(&serial_held) != 0) {
        /* In a step nobody gives the core up; nor is there a wait that lasts in a shutdown. */
        if (scheduleInStep(scheduleHere()) || parkOnList(&waiting.watchers, 0, isFree, NULL,
                                                         ThreadBlockedOnTVar, DEADLINE_NEVER) != 0)
            turnWait(&spins);
    }
    if (self != NULL)
        interruptMask(self, before);
}

void serialTake(void)
{
    uint32_t nobody = 0;
    while (!CAS_ACQUIRE(&serial_held, &nobody, 1)) {
        serialAwait();
        nobody = 0;
    }
}

void serialGive(void)
{
    ASSERT(RELAXED_LOAD(&serial_held) == 1);
    SEQ_CST_STORE(&serial_held, 0);
    watchListFire(watchListTake(&waiting.watchers, 0), 0, scheduleHere());
}

void serialReset(void)
{
    RELAXED_STORE(&serial_held, 0);
    RELAXED_STORE(&waiting.watchers, 0);
}
