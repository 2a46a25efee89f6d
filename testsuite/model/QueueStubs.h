/* QueueStubs.h -- WaitQueues, for models that link rts/Park.c and have none. */
#ifndef MODEL_QUEUE_STUBS_H
#define MODEL_QUEUE_STUBS_H

bool waitQueuePublish(Thread *left)
{
    (void)left;
    modelFail(__FILE__, __LINE__, "not reached");
    return false;
}

bool waitQueueRetract(WaitQueue *queue, Thread *thread, Claim claim, int result, Woken *woken)
{
    (void)queue, (void)thread, (void)claim, (void)result, (void)woken;
    modelFail(__FILE__, __LINE__, "not reached");
    return false;
}

void waitQueueWakeAll(Waiter *first, Capability *here)
{
    (void)first, (void)here;
    modelFail(__FILE__, __LINE__, "not reached");
}

#endif
