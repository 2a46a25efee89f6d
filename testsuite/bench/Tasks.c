/* Tasks.c -- row 39: a host's tasks beside green threads: switching, waiting at an MVar, for an fd.
 *
 * `task_switch`: two tasks yield to each other.  `task_mvar`, `thread_mvar`: row 27's hop, both
 * players of one kind.  `task_read`, `thread_read`: two of a kind send a byte to and fro over a
 * socket pair; per hop, one write and one read that waits.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/capri.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Player {
    MVar *mine, *other;
    int fd;
    uint64_t hops; /* left */
    bool takes, first;
} Player;

static void joinBoth(Thread *const *both)
{
    for (int i = 0; i < 2; i++) {
        BENCH_CHECK(threadJoin(both[i], NULL) == 0);
        threadRelease(both[i]);
    }
}

static void makeTasks(TaskStep *step, Player *players)
{
    Thread *both[2];
    for (int i = 0; i < 2; i++)
        BENCH_CHECK(taskNew(&both[i], NULL, step, &players[i]) == 0);
    joinBoth(both);
}

static void makeThreads(ThreadFn *fn, Player *players)
{
    Thread *both[2];
    for (int i = 0; i < 2; i++)
        BENCH_CHECK(threadFork(&both[i], fn, &players[i]) == 0);
    joinBoth(both);
}

/* ---- switching ------------------------------------------------------------------------------- */

static TaskVerdict yieldStep(TaskContext *context, void *env)
{
    Player *player = env;
    (void)context;
    return player->hops-- > 1 ? TaskYield : TaskDone;
}

static void yieldTasks(uint64_t count, void *env)
{
    (void)env;
    makeTasks(yieldStep, (Player[2]){{.hops = count / 2 + 1}, {.hops = count / 2 + 1}});
}

/* ---- MVars ----------------------------------------------------------------------------------- */

static TaskVerdict mvarStep(TaskContext *context, void *env)
{
    Player *player = env;
    BENCH_CHECK(taskStatus(context) == 0);
    if (player->takes)
        BENCH_CHECK(mvarTryPut(player->other, taskValue(context)) == 0);
    else if (player->first)
        BENCH_CHECK(mvarTryPut(player->other, player) == 0);
    if (player->hops-- == 0)
        return TaskDone;
    player->takes = true;
    taskWaitMVarTake(context, player->mine);
    return TaskBlocked;
}

static void *mvarThread(void *env)
{
    Player *player = env;
    void *ball = player;
    if (player->first)
        BENCH_CHECK(mvarPut(player->other, ball) == 0);
    while (player->hops-- != 0) {
        BENCH_CHECK(mvarTake(player->mine, &ball) == 0);
        BENCH_CHECK(mvarTryPut(player->other, ball) == 0);
    }
    return NULL;
}

static void playMVars(uint64_t hops, void *env)
{
    MVar *one = mvarNewEmpty(), *two = mvarNewEmpty();
    Player players[2] = {{.mine = one, .other = two, .hops = hops / 2 + 1, .first = true},
                         {.mine = two, .other = one, .hops = hops / 2 + 1}};
    BENCH_CHECK(one != NULL && two != NULL);
    if (env != NULL)
        makeTasks(mvarStep, players);
    else
        makeThreads(mvarThread, players);
    mvarFree(one);
    mvarFree(two);
}

/* ---- fds ------------------------------------------------------------------------------------- */

static TaskVerdict readStep(TaskContext *context, void *env)
{
    Player *player = env;
    char byte = 'b';
    if (player->first) {
        BENCH_CHECK(fdWrite(player->fd, &byte, 1) == 1);
        player->first = false;
    }
    while (player->hops != 0) {
        ssize_t n = fdRead(player->fd, &byte, 1);
        if (n == -EAGAIN) {
            taskWaitRead(context, player->fd);
            return TaskBlocked;
        }
        BENCH_CHECK(n == 1);
        if (--player->hops != 0 || player->takes)
            BENCH_CHECK(fdWrite(player->fd, &byte, 1) == 1);
    }
    return TaskDone;
}

static void *readThread(void *env)
{
    Player *player = env;
    char byte = 'b';
    if (player->first)
        BENCH_CHECK(fdWrite(player->fd, &byte, 1) == 1);
    while (player->hops != 0) {
        BENCH_CHECK(fdRead(player->fd, &byte, 1) == 1);
        if (--player->hops != 0 || player->takes)
            BENCH_CHECK(fdWrite(player->fd, &byte, 1) == 1);
    }
    return NULL;
}

static void playFds(uint64_t hops, void *env)
{
    int pair[2];
    BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    Player players[2] = {{.fd = pair[0], .hops = hops / 2 + 1, .first = true},
                         {.fd = pair[1], .hops = hops / 2 + 1, .takes = true}};
    for (int i = 0; i < 2; i++)
        BENCH_CHECK(fdAdopt(pair[i]) == 0);
    if (env != NULL)
        makeTasks(readStep, players);
    else
        makeThreads(readThread, players);
    for (int i = 0; i < 2; i++)
        closeFd(pair[i]);
}

static void *begin(void *env)
{
    static int tasks;
    benchPrint("task_switch", benchRate(yieldTasks, NULL), "ns");
    benchPrint("thread_mvar", benchRate(playMVars, NULL), "ns");
    benchPrint("task_mvar", benchRate(playMVars, &tasks), "ns");
    benchPrint("thread_read", benchRate(playFds, NULL), "ns");
    benchPrint("task_read", benchRate(playFds, &tasks), "ns");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
