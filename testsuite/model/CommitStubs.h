/* CommitStubs.h -- what models of commits and blocked transactions link but never reach.
 * MODEL_ALLOCATES: the model has an allocator. */
#ifndef MODEL_COMMIT_STUBS_H
#define MODEL_COMMIT_STUBS_H

#include "rts/stm/Delay.h"
#include "testsuite/model/TVarStubs.h"

#ifndef MODEL_ALLOCATES
const Allocator *startupAllocator(void)
{
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}
#endif

void reclaimCommitLock(void)
{
}

void reclaimCommitUnlock(void)
{
}

void delayCancel(TVar *tvar)
{
    (void)tvar;
    modelFail(__FILE__, __LINE__, "not reached");
}

void delayGive(TVar *tvar)
{
    (void)tvar;
    modelFail(__FILE__, __LINE__, "not reached");
}

void scheduleSafepointSlow(Capability *here)
{
    (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

/* No model's transaction has made anything. */
void effectsMove(Effects *effects, Effect *into)
{
    (void)into;
    MODEL_CHECK(effects->count == 0);
}

void effectsForgetMoved(const Effect *items, uint32_t count)
{
    (void)items;
    MODEL_CHECK(count == 0);
}

#endif
