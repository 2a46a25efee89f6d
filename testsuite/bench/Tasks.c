/* Tasks.c -- row 39: a host's tasks beside green threads: switching, waiting at an MVar, for an fd.
 *
 * `task_switch`: two tasks yield to each other.  `wait_mvar`: row 27's hop, both players tasks;
 * `wait_mvar_thread`: both threads.  `wait_read`, `wait_read_thread`: two of a kind send a byte to
 * and fro over a socket pair; per hop, one write and one read that waits.  Tasks and threads take
 * turns, and the best of each counts: what is compared is one wait, not what the neighbours did.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/capri.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 3 };

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

/* ---- both kinds, in turn --------------------------------------------------------------------- */

static void compare(BenchWork *play, const char *tasks_name, const char *threads_name)
{
    static int tasks;
    double best_task = 0, best_thread = 0;
    for (int i = 0; i < TURNS; i++) {
        double thread = benchRate(play, NULL), task = benchRate(play, &tasks);
        best_thread = i == 0 || thread < best_thread ? thread : best_thread;
        best_task = i == 0 || task < best_task ? task : best_task;
    }
    benchPrint(tasks_name, best_task, "ns");
    benchPrint(threads_name, best_thread, "ns");
}

static void *begin(void *env)
{
    benchPrint("task_switch", benchRate(yieldTasks, NULL), "ns");
    compare(playMVars, "wait_mvar", "wait_mvar_thread");
    compare(playFds, "wait_read", "wait_read_thread");
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
