/* TimerRounds.h -- row 14 for the libraries in C: a million deadlines, and two rounds over them.
 *
 * A peer says how its clock is read (once a round), how timer i is armed, and how its loop is run
 * until nothing is armed.  The first round is due at once: after it the library's heap has grown
 * and its pages are there.  In the second the common start lies ahead, so that all timers are armed
 * before the first is due; the deadlines are drawn beforehand.
 */
#ifndef TIMER_ROUNDS_H
#define TIMER_ROUNDS_H

#include "Bench.h"

enum { TIMERS = 1000 * 1000, TIMERS_WITHIN_US = 1000 * 1000, TIMERS_AHEAD_US = 900 * 1000 };

static uint32_t timer_after_us[TIMERS]; /* after the clock that updateClock has read */
static uint32_t timers_fired;

static inline void drawDeadlines(void)
{
    uint64_t random = 42;
    for (int i = 0; i < TIMERS; i++)
        timer_after_us[i] = TIMERS_AHEAD_US + (uint32_t)(drawRandom(&random) % TIMERS_WITHIN_US);
}

static inline __attribute__((always_inline)) uint64_t runRound(void (*updateClock)(void),
                                                               void (*armTimer)(int i),
                                                               void (*runLoop)(void))
{
    timers_fired = 0;
    updateClock();
    uint64_t start_ns = readNowNs();
    for (int i = 0; i < TIMERS; i++)
        armTimer(i);
    uint64_t arming_ns = readNowNs() - start_ns;
    runLoop();
    if (timers_fired != TIMERS)
        error(1, 0, "%u of %d timers fired", timers_fired, TIMERS);
    return arming_ns;
}

static inline __attribute__((always_inline)) void runRounds(void (*updateClock)(void),
                                                            void (*armTimer)(int i),
                                                            void (*runLoop)(void))
{
    runRound(updateClock, armTimer, runLoop);
    drawDeadlines();
    uint64_t cpu_ns = readCpuNs();
    uint64_t arming_ns = runRound(updateClock, armTimer, runLoop);
    cpu_ns = readCpuNs() - cpu_ns;
    if (arming_ns > TIMERS_AHEAD_US * UINT64_C(1000))
        error(1, 0, "the first timers were due before the last was armed");
    printPerUnit("timer_arm", arming_ns, TIMERS);
    printPerUnit("timer_all", cpu_ns, TIMERS);
}

#endif
