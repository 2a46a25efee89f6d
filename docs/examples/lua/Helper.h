/* Helper.h -- a green thread that does for a coroutine what would keep its core.
 *
 * The coroutine waits for the thread's end.  If it is interrupted meanwhile it leaves, and the
 * thread goes on to its end: what they share belongs to both, and the last one frees it.
 */
#ifndef CAPRI_LUA_HELPER_H
#define CAPRI_LUA_HELPER_H

#include <capri/capri.h>
#include <lua.h>

typedef struct Helper Helper;

/* A job begins with its Helper's functions, and is malloc'ed. */
typedef struct HelperJob {
    void (*run)(struct HelperJob *job);  /* on a green thread of its own */
    void (*free)(struct HelperJob *job); /* with all that is in it, but for the job itself */
} HelperJob;

/* helperPush -- start it, and push what keeps it; owns job, also if this raises.
 * helperThread -- what to wait for.   helperJob -- what it has done, once that has ended. */
Helper *helperPush(lua_State *L, HelperJob *job);
Thread *helperThread(const Helper *helper);
HelperJob *helperJob(const Helper *helper);

#endif
