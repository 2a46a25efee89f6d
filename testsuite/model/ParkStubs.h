/* ParkStubs.h -- for models that link rts/stm/TVar.c, and in which nobody waits. */
#ifndef MODEL_PARK_STUBS_H
#define MODEL_PARK_STUBS_H

#include "rts/Park.h"
#include "testsuite/model/Explorer.h"

uint32_t park_cancelled;

Capability *workerCapability(void)
{
    return NULL;
}

Capability *handOverReturn(void)
{
    return NULL; /* nobody is away */
}

int parkOnList(WatchList *list, uint16_t generation, bool (*changed)(void *env), void *env,
               ThreadState why, int64_t deadline_ns)
{
    (void)list, (void)generation, (void)changed, (void)env, (void)why, (void)deadline_ns;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

int parkRefusalSlow(Thread *self)
{
    (void)self;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

void parkListedFired(WatchNode *node, uint64_t number, int result, void *sink)
{
    (void)node, (void)number, (void)result, (void)sink;
    modelFail(__FILE__, __LINE__, "not reached");
}

void parkFireMany(WatchNode *taken, Capability *here)
{
    (void)taken, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

int scheduleParkListed(Capability *capability)
{
    (void)capability;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

void scheduleReady(Thread *thread, Capability *here)
{
    (void)thread, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

#endif
