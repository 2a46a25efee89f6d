/* Run.h -- one program, two surroundings: a loop of its own, or the runtime's capabilities.
 *
 *     PROGRAM --standalone           eventManagerNew and eventManagerRun; Capri::iomgr is enough
 *     PROGRAM --capabilities N       a session on each of N capabilities, visited by green threads
 */
#ifndef RUN_H
#define RUN_H

#include "Loop.h"

#include <stdbool.h>

/* Run -- the surroundings of one session. */
typedef struct Run Run;
struct Run {
    Loop *loop;
    unsigned number; /* 0, 1, ... */
    void (*over)(Run *run);
    void *session, *env;
};

/* What a program does.  Each is called with run->loop locked. */
typedef struct Program {
    int (*begin)(
        Run *run); /* make run->session and begin: 0 or -E...; later run->over(run), once */
    bool (*visit)(void *session);   /* by any green thread; false: it has enough; may be NULL */
    unsigned (*end)(void *session); /* it is over: free it; how many faults it had */
} Program;

/* Each returns how many faults there were. */
unsigned runStandalone(const Program *program);
unsigned runCapabilities(const Program *program, unsigned count);

/* runMain -- what the arguments say; the exit code. */
int runMain(const Program *program, char **argv);

/* runOption -- the argument after `name`; NULL: it is not there. */
const char *runOption(char **argv, const char *name);

/* runCheck -- false: prints what is wrong, and counts it. */
bool runCheck(unsigned *faults, bool good, const char *file, int line, const char *what);
#define EXPECT(session, what) runCheck(&(session)->faults, (what), __FILE__, __LINE__, #what)

#endif
