/* EmfileAccept.c -- accept without a free number: -EMFILE, and the connection stays in the queue.
 */
#include "testsuite/support/Crowd.h"

#include <netinet/in.h>

enum { CLIENTS = 20, ALLOWED = 8, ROOM = 40 };

static int clients[CLIENTS]; /* before the server starts */
static int accepted[CLIENTS];
static int listener;
static uint32_t refused, served; /* the server adds, main reads */

static void *serve(void *env)
{
    (void)env;
    while (RELAXED_LOAD(&served) < CLIENTS) {
        int fd = fdAccept(listener, NULL, NULL);
        if (fd < 0) {
            CHECK_EQ(fd, -EMFILE);
            ADD_RELAXED(&refused, 1);
            CHECK_EQ(threadDelay(1000), 0);
        } else {
            accepted[RELAXED_LOAD(&served)] = fd;
            ADD_RELEASE(&served, 1);
        }
    }
    return NULL;
}

static void *echo(void *env)
{
    char byte;
    for (ssize_t n; (n = fdRead(*(int *)env, &byte, 1)) != 0;) {
        CHECK_EQ(n, 1);
        CHECK_EQ(fdWrite(*(int *)env, &byte, 1), 1);
    }
    return NULL;
}

static void awaitCount(uint32_t *count, uint32_t wanted)
{
    int64_t deadline_ns = rtsNow() + CROWD_HANG_S * CROWD_SECOND_NS;
    while (ACQUIRE_LOAD(count) < wanted) {
        CHECK_LT(rtsNow(), deadline_ns);
        crowdPause(100000);
    }
}

static void connectClients(const struct sockaddr_in *address)
{
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_GE(clients[i], 0);
        CHECK_EQ(connect(clients[i], (const struct sockaddr *)address, sizeof *address), 0);
    }
}

TEST(EmfileAccept, connectionsWaitForNumbers)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct rlimit before, tight;
    int pair[2];
    Crowd crowd;
    crowdStart(&crowd, 2, 2);
    listener = fdListen((struct sockaddr *)&address, sizeof address, 2 * CLIENTS);
    CHECK_GE(listener, 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    connectClients(&address);
    crowdPair(pair, true);
    crowdFork(&crowd, echo, &pair[0], "echo");

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur =
        (rlim_t)pair[1] + 1 + ALLOWED; /* numbers below were handed out without a gap */
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
    crowdFork(&crowd, serve, NULL, "server");
    awaitCount(&refused, 3);
    uint32_t first = ACQUIRE_LOAD(&served);
    CHECK_LT(first, CLIENTS);

    char byte = 'a'; /* the rest keeps running, without new numbers */
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(send(pair[1], &byte, 1, 0), 1);
        CHECK_EQ(fdRead(pair[1], &byte, 1), 1);
    }
    CHECK_EQ(closeFd(accepted[0]), 0); /* room for one: it is used */
    accepted[0] = -1;
    awaitCount(&served, first + 1);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    awaitCount(&served, CLIENTS); /* nobody was dropped */
    CHECK_EQ(fdShutdown(pair[1], SHUT_WR), 0);
    crowdJoin(&crowd);
    for (int i = 0; i < CLIENTS; i++) {
        if (i > 0) {
            CHECK_EQ(fdWrite(accepted[i], "x", 1), 1);
            CHECK_EQ(closeFd(accepted[i]), 0);
        }
        CHECK_EQ(close(clients[i]), 0);
    }
    CHECK_EQ(closeFd(listener), 0);
    CHECK_EQ(closeFd(pair[0]), 0);
    CHECK_EQ(closeFd(pair[1]), 0);
    crowdStop(&crowd);
    printf("%u accepted, then refused, %d in the end\n", first, CLIENTS);
}
