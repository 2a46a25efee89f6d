/* Http.c -- rows 8 to 10 and 18: an HTTP server of one green thread a connection.
 *
 * It reads, parses and answers as the peers in C do, by their header, so that what differs is how
 * they wait; docs/examples/httpd.c is the server that reads all fields of a request.  A connection
 * has memory of its own on its stack alone.
 */
#include "testsuite/bench/peers/c/Http.h"
#include "testsuite/bench/support/Bench.h"

#include <capri/fd.h>
#include <capri/rts.h>
#include <capri/thread.h>

enum { INPUT = 1536, BACK_OFF_US = 10 * 1000 }; /* a page of stack holds it, and all frames */

static void *serveConnection(void *env)
{
    int fd = (int)(intptr_t)env;
    size_t size = 0, used;
    char input[INPUT];
    for (ssize_t got; (got = fdRead(fd, input + size, INPUT - size)) > 0;) {
        size += (size_t)got;
        for (Answer answer; (answer = takeRequests(input, size, &used)).size > 0;) {
            if (fdWriteAll(fd, answer.bytes, answer.size) < 0)
                goto over;
            memmove(input, input + used, size -= used);
        }
        if (size == INPUT)
            break;
    }
over:
    closeFd(fd);
    return NULL;
}

static void *acceptConnections(void *env)
{
    int listener = (int)(intptr_t)env, fd;
    while ((fd = fdAccept(listener, NULL, NULL)) != -ECANCELED) {
        if (fd < 0)
            threadDelay(BACK_OFF_US);
        else if (threadFork(NULL, serveConnection, (void *)(intptr_t)fd) != 0)
            closeFd(fd);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int cores = option(argv, "--cores", 2), port = option(argv, "--port", 8080), signal;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* in every OS thread, for sigwait */
    benchStart(argc, argv);
    for (int i = 0; i < cores; i++) {
        int listener = openListener(port);
        BENCH_CHECK(fdAdopt(listener) == 0);
        BENCH_CHECK(
            threadForkOn(NULL, (uint32_t)i, acceptConnections, (void *)(intptr_t)listener) == 0);
    }
    sigwait(&stop, &signal);
    exit(0);
}
