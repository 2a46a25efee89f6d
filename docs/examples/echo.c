/* echo.c -- a TCP echo server: one green thread per connection, written as if every call blocked.
 *
 *     echo [port]         (7007 if none is given; stop it with Ctrl-C)
 */
#include <capri/capri.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CAPRI_WITH_JEMALLOC
#include <capri/jemalloc.h>
#endif

static void *serveConnection(void *env)
{
    int connection = (int)(intptr_t)env;
    char buffer[4096];
    ssize_t size;
    while ((size = fdRead(connection, buffer, sizeof buffer)) > 0)
        if (fdWriteAll(connection, buffer, (size_t)size) < 0)
            break;
    closeFd(connection);
    return NULL;
}

static void *acceptConnections(void *env)
{
    int listener = (int)(intptr_t)env;
    for (;;) {
        int connection = fdAccept(listener, NULL, NULL);
        if (connection == -ECANCELED || connection == -EBADF)
            return NULL;
        if (connection < 0) { /* out of descriptors, say: serve those that are open first */
            fprintf(stderr, "accept: %s\n", strerror(-connection));
            if (threadDelay(100 * 1000) != 0)
                return NULL;
        } else if (threadFork(NULL, serveConnection, (void *)(intptr_t)connection) != 0) {
            closeFd(connection);
        }
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 7007)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    RtsConfig config = {0};
#ifdef CAPRI_WITH_JEMALLOC
    config.allocator = jemallocAllocator();
#endif
    int failed = rtsInit(&config);
    int listener = failed ? failed : fdListen((struct sockaddr *)&address, sizeof address, 128);
    if (listener < 0) {
        fprintf(stderr, "echo: %s\n", strerror(-listener));
        return 1;
    }
    printf("echo on 127.0.0.1:%d\n", ntohs(address.sin_port));
    Thread *acceptor;
    failed = threadFork(&acceptor, acceptConnections, (void *)(intptr_t)listener);
    if (failed == 0)
        threadJoin(acceptor, NULL);
    return failed != 0;
}
