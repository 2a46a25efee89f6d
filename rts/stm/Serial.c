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

int serialAwait(int64_t deadline_ns)
{
    int spins = 0;
    while (RELAXED_LOAD(&serial_held) != 0) {
        if (scheduleInStep(scheduleHere())) { /* nobody gives the core up who holds it */
            turnWait(&spins);
            continue;
        }
        int result =
            parkOnList(&waiting.watchers, 0, isFree, NULL, ThreadBlockedOnTVar, deadline_ns);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Who returns no result that would tell of an interrupt. */
void serialStandAside(void)
{
    Thread *self = scheduleSelf();
    MaskingState before = MaskedUninterruptible;
    if (self != NULL)
        before = interruptMask(self, MaskedUninterruptible);
    serialAwait(DEADLINE_NEVER);
    if (self != NULL)
        interruptMask(self, before);
}

int serialTake(int64_t deadline_ns)
{
    for (;;) {
        uint32_t nobody = 0;
        if (CAS_ACQUIRE(&serial_held, &nobody, 1))
            return 0;
        int result = serialAwait(deadline_ns);
        if (result != 0)
            return result;
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
