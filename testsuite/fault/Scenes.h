/* Scenes.h -- the parts of the workload: each returns 0 or a negative errno, and has cleaned up.
 *
 * What a scene gets from the runtime is either right or an error: a wrong byte, a wait that ends
 * early, a close that nobody is told of fail it at once.
 *
 * Tests  testsuite/fault/SystemCallFault.c
 */
#ifndef TESTSUITE_FAULT_SCENES_H
#define TESTSUITE_FAULT_SCENES_H

#include <capri/capri.h>

/* A callback's registration was ended by EventClose with EventError: the result of that scene. */
#define SCENE_REFUSED (-EREMOTEIO)

enum { SCENE_SHORT_US = 200 };

/* sceneBackend -- for the scene that makes a manager of its own. */
extern const char *scene_backend;

/* On a green thread: testsuite/fault/Scenes.c */
int scenePipe(void);
int sceneForeignFd(void);
int sceneClosing(void);
int sceneTime(void);
int sceneCallbacks(void);
int sceneStacks(void);
/* and testsuite/fault/OtherScenes.c */
int sceneFiles(void);
int sceneSignals(void);
int sceneChildren(void);
int sceneResize(void);

/* On the main OS thread; testsuite/fault/OtherScenes.c */
int sceneManager(void);
int sceneOutside(void);

/* sceneFirst -- the first that is not 0.  sceneJoin -- likewise: result, what joining says, what
 * the thread returned; the handle is given back. */
int sceneFirst(int result, int other);
int sceneJoin(Thread *thread, int result);

#endif
