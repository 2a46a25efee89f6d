/* Hello.c -- a stranger's program in C11: a thread waits for a pipe, another writes into it. */
#include <capri/capri.h>
#include <capri/errno.h>
#ifdef CAPRI_WITH_JEMALLOC
#include <capri/jemalloc.h>
#endif

#include <stdio.h>
#include <string.h>

static int ends[2];

static void *receive(void *env)
{
    char text[32];
    ssize_t size = fdRead(ends[0], text, sizeof text);
    return size == 5 && memcmp(text, "hello", 5) == 0 ? NULL : env;
}

static void *begin(void *env)
{
    Thread *receiver;
    void *wrong = env;
    if (fdPipe(ends) != 0 || threadFork(&receiver, receive, ends) != 0)
        return ends;
    threadDelay(1000);
    if (fdWriteAll(ends[1], "hello", 5) < 0 || threadJoin(receiver, &wrong) != 0)
        return ends;
    threadRelease(receiver);
    return wrong;
}

int main(void)
{
    RtsConfig config = {.capabilities = 2};
    void *wrong = NULL;
#ifdef CAPRI_WITH_JEMALLOC
    config.allocator = jemallocAllocator();
#endif
    int failed = rtsMain(&config, begin, NULL, &wrong);
    if (failed == 0 && wrong == NULL)
        puts("hello from capri");
    return failed != 0 || wrong != NULL;
}
