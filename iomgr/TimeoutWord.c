/* TimeoutWord.c -- others than home change words from now on.
 *
 * Owns    TimeoutSharing.words.
 * Before  iomgr/Timeout.c and iomgr/TimerManager.c, not at home.
 * After   nothing.
 * Tests   testsuite/unit/TimeoutWordTest.c, testsuite/unit/TimeoutHomeTest.c,
 *         testsuite/model/TimeoutHomeModel.c
 *
 * See Note [Timeout words at home].
 */
#include "iomgr/TimeoutWord.h"

#include "internal/Turn.h"

/* Several may come at once: each makes sure by itself. */
void timeoutWordShareSlow(TimeoutSharing *sharing)
{
    uint32_t words = TIMEOUT_WORDS_HOME;
    int spins = 0;
    CAS_RELAXED(&sharing->words, &words, TIMEOUT_WORDS_ASKED); /* T10 */
    SMP_MEMBARRIER();
    while (ACQUIRE_LOAD(&sharing->home_busy) != 0) /* T9 */
        turnWait(&spins);
    RELEASE_STORE(&sharing->words, TIMEOUT_WORDS_SHARED); /* T11 */
}
