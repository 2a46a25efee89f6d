/* Steady.h -- a world that stands still: See Note [Counting the same twice] in HotPaths.c. */
#ifndef TESTSUITE_STEADY_H
#define TESTSUITE_STEADY_H

#include "iomgr/EventManager.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLOCK_STEP_NS = 100 };

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "HotPaths: %s\n", what);
    exit(1);
}

static int64_t now_ns; /* the one worker */

static int64_t readSteady(void *context)
{
    (void)context;
    return now_ns += CLOCK_STEP_NS;
}

static int pollSteady(BackendState *state, int64_t timeout_ns, EventRecord *records, int most)
{
    int count = backendEPoll.poll(state, 0, records, most);
    require(count != 0 || timeout_ns >= 0, "everybody sleeps and nothing will wake them");
    if (count == 0)
        now_ns += timeout_ns;
    return count;
}

static const Clock steady_clock = {readSteady, NULL};
static Backend steady_backend; /* as epoll, but for `poll` */

static void beginSteady(EventManager *manager)
{
    now_ns = clockRead(&clockMonotonic);
    steady_backend = backendEPoll;
    steady_backend.poll = pollSteady;
    manager->backend = &steady_backend;
    manager->clock = &steady_clock;
}

static void endSteady(EventManager *manager)
{
    manager->backend = &backendEPoll;
    manager->clock = &clockMonotonic;
}

#endif
