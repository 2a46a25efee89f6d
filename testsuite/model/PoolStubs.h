/* PoolStubs.h -- pools, for models of what lives in one and is neither made nor forked there. */
#ifndef MODEL_POOL_STUBS_H
#define MODEL_POOL_STUBS_H

#include "rts/Pool.h"
#include "rts/Startup.h"
#include "testsuite/model/Explorer.h"

int startupEnter(void)
{
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

void startupLeave(void)
{
}

void poolOpen(Pool *pool, const Allocator *allocator, size_t item_size, size_t link_offset)
{
    (void)pool, (void)allocator, (void)item_size, (void)link_offset;
}

void poolClose(Pool *pool)
{
    (void)pool;
}

void *poolTake(Pool *pool)
{
    (void)pool;
    modelFail(__FILE__, __LINE__, "not reached");
    return NULL;
}

void poolLock(Pool *pool)
{
    (void)pool;
}

void poolUnlock(Pool *pool)
{
    (void)pool;
}

void poolSurvive(Pool *pool)
{
    (void)pool;
}

#endif
