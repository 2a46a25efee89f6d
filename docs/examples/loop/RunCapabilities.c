/* RunCapabilities.c -- a program under the runtime: a session on each capability, and visitors.
 *
 * A green thread on each capability begins a session in that capability's manager and waits for its
 * end.  Meanwhile as many visitors, wherever there is time for them, call into all the sessions.
 */
#include "Run.h"

#include <capri/rts.h>
#include <capri/thread.h>
#include <capri/tvar.h>

#include <stdlib.h>

enum {
    CAPABILITIES = 64,
    STACK = 256 * 1024, /* callbacks may run on any thread's: hiredis reads into 16 KiB of it */
    VISIT_EVERY_US = 200
};

typedef struct Crowd Crowd;

typedef struct Place {
    Run run;
    TVar *begun, *over; /* NULL, then the place */
    Crowd *crowd;
} Place;

struct Crowd {
    const Program *program;
    unsigned count, faults;
    Place places[CAPABILITIES];
};

static void tellOver(Run *run)
{
    Place *place = run->env;
    tvarWriteIO(place->over, place);
}

static int await(TVar *tvar)
{
    uint64_t seen;
    int failed = 0;
    while (failed == 0 && tvarReadVersionIO(tvar, &seen) == NULL)
        failed = tvarAwait(tvar, seen);
    return failed;
}

static void *runSession(void *env)
{
    Place *place = env;
    Run *run = &place->run;
    run->loop = loopNew(capabilityManager());
    if (run->loop == NULL)
        abort();
    loopLock(run->loop);
    int failed = place->crowd->program->begin(run);
    loopUnlock(run->loop);
    tvarWriteIO(place->begun, place); /* not under the lock: it may let another thread run */
    if (failed == 0)
        failed = await(place->over);
    return failed != 0 ? place : NULL;
}

static void *visitSessions(void *env)
{
    Crowd *crowd = env;
    bool more = crowd->program->visit != NULL;
    for (unsigned i = 0; more && i < crowd->count; i++)
        more = await(crowd->places[i].begun) == 0 && crowd->places[i].run.session != NULL;
    while (more) {
        more = false;
        for (unsigned i = 0; i < crowd->count; i++) {
            Run *run = &crowd->places[i].run;
            loopLock(run->loop);
            more = crowd->program->visit(run->session) || more;
            loopUnlock(run->loop);
        }
        threadDelay(VISIT_EVERY_US);
    }
    return NULL;
}

static void *runCrowd(void *env)
{
    Crowd *crowd = env;
    Thread *threads[2 * CAPABILITIES] = {0};
    for (unsigned i = 0; i < crowd->count; i++) {
        Place *place = &crowd->places[i];
        *place = (Place){.run = {.number = i, .over = tellOver, .env = place}, .crowd = crowd};
        place->begun = tvarNew(NULL);
        place->over = tvarNew(NULL);
        if (place->begun == NULL || place->over == NULL)
            abort();
    }
    for (unsigned i = 0; i < crowd->count; i++)
        if (threadForkOn(&threads[2 * i], i, runSession, &crowd->places[i]) != 0 ||
            threadFork(&threads[2 * i + 1], visitSessions, crowd) != 0)
            abort();
    for (unsigned i = 0; i < 2 * crowd->count; i++) {
        void *failed = NULL;
        threadJoin(threads[i], &failed);
        threadRelease(threads[i]);
        crowd->faults += failed != NULL;
    }
    for (unsigned i = 0; i < crowd->count; i++) {
        Place *place = &crowd->places[i];
        loopLock(place->run.loop);
        if (place->run.session != NULL)
            crowd->faults += crowd->program->end(place->run.session);
        loopUnlock(place->run.loop);
        tvarFree(place->begun);
        tvarFree(place->over);
    }
    return NULL;
}

unsigned runCapabilities(const Program *program, unsigned count)
{
    Crowd crowd = {.program = program, .count = count};
    RtsConfig config = {.capabilities = count, .stack_size = STACK};
    if (count == 0 || count > CAPABILITIES || rtsMain(&config, runCrowd, &crowd, NULL) != 0)
        return 1;
    for (unsigned i = 0; i < count; i++)
        loopFree(crowd.places[i].run.loop);
    return crowd.faults;
}
