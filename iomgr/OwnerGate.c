/* OwnerGate.c -- a gate its owner passes without a locked operation until somebody else asks.
 *
 * Owns    OwnerGate's fields; the process's membarrier registration.
 * Before  capability/RunQueue.c and iomgr/TimerHeap.c: the owner's own work.
 * Tests   testsuite/unit/OwnerGateTest.c, testsuite/model/OwnerGateModel.c (every interleaving)
 *
 * See Note [OwnerGate states] and Note [Asymmetric fence].
 */
#include "iomgr/OwnerGate.h"

#include "internal/Turn.h"

#ifndef SMP_MODEL
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* A fast section lasts some ns; longer means the owner lost its core.  Models give up at once. */
#ifndef GATE_VISIT_SPINS
#define GATE_VISIT_SPINS 200
#endif

/* Written by the first ownerGateStart, before any gate exists; read by everyone. */
static bool membarrier_works;

#ifdef SMP_MODEL
void ownerGateStart(void)
{
    membarrier_works = true;
}
#else
static void registerProcess(void)
{
    long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    membarrier_works =
        commands > 0 && (commands & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0 &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void ownerGateStart(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT; /* standalone managers are made by anyone */
    pthread_once(&once, registerProcess);
}

void smpMembarrier(void)
{
    while (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        if (errno != ENOMEM) /* of the moment: the kernel allocates a mask of processors */
            barf("membarrier failed after it was registered: error %d", errno);
        sched_yield();
    }
}

#endif

bool ownerGateAsymmetric(void)
{
    return membarrier_works;
}

void ownerGateInit(OwnerGate *gate)
{
    RELAXED_STORE(&gate->busy, 0);
    RELAXED_STORE(&gate->lock, 0);
    RELAXED_STORE(&gate->visits, 0);
    RELAXED_STORE(&gate->shared, membarrier_works ? 0 : 1);
}

GateWay ownerGateLock(OwnerGate *gate)
{
    int spins = 0;
    while (RELAXED_LOAD(&gate->lock) != 0 || XCHG_ACQUIRE(&gate->lock, 1) != 0)
        turnWait(&spins);
    return GateLock;
}

bool ownerGateVisit(OwnerGate *gate)
{
    if (RELAXED_LOAD(&gate->lock) != 0 || XCHG_ACQUIRE(&gate->lock, 1) != 0)
        return false;
    RELAXED_STORE(&gate->visits, RELAXED_LOAD(&gate->visits) + 1);
    if (RELAXED_LOAD(&gate->shared) == 0) {
        RELAXED_STORE(&gate->shared, 1); /* G2 */
        SMP_MEMBARRIER();
    }
    for (int i = 0; ACQUIRE_LOAD(&gate->busy) != 0; i++) { /* G3 */
        if (i == GATE_VISIT_SPINS) {
            RELEASE_STORE(&gate->lock, 0);
            return false;
        }
        SMP_PAUSE();
    }
    return true;
}

bool ownerGateRebias(OwnerGate *gate, uint32_t *seen_visits)
{
    if (RELAXED_LOAD(&gate->shared) == 0)
        return true;
    uint32_t visits = RELAXED_LOAD(&gate->visits);
    bool quiet = visits == *seen_visits;
    *seen_visits = visits;
    if (!quiet || !membarrier_works)
        return false;
    if (RELAXED_LOAD(&gate->lock) != 0 || XCHG_ACQUIRE(&gate->lock, 1) != 0)
        return false;
    RELAXED_STORE(&gate->shared, 0);
    RELEASE_STORE(&gate->lock, 0);
    return true;
}
