/* Graph.h -- jobs and what they wait for, as a file says it. */
#ifndef JOBS_GRAPH_H
#define JOBS_GRAPH_H

#include <capri/capri.h>

typedef struct Job Job;
struct Job {
    char *name, *command; /* command: a line for sh, or "" */
    Job **after;          /* what must have succeeded before */
    int after_count;
    MVar *outcome;    /* of an Outcome, once it is known: read by all that wait */
    Process *process; /* while it runs; under the runner's lock */
    int visit;        /* while the graph is checked */
    Job *next;        /* in the graph's order */
};

typedef struct Graph {
    Job *jobs;
    int count;
    Job *first, **last; /* all of them, each behind those it waits for; where the next one goes */
} Graph;

/* graphRead -- lines "name: name ... ; command" (all but the name may be left out); those that are
 * empty or begin with # do not count.  0, or -1 with a message on standard error: it cannot be
 * read, a name stands twice or nowhere, jobs wait for each other in a ring. */
int graphRead(const char *path, Graph *graph);
void graphFree(Graph *graph);

#endif
