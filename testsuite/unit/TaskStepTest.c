/* TaskStepTest.c -- calls in a step: what needs no waiting, what would wait, fork(2); joins.
 *
 * not-under: qemu
 */
#include "testsuite/support/Forked.h"
#include "testsuite/support/Tasks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* ---- calls in a step ------------------------------------------------------------------------- */

typedef struct Calls {
    MVar *empty, *full;
    TVar *tvar;
    Thread *ended, *forked;
    int fd[2];
} Calls;

static void *addToIt(Transaction *tx, void *env)
{
    tvarWrite(tx, env, (char *)tvarRead(tx, env) + 1);
    return NULL;
}

static void *returnEnv(void *env)
{
    return env;
}

static void *foreign(void *arg)
{
    return arg;
}

static TaskVerdict callsWhatIsThere(TaskContext *context, void *env)
{
    Calls *calls = env;
    void *value;
    char byte = 0;
    int number = 5;
    CHECK_EQ(mvarTake(calls->full, &value), 0);
    CHECK_EQ(mvarPut(calls->full, value), 0);
    CHECK_EQ(mvarTryTake(calls->empty, NULL), -EAGAIN);
    CHECK_EQ(mvarTryPut(calls->full, NULL), -EAGAIN);
    CHECK_EQ(tvarWriteIO(calls->tvar, (void *)1), 0);
    CHECK_EQ(stmAtomically(addToIt, calls->tvar, NULL), 0);
    CHECK_EQ(tvarReadIO(calls->tvar), (void *)2);
    CHECK_EQ(threadJoin(calls->ended, NULL), 0);
    CHECK_EQ(threadDelay(0), 0);
    CHECK_EQ(threadSafepoint(), 0);
    CHECK_EQ(fdRead(calls->fd[0], &byte, 1), -EAGAIN);
    CHECK_EQ(threadWaitRead(calls->fd[0]), -EAGAIN);
    CHECK_EQ(fdReadUntil(calls->fd[0], &byte, 1, rtsNow() + MS_NS), -EAGAIN);
    CHECK_EQ(fdWrite(calls->fd[1], "y", 1), 1);
    CHECK_EQ(threadWaitRead(calls->fd[0]), 0); /* it is ready: nobody need wait */
    CHECK_EQ(fdRead(calls->fd[0], &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    CHECK_EQ(threadFork(&calls->forked, returnEnv, calls), 0);
    CHECK_EQ(foreignCall(foreign, &number, &value), 0);
    CHECK_EQ(value, &number);
    CHECK(!taskMustYield(context));
    CHECK_EQ(rtsPause(INT64_MAX), 0);
    CHECK_EQ(rtsResume(), 0);
    CHECK_EQ(capabilitySetCount(3), 0);
    CHECK_EQ(capabilitySetCount(1), 0);
    CHECK_EQ(threadThrowTo(threadSelf(), 3, NULL), -ECANCELED);
    CHECK(threadCaught(&number, NULL));
    CHECK_EQ(number, 3);
    return TaskDone;
}

static void *greenCalls(void *env)
{
    (void)env;
    Calls calls = {mvarNewEmpty(), mvarNew(&calls), tvarNew(NULL), NULL, NULL, {0}};
    calls.ended = greenFork(returnEnv, NULL);
    CHECK_EQ(threadJoin(calls.ended, NULL), 0);
    CHECK_EQ(pipe2(calls.fd, O_NONBLOCK | O_CLOEXEC), 0);
    CHECK_EQ(fdAdopt(calls.fd[0]), 0);
    CHECK_EQ(fdAdopt(calls.fd[1]), 0);
    greenJoin(taskMake(callsWhatIsThere, &calls));
    CHECK_EQ(greenJoin(calls.forked), &calls);
    threadRelease(calls.ended);
    closeFd(calls.fd[0]);
    closeFd(calls.fd[1]);
    mvarFree(calls.empty);
    mvarFree(calls.full);
    tvarFree(calls.tvar);
    return NULL;
}

/* Goal: in a step calls do what needs no waiting; those on fds say EAGAIN. */
TEST(Task, callsThatNeedNotWait)
{
    greenRun(1, greenCalls, NULL);
    greenRun(2, greenCalls, NULL);
}

/* ---- strangers: fds that nobody has adopted, in either mode ---------------------------------- */

typedef struct Door {
    int listener, accepted, tries;
} Door;

static TaskVerdict acceptsOne(TaskContext *context, void *env)
{
    Door *door = env;
    CHECK_LT(++door->tries, 4);
    door->accepted = fdAccept(door->listener, NULL, NULL);
    if (door->accepted != -EAGAIN)
        return TaskDone;
    CHECK_EQ(taskWaitRead(context, door->listener), 0);
    return TaskBlocked;
}

static void *greenDoors(void *env)
{
    static const int modes[] = {0, SOCK_NONBLOCK};
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t size = sizeof address;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        Door door = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | modes[i], 0), -1, 0};
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(door.listener >= 0 && client >= 0);
        CHECK_EQ(bind(door.listener, (struct sockaddr *)&address, size), 0);
        CHECK_EQ(listen(door.listener, 1), 0);
        CHECK_EQ(getsockname(door.listener, (struct sockaddr *)&address, &size), 0);
        Thread *task = taskMake(acceptsOne, &door);
        greenUntil(task, ThreadBlockedOnRead);
        CHECK_EQ(connect(client, (struct sockaddr *)&address, size), 0);
        greenJoin(task);
        CHECK_GE(door.accepted, 0);
        closeFd(door.accepted);
        close(client);
        closeFd(door.listener);
    }
    return env;
}

/* Goal: a call that has to wait before it tries gets on from step to step. */
TEST(Task, strangersGetOn)
{
    greenRun(1, greenDoors, NULL);
    greenRun(2, greenDoors, NULL);
}

static TaskVerdict acceptsFromNone(TaskContext *context, void *env)
{
    (void)context;
    *(int *)env = fdAccept(-1, NULL, NULL);
    return TaskDone;
}

static void *greenNoDoor(void *env)
{
    int result = 0;
    greenJoin(taskMake(acceptsFromNone, &result));
    CHECK_EQ(result, -EBADF);
    return env;
}

/* Goal: what is no fd at all is said at once, for there is nothing to wait for. */
TEST(Task, noFdIsSaid)
{
    greenRun(1, greenNoDoor, NULL);
}

/* ---- files ----------------------------------------------------------------------------------- */

static TaskVerdict usesFile(TaskContext *context, void *env)
{
    char path[64], bytes[4] = "";
    int64_t soon_ns = rtsNow() + INT64_C(60000000000);
    (void)context;
    snprintf(path, sizeof path, "/tmp/capri-step-%d", (int)getpid());
    int fd = fdOpenUntil(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600, soon_ns);
    CHECK_GE(fd, 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(fdPwriteUntil(fd, "abc", 3, 0, soon_ns), 3);
    CHECK_EQ(fdPreadUntil(fd, bytes, 3, 0, soon_ns), 3);
    CHECK_EQ(strcmp(bytes, "abc"), 0);
    CHECK_EQ(closeFd(fd), 0);
    *(int *)env = 1;
    return TaskDone;
}

static void *greenFile(void *env)
{
    greenJoin(taskMake(usesFile, env));
    return env;
}

/* Goal: with a deadline, too, calls on files are made in place. */
TEST(Task, filesAreUsedInPlace)
{
    int used = 0;
    greenRun(1, greenFile, &used);
    CHECK_EQ(used, 1);
}

/* ---- calls that wait ------------------------------------------------------------------------- */

static void *retries(Transaction *tx, void *env)
{
    tvarRead(tx, env);
    stmRetry(tx);
}

enum { REFUSED = 8 };

static int refusedCall(Calls *calls, int number)
{
    switch (number) {
    case 0:
        return mvarTake(calls->empty, NULL);
    case 1:
        return mvarPutUntil(calls->full, NULL, rtsNow() + MS_NS);
    case 2:
        return threadDelay(10);
    case 3:
        return threadYield();
    case 4:
        return threadJoin(calls->forked, NULL);
    case 5:
        return stmAtomically(retries, calls->tvar, NULL);
    case 6:
        return greenAwaitNextUntil(calls->tvar, rtsNow() + MS_NS);
    default:
        return threadKill(calls->forked); /* which is masked */
    }
}

static TaskVerdict callsWhatWaits(TaskContext *context, void *env)
{
    int number = (int)(intptr_t)taskUser(context);
    CHECK_EQ(refusedCall(env, number), -EPERM);
    taskSetUser(context, (void *)(intptr_t)++number);
    return number < REFUSED ? TaskYield : TaskDone;
}

static void *takeEnv(void *env)
{
    mvarTake(env, NULL);
    return NULL;
}

static void *greenRefused(void *env)
{
    Calls calls = {mvarNewEmpty(), mvarNew(&calls), tvarNew(NULL), NULL, NULL, {0}};
    ThreadAttributes masked = {.masking = 3};
    CHECK_EQ(threadForkWith(&calls.forked, &masked, takeEnv, calls.empty), 0);
    greenUntil(calls.forked, ThreadBlockedOnMVar);
    Thread *task = NULL;
    (void)env;
    CHECK_EQ(taskNew(&task, NULL, callsWhatWaits, &calls), 0);
    greenJoin(task);
    CHECK_EQ(mvarTryPut(calls.empty, NULL), 0);
    greenJoin(calls.forked);
    mvarFree(calls.empty);
    mvarFree(calls.full);
    tvarFree(calls.tvar);
    return NULL;
}

#ifdef CAPRI_ASSERTIONS
static void runRefused(void *env)
{
    (void)env;
    greenRun(1, greenRefused, NULL);
}
#endif

/* Goal: a call that would wait is refused, and nothing of it is left; with assertions: a bug. */
TEST(Task, callsThatWaitAreRefused)
{
#ifdef CAPRI_ASSERTIONS
    static char output[2000];
    if (UNDER_TSAN)
        SKIP("it starts no OS threads in a child of a process that had some");
    int status = testChild(runRefused, NULL, output, sizeof output);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(strstr(output, "waits_in_a_step") != NULL);
#else
    greenRun(1, greenRefused, NULL);
#endif
}

/* ---- fork(2) in a step ----------------------------------------------------------------------- */

typedef struct Forks {
    pid_t child;
    int steps;
} Forks;

static TaskVerdict forks(TaskContext *context, void *env)
{
    Forks *it = env;
    if (it->steps++ == 0) {
        it->child = forkFlushed();
        CHECK_EQ(taskWaitDelay(context, 100), 0);
        return TaskBlocked;
    }
    CHECK_EQ(taskStatus(context), 0);
    if (it->child != 0)
        return TaskDone;
    _exit(CODE); /* the child's task goes on from wait to wait */
}

static void *greenForks(void *env)
{
    OneWait waits[2] = {{.begin = beginTake, .mvar = mvarNewEmpty()}, {.begin = beginDelay}};
    Thread *others[2];
    waits[1].value = (void *)(intptr_t)1000000000;
    for (int i = 0; i < 2; i++)
        others[i] = oneWaitStart(&waits[i]);
    greenUntil(others[0], ThreadBlockedOnMVar);
    static Forks it; /* not on a stack, which the child has not */
    it = (Forks){0};
    (void)env;
    greenJoin(taskMake(forks, &it));
    CHECK_GT(it.child, 0);
    expectExit(it.child, CODE);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(threadKill(others[i]), 0);
        oneWaitEnd(others[i], &waits[i]);
    }
    mvarFree(waits[0].mvar);
    return NULL;
}

/* Goal: a step may fork; the child has this task alone, which goes on. */
TEST(Task, forksTheProcess)
{
    if (UNDER_TSAN)
        SKIP("it starts no OS threads in a child of a process that had some");
    greenRun(1, greenForks, NULL);
    greenRun(2, greenForks, NULL);
}

/* ---- joins ----------------------------------------------------------------------------------- */

static int joined_one, joined_other;

static TaskVerdict endsAtOnce(TaskContext *context, void *env)
{
    taskSetResult(context, env);
    return TaskDone;
}

static void beginSelf(TaskContext *context, OneWait *wait)
{
    CHECK_EQ(taskWaitThread(context, threadSelf()), -EDEADLK);
    CHECK_EQ(taskWaitThread(context, NULL), -EINVAL);
    CHECK_EQ(taskWaitMVarTake(context, NULL), -EINVAL);
    CHECK_EQ(taskWaitTVar(context, NULL, 0), -EINVAL);
    CHECK_EQ(taskWaitSTM(context, NULL, NULL), -EINVAL);
    beginJoin(context, wait);
}

static void *joinIt(void *env)
{
    return greenJoin(env);
}

static void *greenJoins(void *env)
{
    (void)env;
    OneWait ended = {.begin = beginSelf, .thread = taskMake(endsAtOnce, &joined_one)};
    greenUntil(ended.thread, ThreadFinished);
    oneWaitEnd(oneWaitStart(&ended), &ended);
    CHECK_EQ(ended.got, &joined_one);
    threadRelease(ended.thread);
    /* A thread joins a task that joins a thread that joins a task. */
    Thread *inner = taskMake(endsAtOnce, &joined_other);
    OneWait outer = {.begin = beginJoin, .thread = greenFork(joinIt, inner)};
    Thread *task = oneWaitStart(&outer);
    oneWaitEnd(task, &outer);
    CHECK_EQ(outer.got, &joined_other);
    threadRelease(outer.thread);
    return NULL;
}

/* Goal: tasks and threads join each other. */
TEST(Task, joins)
{
    greenRun(1, greenJoins, NULL);
    greenRun(2, greenJoins, NULL);
}
