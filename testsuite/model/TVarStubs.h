/* TVarStubs.h -- what TVarModel.c links but never reaches. */
#ifndef MODEL_TVAR_STUBS_H
#define MODEL_TVAR_STUBS_H

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

void poolGive(Pool *pool, void *item)
{
    (void)pool, (void)item;
    modelFail(__FILE__, __LINE__, "not reached");
}

void delayStart(const Allocator *allocator)
{
    (void)allocator;
}

void delayEnd(void)
{
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

void poolEach(Pool *pool, void (*visit)(void *item))
{
    (void)pool, (void)visit;
    modelFail(__FILE__, __LINE__, "not reached");
}

void delayLockAll(void)
{
}

void delayUnlockAll(void)
{
}

int delaySurvive(TimerHeap *heap)
{
    (void)heap;
    modelFail(__FILE__, __LINE__, "not reached");
    return 0;
}

#endif
