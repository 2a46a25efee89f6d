/* Both.c -- a stranger's program on both archives: a manager of its own, and then the runtime. */
#include <capri/capri.h>

#include <stdio.h>

static void *begin(void *env)
{
    EventManagerStats stats;
    eventManagerStats(capabilityManager(), &stats);
    threadDelay(1000);
    return env;
}

int main(void)
{
    EventManager *manager;
    void *wrong = NULL;
    if (eventManagerNew(NULL, &manager) != 0 || eventManagerStep(manager, 0) != 0 ||
        eventManagerFree(manager) != 0 || rtsMain(NULL, begin, NULL, &wrong) != 0)
        return 1;
    puts("hello from capri");
    return wrong != NULL;
}
