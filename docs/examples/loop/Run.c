/* Run.c -- a program in a loop of its own, without a runtime; which way the arguments say. */
#include "Run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stopLoop(Run *run)
{
    eventManagerStop(run->env);
}

unsigned runStandalone(const Program *program)
{
    EventManager *manager;
    Run run = {.over = stopLoop};
    unsigned faults = 1;
    if (eventManagerNew(NULL, &manager) != 0)
        return faults;
    run.env = manager;
    run.loop = loopNew(manager);
    if (run.loop != NULL) {
        loopLock(run.loop);
        int failed = program->begin(&run);
        loopUnlock(run.loop);
        if (failed == 0) {
            eventManagerRun(manager);
            loopLock(run.loop);
            faults = program->end(run.session);
            loopUnlock(run.loop);
        }
    }
    eventManagerFree(manager);
    if (run.loop != NULL)
        loopFree(run.loop);
    return faults;
}

bool runCheck(unsigned *faults, bool good, const char *file, int line, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
        ++*faults;
    }
    return good;
}

const char *runOption(char **argv, const char *name)
{
    while (*++argv != NULL)
        if (strcmp(*argv, name) == 0)
            return argv[1] != NULL ? argv[1] : "";
    return NULL;
}

int runMain(const Program *program, char **argv)
{
    if (runOption(argv, "--standalone") != NULL)
        return runStandalone(program) != 0;
#ifndef WITHOUT_RUNTIME
    const char *count = runOption(argv, "--capabilities");
    if (count != NULL)
        return runCapabilities(program, (unsigned)atoi(count)) != 0;
#endif
    fprintf(stderr, "usage: %s --standalone | --capabilities N\n", argv[0]);
    return 2;
}
