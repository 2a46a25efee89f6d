/* raw_epoll_httpd.c -- peer of docs/examples/httpd.c: what an expert writes by hand for one page.
 *
 *     raw_epoll_httpd [--port P] [--threads N] [--seconds S]
 *
 * N event loops, each with an epoll instance and an SO_REUSEPORT listener of its own; connections
 * stay with the loop that accepted them.  Level-triggered, registered once: a request costs one
 * recv and one send, and its share of an epoll_wait.  Every request is answered with the bytes that
 * httpd sends for "GET /"; only the empty line that ends it is looked for.  No less can be done.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 64, EVENTS = 256, INPUT = 4096, PIPELINED = 16, FDS = 1 << 16 };

static const char page[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 151\r\n\r\n"
    "<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each "
    "connection, written as if every call blocked. None of them ever does.\n";

/* What a connection has sent beyond its last whole request; almost always nothing. */
typedef struct Rest {
    size_t size;
    char bytes[INPUT];
} Rest;

static Rest *rests[FDS];                          /* by fd: only the loop it belongs to */
static char pages[PIPELINED * (sizeof page - 1)]; /* constant: the answer, many times */

static int openListener(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0)
        error(1, errno, "cannot listen on port %d", port);
    return fd;
}

static void acceptAll(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd >= FDS || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            close(fd);
    }
}

static void closeConnection(int fd)
{
    free(rests[fd]);
    rests[fd] = NULL;
    close(fd);
}

/* Sends `count` answers.  A client that does not take them is dropped: this is a benchmark. */
static bool sendPages(int fd, size_t count)
{
    for (; count > 0; count -= count < PIPELINED ? count : PIPELINED) {
        size_t size = (count < PIPELINED ? count : PIPELINED) * (sizeof page - 1);
        if (send(fd, pages, size, MSG_NOSIGNAL) != (ssize_t)size)
            return false;
    }
    return true;
}

/* How many requests end in text; *used: where the last one ends. */
static size_t countRequests(const char *text, size_t size, size_t *used)
{
    size_t count = 0;
    *used = 0;
    if (size >= 4 && memcmp(text + size - 4, "\r\n\r\n", 4) == 0 &&
        memmem(text, size - 1, "\r\n\r\n", 4) == NULL) {
        *used = size;
        return 1; /* the common case: exactly one */
    }
    for (const char *end; (end = memmem(text + *used, size - *used, "\r\n\r\n", 4)) != NULL;) {
        *used = (size_t)(end + 4 - text);
        count++;
    }
    return count;
}

static bool serveReadable(int fd)
{
    char own[INPUT];
    Rest *rest = rests[fd];
    char *text = rest != NULL ? rest->bytes : own;
    size_t size = rest != NULL ? rest->size : 0, used;
    ssize_t got = recv(fd, text + size, INPUT - size, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    size += (size_t)got;
    size_t count = countRequests(text, size, &used);
    if (used == size) {
        free(rest);
        rests[fd] = NULL;
    } else {
        if (used == 0 && size == INPUT)
            return false;
        if (rest == NULL && (rest = rests[fd] = malloc(sizeof *rest)) == NULL)
            return false;
        rest->size = size - used;
        memmove(rest->bytes, text + used, rest->size);
    }
    return sendPages(fd, count);
}

static void *runLoop(void *env)
{
    struct epoll_event events[EVENTS];
    int listener = *(int *)env, epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        error(1, errno, "epoll");
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                acceptAll(epoll, listener);
            else if (!serveReadable(fd))
                closeConnection(fd);
        }
    }
    return NULL;
}

static int option(int argc, char **argv, const char *name, int otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return atoi(argv[i + 1]);
    return otherwise;
}

int main(int argc, char **argv)
{
    static int listeners[THREADS];
    int threads = option(argc, argv, "--threads", 2), seconds = option(argc, argv, "--seconds", 0);
    int port = option(argc, argv, "--port", 8080);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    if (threads < 1 || threads > THREADS)
        error(1, 0, "--threads: 1 to %d", THREADS);
    for (size_t i = 0; i < PIPELINED; i++)
        memcpy(pages + i * (sizeof page - 1), page, sizeof page - 1);
    for (int i = 0; i < threads; i++)
        listeners[i] = openListener((uint16_t)port);
    for (int i = 0; i < threads; i++) {
        pthread_t thread;
        int failed = pthread_create(&thread, NULL, runLoop, &listeners[i]);
        if (failed != 0)
            error(1, failed, "pthread_create");
    }
    printf("http://127.0.0.1:%d/ on %d threads\n", port, threads);
    fflush(stdout);
    struct timespec limit = {.tv_sec = seconds > 0 ? seconds : 1 << 30};
    sigtimedwait(&stop, NULL, &limit);
    return 0;
}
