/* Graph.c -- jobs and what they wait for, as a file says it. */
#include "Graph.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNVISITED, UNDER_WAY, VISITED };

static const char blanks[] = " \t\r\n";

static Job *find(const Graph *graph, const char *name)
{
    for (int i = 0; i < graph->count; i++) {
        if (strcmp(graph->jobs[i].name, name) == 0)
            return &graph->jobs[i];
    }
    return NULL;
}

/* A line without its ends' blanks, in memory of its own. */
static char *trim(const char *text)
{
    text += strspn(text, blanks);
    size_t size = strlen(text);
    while (size > 0 && strchr(blanks, text[size - 1]) != NULL)
        size--;
    return strndup(text, size);
}

/* The text between is kept in `command` until all names are known. */
static int addLine(Graph *graph, const char *line, int number)
{
    char *text = trim(line), *colon = text == NULL ? NULL : strchr(text, ':');
    if (text != NULL && (text[0] == '\0' || text[0] == '#')) {
        free(text);
        return 0;
    }
    Job *jobs = realloc(graph->jobs, (size_t)(graph->count + 1) * sizeof *jobs);
    if (jobs != NULL)
        graph->jobs = jobs;
    if (jobs == NULL || colon == NULL) {
        fprintf(stderr, "jobs: line %d: %s\n", number, jobs == NULL ? "no memory" : "no ':'");
        free(text);
        return -1;
    }
    *colon = '\0';
    Job job = {.name = trim(text), .command = trim(colon + 1)};
    bool twice = job.name != NULL && find(graph, job.name) != NULL;
    free(text);
    graph->jobs[graph->count++] = job;
    if (!twice && job.name != NULL && job.command != NULL)
        return 0;
    fprintf(stderr, "jobs: line %d: %s\n", number, twice ? "the name stands twice" : "no memory");
    return -1;
}

static int readLines(FILE *file, Graph *graph)
{
    char *line = NULL;
    size_t room = 0;
    int failed = 0;
    for (int number = 1; failed == 0 && getline(&line, &room, file) >= 0; number++)
        failed = addLine(graph, line, number);
    free(line);
    return failed;
}

/* "a b ; command" becomes `after` and "command". */
static int link(Graph *graph, Job *job)
{
    char *semicolon = strchr(job->command, ';'), *rest = NULL;
    char *command = trim(semicolon == NULL ? "" : semicolon + 1);
    if (semicolon != NULL)
        *semicolon = '\0';
    job->after = calloc(strlen(job->command) / 2 + 1, sizeof(Job *));
    if (command == NULL || job->after == NULL) {
        free(command);
        fprintf(stderr, "jobs: no memory\n");
        return -1;
    }
    for (char *name = strtok_r(job->command, blanks, &rest); name != NULL;
         name = strtok_r(NULL, blanks, &rest)) {
        Job *other = find(graph, name);
        if (other == NULL) {
            fprintf(stderr, "jobs: %s waits for %s, which is nowhere\n", job->name, name);
            free(command);
            return -1;
        }
        job->after[job->after_count++] = other;
    }
    free(job->command);
    job->command = command;
    return 0;
}

static int putInOrder(Graph *graph, Job *job)
{
    if (job->visit == VISITED)
        return 0;
    if (job->visit == UNDER_WAY) {
        fprintf(stderr, "jobs: %s waits for itself\n", job->name);
        return -1;
    }
    job->visit = UNDER_WAY;
    for (int i = 0; i < job->after_count; i++) {
        if (putInOrder(graph, job->after[i]) != 0)
            return -1;
    }
    job->visit = VISITED;
    *graph->last = job;
    graph->last = &job->next;
    return 0;
}

int graphRead(const char *path, Graph *graph)
{
    FILE *file = fopen(path, "re");
    *graph = (Graph){.last = &graph->first};
    if (file == NULL) {
        perror(path);
        return -1;
    }
    int failed = readLines(file, graph);
    fclose(file);
    for (int i = 0; failed == 0 && i < graph->count; i++)
        failed = link(graph, &graph->jobs[i]);
    for (int i = 0; failed == 0 && i < graph->count; i++)
        failed = putInOrder(graph, &graph->jobs[i]);
    if (failed != 0)
        graphFree(graph);
    return failed;
}

void graphFree(Graph *graph)
{
    for (int i = 0; i < graph->count; i++) {
        free(graph->jobs[i].name);
        free(graph->jobs[i].command);
        free(graph->jobs[i].after);
    }
    free(graph->jobs);
    *graph = (Graph){.jobs = NULL};
}
