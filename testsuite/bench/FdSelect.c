/* FdSelect.c -- row 42: waiting for an fd alone, in a transaction, and in one that waits for a time
 * as well.
 *
 * Two threads send a byte to and fro through two pipes; a hop is a wait, a read and a write.
 */
#include "testsuite/bench/support/Bench.h"

#include <capri/fd.h>
#include <capri/rts.h>
#include <capri/stm.h>

#include <errno.h>
#include <stddef.h>

typedef int WaitFor(int fd);

typedef struct Player {
    int from, to;
    uint64_t hops; /* left */
    WaitFor *wait; /* NULL: as reading waits by itself */
} Player;

static int64_t deadline_ns; /* of all waits: it never comes */

static void *isReadable(Transaction *tx, void *env)
{
    threadWaitReadSTM(tx, *(int *)env);
    return env;
}

static void *isTime(Transaction *tx, void *env)
{
    (void)env;
    threadDelayUntilSTM(tx, deadline_ns);
    return NULL;
}

static void *isEither(Transaction *tx, void *env)
{
    return stmOrElse(tx, isReadable, env, isTime, NULL);
}

static int waitInside(int fd)
{
    return stmAtomically(isReadable, &fd, NULL);
}

static int waitForEither(int fd)
{
    void *came = NULL;
    int result = stmAtomically(isEither, &fd, &came);
    return result == 0 && came == NULL ? -ETIMEDOUT : result;
}

static void sendByte(const Player *player)
{
    BENCH_CHECK(fdWrite(player->to, "b", 1) == 1);
}

static void receiveByte(const Player *player)
{
    char byte;
    BENCH_CHECK(player->wait == NULL || player->wait(player->from) == 0);
    BENCH_CHECK(fdRead(player->from, &byte, 1) == 1);
}

static void *answer(void *env)
{
    for (Player *player = env; player->hops > 0; player->hops--) {
        receiveByte(player);
        sendByte(player);
    }
    return NULL;
}

static void play(uint64_t hops, void *env)
{
    int there[2], back[2];
    BENCH_CHECK(fdPipe(there) == 0 && fdPipe(back) == 0);
    uint64_t each = hops / 2 + 1;
    Player one = {back[0], there[1], each, *(WaitFor **)env};
    Player other = {there[0], back[1], each, one.wait};
    Thread *thread;
    BENCH_CHECK(threadFork(&thread, answer, &other) == 0);
    for (; one.hops > 0; one.hops--) {
        sendByte(&one);
        receiveByte(&one);
    }
    BENCH_CHECK(threadJoin(thread, NULL) == 0);
    threadRelease(thread);
    for (int i = 0; i < 2; i++) {
        closeFd(there[i]);
        closeFd(back[i]);
    }
}

static void measure(const char *name, WaitFor *wait)
{
    benchPrint(name, benchRate(play, &wait), "ns");
}

static void *begin(void *env)
{
    deadline_ns = rtsNow() + 3600 * BENCH_S;
    measure("fd_wait", NULL);
    measure("fd_stm", waitInside);
    measure("fd_select", waitForEither);
    return env;
}

int main(int argc, char **argv)
{
    return benchMain(argc, argv, begin, NULL);
}
