/* Idle_connections.c -- for row 10: holds N connections to a server of 127.0.0.1 that do nothing.
 *
 *     Idle_connections --port P --count N
 *
 * Each connection sends one request and reads the whole answer first, so that the server has really
 * served it and gone back to wait.  Prints `ready`, then holds all until standard input ends.
 */
#include "Http.h"

enum { TOGETHER = 64 }; /* requests under way at a time */

static int openConnection(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        error(1, errno, "connecting to port %d", port);
    return fd;
}

static void sendRequest(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != sizeof request - 1)
        error(1, errno, "sending a request");
}

static void readAnswer(int fd)
{
    char answer[sizeof HTTP_PAGE - 1];
    ssize_t got = recv(fd, answer, sizeof answer, MSG_WAITALL);
    if (got < 0)
        error(1, errno, "reading an answer");
    if (got != sizeof answer || memcmp(answer, HTTP_PAGE, sizeof answer) != 0)
        error(1, 0, "not the answer that all servers of this row give");
}

static void allowFds(int count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < (rlim_t)count + 16)
        error(1, 0, "%d connections, but RLIMIT_NOFILE is %lu", count, limit.rlim_max);
}

int main(int argc __attribute__((unused)), char **argv)
{
    int port = option(argv, "--port", 8080), count = option(argv, "--count", 10000);
    int fds[TOGETHER];
    char end[64];
    allowFds(count);
    for (int done = 0; done < count;) {
        int now = count - done < TOGETHER ? count - done : TOGETHER;
        for (int i = 0; i < now; i++)
            sendRequest(fds[i] = openConnection(port));
        for (int i = 0; i < now; i++)
            readAnswer(fds[i]);
        done += now;
    }
    printf("ready\n");
    fflush(stdout);
    while (read(STDIN_FILENO, end, sizeof end) > 0)
        continue;
    return 0;
}
