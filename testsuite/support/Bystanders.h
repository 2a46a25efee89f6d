/* Bystanders.h -- for stress programs: threads that live as if nobody did anything special, and one
 * that forks the process.  They end at end_ns.
 */
#ifndef TESTSUITE_BYSTANDERS_H
#define TESTSUITE_BYSTANDERS_H

#include "internal/SMP.h"
#include "testsuite/support/Crowd.h"

#include <capri/capri.h>

#include <sys/wait.h>
#include <unistd.h>

static int64_t end_ns;
static uint64_t pings, forks; /* relaxed adds */

/* A pair that plays with one token, cells[0] and cells[1] being its boxes: env. */
static void *serve(void *env)
{
    MVar **cells = env;
    void *value;
    do {
        CHECK_EQ(mvarTake(cells[0], &value), 0);
        CHECK_EQ(mvarPut(cells[1], value), 0);
    } while (value != NULL);
    return NULL;
}

static void *volley(void *env)
{
    MVar **cells = env;
    void *value;
    for (bool more = true; more;) {
        more = rtsNow() < end_ns;
        CHECK_EQ(mvarPut(cells[0], more ? env : NULL), 0);
        CHECK_EQ(mvarTake(cells[1], &value), 0);
        CHECK(value == (more ? env : NULL));
        ADD_RELAXED(&pings, 1);
    }
    return NULL;
}

static void *waitForChild(void *arg)
{
    int status = 0;
    CHECK_EQ(waitpid(*(pid_t *)arg, &status, 0), *(pid_t *)arg);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return NULL;
}

/* The world stops, wherever its threads are.  env: how long to pause, in us. */
static void *forkOften(void *env)
{
    const int64_t *pause_us = env;
    while (rtsNow() < end_ns) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        CHECK_GT(child, 0);
        CHECK_EQ(foreignCall(waitForChild, &child, NULL), 0);
        ADD_RELAXED(&forks, 1);
        threadDelay(*pause_us);
    }
    return env;
}

#endif
