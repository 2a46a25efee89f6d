/* Main.c -- vm: runs a program of the toy language.
 *
 *     vm [--capabilities N] [--heap MIB] [--shake] [--stats] PROGRAM.vm [ARGUMENT...]
 *
 * --shake  collect whenever an object is made, so that everything moves all the time
 * --stats  tell at the end how often that happened
 *
 * The program has ended when all its tasks have.  Exits with 1 if its first one failed, with 2 if
 * it is none.
 */
#include "Channel.h"
#include "Verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAP_MIB = 256, BYTES_PER_MIB = 1024 * 1024 };

typedef struct Options {
    uint32_t capabilities;
    size_t heap_mib;
    bool shaken, stats;
} Options;

static int fail(const char *what)
{
    fprintf(stderr, "vm: %s\n", what);
    return 2;
}

static int run(const Function *function, const Options *options)
{
    RtsConfig config = {.capabilities = options->capabilities, .hooks = machine_hooks};
    void *failed = NULL;
    Thread *task;
    if (heapOpen(options->heap_mib * BYTES_PER_MIB, options->shaken) != 0 ||
        rtsInit(&config) != 0 || channelOpen() != 0 || machineBegin(&task, function) != 0)
        return fail("cannot start");
    threadJoin(task, &failed);
    threadRelease(task);
    rtsShutdown(Drain, INT64_MAX); /* those that are left */
    if (options->stats) {
        HeapStats stats = heapStats();
        fprintf(stderr, "%llu collections have moved %llu objects\n",
                (unsigned long long)stats.collections, (unsigned long long)stats.moved);
    }
    return failed == NULL ? 0 : 1;
}

int main(int argc, char **argv)
{
    Options options = {.heap_mib = HEAP_MIB};
    for (; argc > 2 && strncmp(argv[1], "--", 2) == 0; argc--, argv++) {
        const char *option = argv[1];
        if (strcmp(option, "--shake") == 0) {
            options.shaken = true;
        } else if (strcmp(option, "--stats") == 0) {
            options.stats = true;
        } else {
            if (strcmp(option, "--capabilities") == 0)
                options.capabilities = (uint32_t)atoi(argv[2]);
            else if (strcmp(option, "--heap") == 0)
                options.heap_mib = (size_t)atoi(argv[2]);
            argc--, argv++;
        }
    }
    if (argc < 2)
        return fail("usage: vm [--capabilities N] [--shake] [--stats] PROGRAM.vm [ARGUMENT...]");
    verbsOpen(argc - 2, argv + 2);
    return run(codeAssemble(argv[1]), &options);
}
