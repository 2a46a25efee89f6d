/* Echo.c -- an echo server of state machines: a task per connection, no stack for any.
 *
 *     tasks [--port N]     serve until killed
 *     tasks --check N      serve N clients of its own, and end: 0 if each got its bytes back
 *
 * Each connection is a struct, and a function that is called whenever it can go on.
 */
#include <capri/capri.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_SIZE = 512, PATIENCE_S = 30, ROUNDS = 20, RETRY_US = 10 * 1000 };

typedef struct Connection {
    int fd;
    size_t have, sent; /* bytes in the buffer, and of them written back */
    char buffer[BUFFER_SIZE];
} Connection;

static int listener;

static TaskVerdict endConnection(Connection *connection)
{
    closeFd(connection->fd);
    free(connection);
    return TaskDone;
}

/* Wait for one direction; who is silent for too long is given up. */
static TaskVerdict await(TaskContext *context, int fd, int (*wait)(TaskContext *, int))
{
    wait(context, fd);
    taskDeadline(context, rtsNow() + PATIENCE_S * INT64_C(1000000000));
    return TaskBlocked;
}

static TaskVerdict serve(TaskContext *context, void *env)
{
    Connection *it = env;
    if (taskStatus(context) < 0) /* closed, too late, interrupted */
        return endConnection(it);
    while (!taskMustYield(context)) {
        ssize_t n;
        if (it->sent < it->have) {
            n = fdWrite(it->fd, it->buffer + it->sent, it->have - it->sent);
            if (n == -EAGAIN)
                return await(context, it->fd, taskWaitWrite);
            it->sent += n > 0 ? (size_t)n : 0;
        } else {
            n = fdRead(it->fd, it->buffer, sizeof it->buffer);
            if (n == -EAGAIN)
                return await(context, it->fd, taskWaitRead);
            it->have = n > 0 ? (size_t)n : 0;
            it->sent = 0;
        }
        if (n <= 0)
            return endConnection(it);
    }
    return TaskYield;
}

static TaskVerdict acceptAll(TaskContext *context, void *env)
{
    (void)env;
    if (taskStatus(context) < 0)
        return TaskDone;
    for (;;) {
        int fd = fdAccept(listener, NULL, NULL);
        if (fd == -EAGAIN) {
            taskWaitRead(context, listener);
            return TaskBlocked;
        }
        if (fd == -EBADF || fd == -ECANCELED)
            return TaskDone;
        if (fd < 0) { /* out of fds, say: those that are there go on */
            taskWaitDelay(context, RETRY_US);
            return TaskBlocked;
        }
        Connection *connection = calloc(1, sizeof *connection);
        if (connection == NULL) {
            closeFd(fd);
            continue;
        }
        connection->fd = fd;
        if (taskNew(NULL, NULL, serve, connection) != 0)
            endConnection(connection);
    }
}

/* ---- clients: green threads, whose calls wait ---- */

static struct sockaddr_in address;

static void *check(void *env)
{
    char sent[BUFFER_SIZE * 3], got[sizeof sent];
    int fd = fdSocket(AF_INET, SOCK_STREAM, 0);
    bool good = fd >= 0 && fdConnect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    for (int i = 0; good && i < ROUNDS; i++) {
        memset(sent, i + *(int *)env, sizeof sent);
        size_t have = 0;
        good = fdWrite(fd, sent, sizeof sent) == (ssize_t)sizeof sent;
        while (good && have < sizeof got) {
            ssize_t n = fdRead(fd, got + have, sizeof got - have);
            good = n > 0;
            have += good ? (size_t)n : 0;
        }
        good = good && memcmp(sent, got, sizeof got) == 0;
    }
    if (fd >= 0)
        closeFd(fd);
    return good ? env : NULL;
}

static int checkAll(int clients)
{
    int failed = 0, *numbers = calloc((size_t)clients, sizeof *numbers);
    Thread **threads = calloc((size_t)clients, sizeof *threads);
    if (threads == NULL || numbers == NULL)
        return 1;
    for (int i = 0; i < clients; i++) {
        numbers[i] = i;
        failed += threadFork(&threads[i], check, &numbers[i]) != 0;
    }
    for (int i = 0; i < clients; i++) {
        void *result = NULL;
        failed += threads[i] == NULL || threadJoin(threads[i], &result) != 0 || result == NULL;
        threadRelease(threads[i]);
    }
    printf("%d of %d clients got their bytes back\n", clients - failed, clients);
    free(threads);
    free(numbers);
    return failed == 0 ? 0 : 1;
}

/* ---- */

typedef struct Options {
    int port, clients;
} Options;

static void *run(void *env)
{
    const Options *options = env;
    static int result = 1;
    socklen_t size = sizeof address;
    Thread *acceptor;
    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                   .sin_port = htons((uint16_t)options->port)};
    listener = fdListen((struct sockaddr *)&address, size, 128);
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
        taskNew(&acceptor, NULL, acceptAll, NULL) != 0) {
        fprintf(stderr, "cannot listen: %d\n", listener);
        return &result;
    }
    printf("listening on port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    if (options->clients > 0) {
        result = checkAll(options->clients);
        threadKill(acceptor); /* its wait ends with -ECANCELED */
    }
    threadJoin(acceptor, NULL);
    threadRelease(acceptor);
    closeFd(listener);
    return &result;
}

int main(int argc, char **argv)
{
    Options options = {.port = 0};
    void *result = NULL;
    RtsConfig config = {0};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            options.port = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--check") == 0)
            options.clients = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--capabilities") == 0)
            config.capabilities = (uint32_t)atoi(argv[i + 1]);
    }
    int failed = rtsMain(&config, run, &options, &result);
    return failed != 0 || result == NULL ? 1 : *(int *)result;
}
