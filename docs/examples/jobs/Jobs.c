/* Jobs.c -- runs the jobs of a file, each after those it waits for, several at once.
 *
 *     jobs [--at-once N] FILE          N: 0 or left out: as many as there are processors
 *
 * A thread for each job, as if it alone were to be run: it reads the outcome of each job it waits
 * for, waits for its turn, runs its command and waits for its end.  The outcome is an MVar that is
 * put once and read by all.  A job that fails lets those that wait for it be skipped; SIGINT and
 * SIGTERM end what runs and skip the rest.
 * Exits with 0 if all have succeeded, 1 if not, 2 if the file is no good.
 *
 * not-under: qemu tsan
 * ThreadSanitizer puts off a signal handler while its OS thread sleeps.
 */
#include "Graph.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CAPRI_WITH_JEMALLOC
#include <capri/jemalloc.h>
#endif

typedef enum Outcome { Succeeded = 1, Failed, Skipped } Outcome;

typedef struct Runner {
    Graph graph;
    int at_once;
    QSem *turns; /* a unit for each job that may run now */
    SignalWatch *signals;
    Mutex *lock;  /* over all below, Job.process and the output */
    bool stopped; /* nothing is begun any more */
    int begun, counts[Skipped + 1];
} Runner;

typedef struct Task {
    Runner *runner;
    Job *job;
    Thread *thread;
} Task;

static const char *const words[] = {"", "done", "FAILED", "skipped"};

/* Under the lock: 0 and job->process, or why not. */
static int begin(Runner *runner, Job *job)
{
    char *arguments[] = {(char *)"sh", (char *)"-c", job->command, NULL};
    ProcessAttributes attributes = {.new_group = true};
    if (runner->stopped)
        return -ECANCELED;
    printf("[%d/%d] %s\n", ++runner->begun, runner->graph.count, job->name);
    fflush(stdout);
    return processSpawn("/bin/sh", arguments, &attributes, &job->process);
}

static Outcome runCommand(Runner *runner, Job *job)
{
    ProcessStatus status = {.exited = false};
    mutexLock(runner->lock);
    int failed = begin(runner, job);
    mutexUnlock(runner->lock);
    if (failed == 0)
        failed = processWait(job->process, &status);
    mutexLock(runner->lock);
    processRelease(job->process);
    job->process = NULL;
    mutexUnlock(runner->lock);
    if (failed == -ECANCELED)
        return Skipped;
    return failed == 0 && status.exited && status.code == 0 ? Succeeded : Failed;
}

static Outcome runWhenReady(Runner *runner, Job *job)
{
    for (int i = 0; i < job->after_count; i++) {
        void *outcome;
        if (mvarRead(job->after[i]->outcome, &outcome) != 0 || (intptr_t)outcome != Succeeded)
            return Skipped;
    }
    if (job->command[0] == '\0')
        return Succeeded; /* only a name for others */
    if (qsemWait(runner->turns) != 0)
        return Skipped;
    Outcome outcome = runCommand(runner, job);
    qsemSignal(runner->turns);
    return outcome;
}

static void *runJob(void *env)
{
    Task *task = env;
    Runner *runner = task->runner;
    Outcome outcome = runWhenReady(runner, task->job);
    mutexLock(runner->lock);
    runner->counts[outcome]++;
    if (outcome != Succeeded)
        printf("%s: %s\n", task->job->name, words[outcome]);
    mutexUnlock(runner->lock);
    mvarPut(task->job->outcome, (void *)(intptr_t)outcome);
    return NULL;
}

/* Until the runtime is cancelled. */
static void *stopOnSignal(void *env)
{
    Runner *runner = env;
    while (signalWait(runner->signals, NULL) == 0) {
        mutexLock(runner->lock);
        runner->stopped = true;
        for (int i = 0; i < runner->graph.count; i++) {
            if (runner->graph.jobs[i].process != NULL)
                kill(-processId(runner->graph.jobs[i].process), SIGTERM); /* its group */
        }
        mutexUnlock(runner->lock);
    }
    return NULL;
}

/* Where there is no memory for a thread, or later none for its stack, its job is run here: all that
 * it waits for have ended by then, for the tasks are in the graph's order. */
static void runAll(Runner *runner, Task *tasks)
{
    int count = runner->graph.count;
    for (int i = 0; i < count; i++)
        threadFork(&tasks[i].thread, runJob, &tasks[i]);
    for (int i = 0; i < count; i++) {
        if (tasks[i].thread == NULL || threadJoin(tasks[i].thread, NULL) == -ENOMEM)
            runJob(&tasks[i]);
        threadRelease(tasks[i].thread);
    }
}

/* What all jobs need; it goes with the runtime. */
static bool prepare(Runner *runner, Task *tasks)
{
    const int numbers[] = {SIGINT, SIGTERM};
    uint32_t turns = runner->at_once > 0 ? (uint32_t)runner->at_once : capabilityCount();
    runner->turns = qsemNew(turns);
    runner->lock = mutexNew();
    bool made = tasks != NULL && runner->turns != NULL && runner->lock != NULL;
    for (Job *job = runner->graph.first; made && job != NULL; job = job->next) {
        *tasks++ = (Task){.runner = runner, .job = job};
        job->outcome = mvarNewEmpty();
        made = job->outcome != NULL;
    }
    return made && signalWatch(numbers, 2, &runner->signals) == 0 &&
           threadFork(NULL, stopOnSignal, runner) == 0;
}

static void *run(void *env)
{
    Runner *runner = env;
    Task *tasks = calloc((size_t)runner->graph.count + 1, sizeof *tasks);
    bool prepared = prepare(runner, tasks);
    if (prepared) {
        runAll(runner, tasks);
        printf("%d done, %d failed, %d skipped\n", runner->counts[Succeeded],
               runner->counts[Failed], runner->counts[Skipped]);
    } else {
        fprintf(stderr, "jobs: no memory\n");
    }
    free(tasks);
    return prepared && runner->counts[Succeeded] == runner->graph.count ? NULL : env;
}

int main(int argc, char **argv)
{
    Runner runner = {.at_once = 0};
    RtsConfig config = {0};
    const char *path = NULL;
    void *wrong = &runner;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--at-once") == 0 && i + 1 < argc)
            runner.at_once = atoi(argv[++i]);
        else
            path = argv[i];
    }
    if (path == NULL || graphRead(path, &runner.graph) != 0) {
        if (path == NULL)
            fprintf(stderr, "usage: jobs [--at-once N] FILE\n");
        return 2;
    }
#ifdef CAPRI_WITH_JEMALLOC
    config.allocator = jemallocAllocator();
#endif
    int failed = rtsMain(&config, run, &runner, &wrong); /* cancels the watch's thread */
    graphFree(&runner.graph);
    return failed != 0 || wrong != NULL;
}
