/* Callbacks.c -- a stranger's program on Capri::iomgr alone: a timeout and no runtime. */
#include <capri/event.h>
#include <capri/timeout.h>

#include <stdio.h>

static int onTimeout(EventManager *manager, TimeoutKey key, void *env)
{
    (void)manager;
    (void)key;
    *(int *)env = 1;
    return 0;
}

int main(void)
{
    EventManager *manager;
    TimeoutKey key;
    int over = 0;
    if (eventManagerNew(NULL, &manager) != 0 ||
        registerTimeout(manager, 1000, onTimeout, &over, &key) != 0)
        return 1;
    while (!over)
        if (eventManagerStep(manager, -1) < 0)
            return 1;
    puts("hello from capri");
    return eventManagerFree(manager) != 0;
}
