/* select.c -- a worker that waits for a socket, a queue, a time-out and a flag, all in one orElse.
 *
 *     select [ROUNDS]     sends so many lines and so many jobs, then asks it to stop
 *
 * The worker answers lines that come over its socket, does the jobs of a queue, and when nothing
 * has come for a while counts that it idles.  Which of them it is told of is decided by one
 * transaction: what is taken from the queue is taken only if no line was there first, and of what
 * lost nothing is left behind.  At the end the sums must be right.
 */
#include <capri/capri.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { IDLE_US = 2000, LINE = 32 };

typedef struct Worker {
    int socket;
    TQueue *jobs;    /* numbers */
    TVar *stop;      /* NULL: go on */
    int64_t idle_ns; /* nothing has come until then */
    TVar *idled;     /* how often */
    long lines, done;
    bool ended; /* the peer has closed */
} Worker;

typedef enum News { Line, Job, Idle, Stop } News;

/* What came first, and what comes with it. */
typedef struct Told {
    News news;
    void *job;
} Told;

typedef struct Choice {
    Worker *worker;
    Told *told; /* by each attempt; the last one's stays */
} Choice;

/* ---- one function a branch ---- */

static void *onLine(Transaction *tx, void *env)
{
    Choice *choice = env;
    if (choice->worker->ended)
        stmRetry(tx); /* nothing more comes from there */
    threadWaitReadSTM(tx, choice->worker->socket);
    *choice->told = (Told){Line, NULL};
    return NULL;
}

static void *onJob(Transaction *tx, void *env)
{
    Choice *choice = env;
    *choice->told = (Told){Job, tqueueRead(tx, choice->worker->jobs)};
    return NULL;
}

static void *onIdle(Transaction *tx, void *env)
{
    Choice *choice = env;
    threadDelayUntilSTM(tx, choice->worker->idle_ns);
    intptr_t idled = (intptr_t)tvarRead(tx, choice->worker->idled);
    tvarWrite(tx, choice->worker->idled, (void *)(idled + 1));
    *choice->told = (Told){Idle, NULL};
    return NULL;
}

static void *onStop(Transaction *tx, void *env)
{
    Choice *choice = env;
    stmCheck(tx, tvarRead(tx, choice->worker->stop) != NULL);
    *choice->told = (Told){Stop, NULL};
    return NULL;
}

static void *onIdleOrStop(Transaction *tx, void *env)
{
    return stmOrElse(tx, onIdle, env, onStop, env);
}

static void *onJobOrRest(Transaction *tx, void *env)
{
    return stmOrElse(tx, onJob, env, onIdleOrStop, env);
}

/* Lines go before jobs, and both before the end: nothing that was sent is left. */
static void *onAny(Transaction *tx, void *env)
{
    return stmOrElse(tx, onLine, env, onJobOrRest, env);
}

/* ---- the worker ---- */

static int answerLine(Worker *me)
{
    char line[LINE];
    ssize_t size = fdRead(me->socket, line, sizeof line);
    if (size <= 0) {
        me->ended = true;
        return (int)size;
    }
    me->lines += size / LINE;
    return size == LINE && fdWriteAll(me->socket, line, sizeof line) == LINE ? 0 : -1;
}

static int work(Worker *me)
{
    Told told;
    Choice choice = {me, &told};
    int result = 0;
    while (result == 0) {
        me->idle_ns = rtsNow() + IDLE_US * INT64_C(1000);
        result = stmAtomically(onAny, &choice, NULL);
        if (result != 0 || told.news == Stop)
            break;
        if (told.news == Line)
            result = answerLine(me);
        else if (told.news == Job)
            me->done += (long)(intptr_t)told.job;
    }
    return result;
}

static void *runWorker(void *env)
{
    return (void *)(intptr_t)work(env);
}

/* ---- its clients ---- */

typedef struct Client {
    int socket;
    Worker *worker;
    long rounds;
} Client;

/* Sends a line, and waits for the answer. */
static void *sendLines(void *env)
{
    Client *client = env;
    for (long i = 0; i < client->rounds; i++) {
        char line[LINE] = {0}, answer[LINE];
        snprintf(line, sizeof line, "line %ld", i);
        if (fdWriteAll(client->socket, line, sizeof line) != LINE ||
            fdRecv(client->socket, answer, sizeof answer, MSG_WAITALL) != LINE)
            return (void *)1;
    }
    return NULL;
}

static void *putJob(Transaction *tx, void *env)
{
    Client *client = env;
    tqueueWrite(tx, client->worker->jobs, (void *)(intptr_t)client->rounds);
    return NULL;
}

static void *putJobs(void *env)
{
    Client each = *(Client *)env;
    for (long left = each.rounds; left > 0; left--) {
        each.rounds = left; /* the job: a number to be added up */
        if (stmAtomically(putJob, &each, NULL) != 0)
            return (void *)1;
        if (left % 16 == 0)
            threadYield();
    }
    return NULL;
}

static bool joinIt(Thread *thread)
{
    void *failed = NULL;
    int result = threadJoin(thread, &failed);
    threadRelease(thread);
    return result == 0 && failed == NULL;
}

static void *untilIdle(Transaction *tx, void *env)
{
    Worker *worker = env;
    stmCheck(tx, tvarRead(tx, worker->idled) != NULL);
    return NULL;
}

static void *talk(void *env)
{
    long rounds = *(long *)env;
    int ends[2];
    Worker worker = {.jobs = tqueueNew(), .stop = tvarNew(NULL), .idled = tvarNew(NULL)};
    Client client = {.worker = &worker, .rounds = rounds};
    Thread *threads[3];
    if (worker.jobs == NULL || worker.stop == NULL || worker.idled == NULL ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 || fdAdopt(ends[0]) != 0 ||
        fdAdopt(ends[1]) != 0)
        return env;
    worker.socket = ends[0];
    client.socket = ends[1];
    if (threadFork(&threads[0], runWorker, &worker) != 0 ||
        threadFork(&threads[1], sendLines, &client) != 0 ||
        threadFork(&threads[2], putJobs, &client) != 0)
        abort();
    bool fine = joinIt(threads[1]) && joinIt(threads[2]);
    fine = stmAtomically(untilIdle, &worker, NULL) == 0 && fine;
    closeFd(ends[1]);
    tvarWriteIO(worker.stop, &worker);
    fine = joinIt(threads[0]) && fine;
    printf("%ld lines, jobs of %ld in all, idle %ld times\n", worker.lines, worker.done,
           (long)(intptr_t)tvarReadIO(worker.idled));
    fine = fine && worker.lines == rounds && worker.done == rounds * (rounds + 1) / 2;
    closeFd(ends[0]);
    tqueueFree(worker.jobs);
    tvarFree(worker.stop);
    tvarFree(worker.idled);
    return fine ? NULL : env;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? atol(argv[1]) : 1000;
    void *failed = NULL;
    int result = rtsMain(NULL, talk, &rounds, &failed);
    return result != 0 || failed != NULL ? 1 : 0;
}
