/* Http.h -- what the HTTP servers in C and C++ share (rows 8 to 10 and 18), so that what differs is
 * how they wait: the answers, the parser, the listeners, and main.
 *
 * The answer to "GET /" is, byte for byte, what docs/examples/httpd.c sends.  Answers are constants
 * that are sent from where they lie; a run of pipelined requests is answered by one write.
 * These servers look for the end of each request and at its first line; httpd reads the fields too.
 */
#ifndef PEERS_HTTP_H
#define PEERS_HTTP_H

#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTP_CORES = 64, HTTP_PIPELINED = 16, HTTP_FDS = 1 << 15, HTTP_INPUT = 2048 };

#define HTTP_PAGE                                                                                  \
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 151\r\n\r\n"                    \
    "<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each "         \
    "connection, written as if every call blocked. None of them ever does.\n"
#define HTTP_FOUR_PAGES HTTP_PAGE HTTP_PAGE HTTP_PAGE HTTP_PAGE
static const char http_pages[] = HTTP_FOUR_PAGES HTTP_FOUR_PAGES HTTP_FOUR_PAGES HTTP_FOUR_PAGES;
static const char http_not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/* Constant bytes that are still to be sent. */
typedef struct Answer {
    const char *bytes;
    size_t size;
} Answer;

/* The size of the request at the start of text; 0: its end has not come yet. */
static inline size_t requestSize(const char *text, size_t size)
{
    const char *line = text, *end = text + size, *newline;
    while ((newline = (const char *)memchr(line, '\n', (size_t)(end - line))) != NULL) {
        if (newline == line + 1 && *line == '\r' && line != text)
            return (size_t)(newline + 1 - text);
        line = newline + 1;
    }
    return 0;
}

/* Takes the first requests of text that share an answer, and gives it; *used: where they end. */
static inline Answer takeRequests(const char *text, size_t size, size_t *used)
{
    Answer answer = {http_pages, 0};
    size_t taken;
    *used = 0;
    while (answer.size < sizeof http_pages - 1 &&
           (taken = requestSize(text + *used, size - *used)) > 0) {
        if (memcmp(text + *used, "GET / HTTP/1.1\r\n", 16) == 0) {
            answer.size += sizeof HTTP_PAGE - 1;
        } else if (answer.size == 0) {
            answer.bytes = http_not_found;
            answer.size = sizeof http_not_found - 1;
            *used = taken;
            break;
        } else {
            break;
        }
        *used += taken;
    }
    return answer;
}

static inline int option(char **argv, const char *name, int otherwise)
{
    for (; argv[0] != NULL && argv[1] != NULL; argv++)
        if (strcmp(argv[0], name) == 0)
            return atoi(argv[1]);
    return otherwise;
}

/* A socket bound to the port beside others (SO_REUSEPORT); does not block, nor do what it accepts
 * wait to send. */
static inline int bindListener(int port)
{
    struct sockaddr_in address;
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 || /* inherited */
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        error(1, errno, "cannot bind to port %d", port);
    return fd;
}

/* One of several listeners on the port. */
static inline int openListener(int port)
{
    int fd = bindListener(port);
    if (listen(fd, 1024) != 0)
        error(1, errno, "cannot listen on port %d", port);
    return fd;
}

/* main: `--port P --cores N`; serve(listener) in N threads, each with a listener of its own. */
static inline int serveOnCores(char **argv, void *(*serve)(void *listener))
{
    int port = option(argv, "--port", 8080), cores = option(argv, "--cores", 2), signal;
    int listeners[HTTP_CORES];
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* in every thread, for sigwait */
    if (cores < 1 || cores > HTTP_CORES)
        error(1, 0, "--cores: 1 to %d", HTTP_CORES);
    for (int i = 0; i < cores; i++)
        listeners[i] = openListener(port);
    for (int i = 0; i < cores; i++) {
        pthread_t thread;
        int failed = pthread_create(&thread, NULL, serve, (void *)(intptr_t)listeners[i]);
        if (failed != 0)
            error(1, failed, "pthread_create");
    }
    printf("http://127.0.0.1:%d/ on %d cores\n", port, cores);
    fflush(stdout);
    sigwait(&stop, &signal);
    exit(0);
}

#endif
