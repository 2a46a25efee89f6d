/* Main.c -- vm: runs a program of the toy language.
 *
 *     vm [-c CAPABILITIES] [-m MIB] [-s] PROGRAM.vm [ARGUMENT...]
 *
 * -m  the heap's size: 64 MiB
 * -s  shake: collect whenever an object is made, so that everything moves all the time
 *
 * The program has ended when all its tasks have.  Exits with what main returns; with 1 if main
 * failed, with 2 if there is no program.
 */
#include "Machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEAP_MIB = 64, BYTES_PER_MIB = 1024 * 1024 };

static int run(const Function *program, RtsConfig config)
{
    void *result;
    Thread *task;
    int error = rtsInit(&config);
    if (error == 0)
        error = machineBegin(&task, program);
    if (error != 0) {
        fprintf(stderr, "vm: cannot start: %s\n", strerror(-error));
        return 2;
    }
    threadJoin(task, &result);
    threadRelease(task);
    rtsShutdown(Drain, INT64_MAX); /* those that are left */
    return (int)(intptr_t)result;
}

int main(int argc, char **argv)
{
    RtsConfig config = {.hooks = machine_hooks};
    size_t mib = HEAP_MIB;
    bool shaken = false;
    for (int option; (option = getopt(argc, argv, "+c:m:s")) != -1;) {
        if (option == 'c')
            config.capabilities = (uint32_t)atoi(optarg);
        else if (option == 'm')
            mib = (size_t)atoi(optarg);
        else if (option == 's')
            shaken = true;
        else
            optind = argc;
    }
    if (optind >= argc || heapOpen(mib * BYTES_PER_MIB, shaken) != 0) {
        fprintf(stderr, "vm [-c CAPABILITIES] [-m MIB] [-s] PROGRAM.vm [ARGUMENT...]\n");
        return 2;
    }
    verbsOpen(argc - optind - 1, argv + optind + 1);
    return run(codeCompile(argv[optind]), config);
}
