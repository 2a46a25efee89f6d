/* Workload.c -- start, all scenes, stop; and what must not be left behind.
 *
 * Tests  testsuite/fault/SystemCallFault.c
 */
#include "testsuite/fault/Workload.h"

#include "testsuite/fault/Injector.h"
#include "testsuite/fault/Scenes.h"
#include "testsuite/support/Runtime.h"

#include <stdio.h>
#include <string.h>

enum { CAPABILITIES = 2, MAPPED_MORE = 1 << 20 };

static CountingHeap heap;

typedef struct Scene {
    const char *name;
    int (*play)(void);
} Scene;

static const Scene green[] = {
    {"a pipe", scenePipe},     {"somebody's fd", sceneForeignFd}, {"closing", sceneClosing},
    {"time", sceneTime},       {"callbacks", sceneCallbacks},     {"stacks", sceneStacks},
    {"files", sceneFiles},     {"signals", sceneSignals},         {"children", sceneChildren},
    {"resizing", sceneResize}, {"a pipe, resized", scenePipe},
};
static const Scene plain[] = {{"a manager", sceneManager}, {"outside", sceneOutside}};

typedef struct Play {
    const Workload *workload;
    FaultReport report; /* the first failure */
} Play;

static void note(Play *play, const char *where, int result)
{
    bool accepted = result == 0 || result == SCENE_REFUSED;
    for (int i = 0; i < ACCEPTED_MOST; i++)
        accepted |= result == play->workload->accepted[i];
    if (!accepted)
        fprintf(stderr, "%s: %d is no result that may come\n", where, result);
    CHECK(accepted);
    if (result == 0 || play->report.result != 0)
        return;
    play->report.result = result;
    snprintf(play->report.where, sizeof play->report.where, "%s", where);
}

static void *playGreen(void *env)
{
    for (size_t i = 0; i < sizeof green / sizeof green[0]; i++)
        note(env, green[i].name, green[i].play());
    return NULL;
}

static void playAll(Play *play)
{
    RtsConfig config = {.capabilities = CAPABILITIES,
                        .backend = play->workload->backend,
                        .allocator = countingAllocator(&heap),
                        .blocking_threads = 2};
    Thread *thread;
    scene_backend = config.backend;
    int result = rtsInit(&config);
    note(play, "rtsInit", result);
    if (result != 0)
        return;
    result = threadFork(&thread, playGreen, play);
    note(play, "threadFork", result);
    if (result == 0)
        note(play, "threadJoin", sceneJoin(thread, 0));
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        note(play, plain[i].name, plain[i].play());
    CHECK_EQ(rtsShutdown(Drain, INT64_MAX), 0);
}

/* ---- what is left ---- */

typedef struct Traces {
    uint32_t fds;
    size_t mapped; /* bytes of address space */
} Traces;

static size_t bytesMapped(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static uint32_t osThreads(void)
{
    uint32_t count = 0;
    DIR *all = opendir("/proc/self/task");
    CHECK(all != NULL);
    for (const struct dirent *entry; (entry = readdir(all)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(all);
    return count;
}

static Traces lookForTraces(uint32_t threads)
{
    while (osThreads() > threads) /* one that was joined is there a moment longer */
        sched_yield();
    Traces traces = {.fds = fdsOpen(), .mapped = bytesMapped()};
    return traces;
}

void workloadRun(void *env)
{
    const Workload *workload = env;
    Play before = {.workload = workload}, play = {.workload = workload};
    uint32_t threads = osThreads() + UNDER_TSAN; /* the tool makes one of its own, but late */
    if (!workload->cold)
        playAll(&before); /* what the C library keeps for ever is there now */
    CHECK_EQ(before.report.result, 0);
    Traces early = lookForTraces(threads);
    faultBegin();
    playAll(&play);
    faultEnd();
    Traces late = lookForTraces(threads);
    CHECK_EQ(RELAXED_LOAD(&heap.live_blocks), 0);
    CHECK_EQ(late.fds, early.fds);
    if (!workload->cold && !UNDER_TSAN && !UNDER_ASAN)
        CHECK_LE(late.mapped, early.mapped + MAPPED_MORE);
    faultReport(&play.report);
}
