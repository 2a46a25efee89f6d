/* Channel.c -- a queue of values on the heap; who finds it empty waits for a bell of Capri's. */
#include "Channel.h"

#include <errno.h>
#include <pthread.h>

enum { BELLS = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for the links of all channels */
static TVar *bells[BELLS];

int channelOpen(void)
{
    for (int i = 0; i < BELLS; i++) {
        bells[i] = tvarNew(NULL);
        if (bells[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

void channelInit(Object *channel)
{
    uintptr_t spread = (uintptr_t)channel / 16; /* where it is made: as good as random */
    objectValues(channel)[2] = valueOfNumber((int64_t)(spread % BELLS));
}

static TVar *bellOf(Object *channel)
{
    return bells[valueNumber(objectValues(channel)[2])];
}

void channelSend(Object *channel, Object *link)
{
    Value *ends = objectValues(channel);
    objectValues(link)[0] = 0;
    pthread_mutex_lock(&lock);
    if (ends[0] == 0)
        ends[0] = (Value)link;
    else
        objectValues(valueObject(ends[1]))[0] = (Value)link;
    ends[1] = (Value)link;
    pthread_mutex_unlock(&lock);
    tvarWriteIO(bellOf(channel), NULL);
}

bool channelReceive(Object *channel, Value *value, TVar **bell, uint64_t *version)
{
    Value *ends = objectValues(channel);
    *bell = bellOf(channel);
    tvarReadVersionIO(*bell, version); /* before we look: a send after that ends the wait */
    pthread_mutex_lock(&lock);
    Object *link = valueObject(ends[0]);
    if (link != NULL)
        ends[0] = objectValues(link)[0];
    pthread_mutex_unlock(&lock);
    if (link != NULL)
        *value = objectValues(link)[1];
    return link != NULL;
}
