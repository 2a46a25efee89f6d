/* Spawn.h -- starting a child, without the scheduler: blocks its OS thread until exec. */
#ifndef RTS_SPAWN_H
#define RTS_SPAWN_H

#include <capri/process.h>

#include <sys/types.h>

enum { SPAWN_FDS_MOST = 256 };

typedef struct SpawnRequest {
    const char *program;
    char *const *arguments;
    const ProcessAttributes *attributes; /* not NULL */
} SpawnRequest;

/* spawnRun -- the child's pidfd (close-on-exec), *id its number; -ESRCH: it has been
 * started and reaped already; other -E...: there is no child. */
int spawnRun(const SpawnRequest *request, pid_t *id);

/* spawnUndo -- kill and reap a child that nobody knows yet. */
void spawnUndo(pid_t id);

/* spawnSignal -- a signal through a pidfd: 0 or -E.... */
int spawnSignal(int fd, int number);

#endif
