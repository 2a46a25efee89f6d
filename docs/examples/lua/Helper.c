/* Helper.c -- a green thread that does for a coroutine what would keep its core. */
#include "Helper.h"

#include "Roster.h"
#include "Run.h"

#include <lauxlib.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct Helper {
    HelperJob *job;
    Thread *thread;
    unsigned references; /* under the lock: the coroutine's and the thread's */
};

static const char helper_name[] = "capri.helper";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void freeJob(HelperJob *job)
{
    job->free(job);
    free(job);
}

static void release(Helper *helper)
{
    pthread_mutex_lock(&lock);
    bool last = --helper->references == 0;
    pthread_mutex_unlock(&lock);
    if (!last)
        return;
    freeJob(helper->job);
    free(helper);
}

static void *help(void *env)
{
    Helper *helper = env;
    helper->job->run(helper->job);
    release(helper);
    rosterHelped();
    return NULL;
}

static int finalize(lua_State *L)
{
    Helper **box = lua_touserdata(L, 1);
    if (*box != NULL) {
        if (runIsUp())
            threadRelease((*box)->thread);
        release(*box);
    }
    *box = NULL;
    return 0;
}

static Helper **pushBox(lua_State *L)
{
    Helper **box = lua_newuserdatauv(L, sizeof(Helper *), 0);
    *box = NULL;
    if (luaL_newmetatable(L, helper_name)) {
        lua_pushcfunction(L, finalize);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

Helper *helperPush(lua_State *L, HelperJob *job)
{
    Helper **box = pushBox(L), *helper = calloc(1, sizeof *helper);
    if (helper == NULL) {
        freeJob(job);
        luaL_error(L, "out of memory");
        return NULL;
    }
    *helper = (Helper){.job = job, .references = 1};
    *box = helper;
    int failed = rosterHelps();
    if (failed == 0) {
        helper->references = 2; /* nobody else knows it yet */
        failed = threadFork(&helper->thread, help, helper);
        if (failed != 0) {
            helper->references = 1;
            rosterHelped();
        }
    }
    if (failed != 0)
        luaL_error(L, "no thread: %s", strerror(-failed));
    return helper;
}

Thread *helperThread(const Helper *helper)
{
    return helper->thread;
}

HelperJob *helperJob(const Helper *helper)
{
    return helper->job;
}
