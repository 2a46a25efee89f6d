/* httpd.c -- an HTTP/1.1 server: one green thread per connection, written as if every call blocked.
 *
 *     httpd [--port P] [--capabilities N] [--backend epoll|poll|uring] [--seconds S] [--stats]
 *
 * Each capability has a listener of its own (SO_REUSEPORT) and a thread pinned to it that accepts.
 * The threads that serve the connections run wherever there is time for them.
 */
#include <capri/capri.h>

#include <arpa/inet.h>
#include <errno.h>
#include <error.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CAPRI_WITH_JEMALLOC
#include <capri/jemalloc.h>
#endif

/* What an idle connection keeps on its stack should fit in one page, with the library's frames. */
enum { CAPABILITIES = 64, INPUT = 1536 };

#define PAGE                                                                                       \
    "<!DOCTYPE html>\n<title>Capri</title>\n<h1>Capri</h1>\n<p>One green thread for each "         \
    "connection, written as if every call blocked. None of them ever does.\n"
_Static_assert(sizeof PAGE - 1 == 151, "what Content-Length says");
#define EMPTY "Content-Length: 0\r\n"

typedef enum Kind { Page, BadRequest, NotFound, NotAllowed, TooLarge, KINDS } Kind;
static const char *const lines[KINDS] = {
    "200 OK\r\nContent-Type: text/html\r\nContent-Length: 151\r\n", "400 Bad Request\r\n" EMPTY,
    "404 Not Found\r\n" EMPTY, "405 Method Not Allowed\r\nAllow: GET, HEAD\r\n" EMPTY,
    "431 Request Header Fields Too Large\r\n" EMPTY};

/* The whole of each answer, made once: [what][keep the connection][without the body]. */
static char answers[KINDS][2][2][300];

/* [n][0]: requests answered on capability n, which alone writes it; a cache line each. */
static volatile uint64_t served[CAPABILITIES][8];

typedef struct Request {
    Kind kind;
    bool head, keep; /* answer without the body; keep the connection for more */
} Request;

static void makeAnswers(void)
{
    for (int i = 0; i < KINDS * 4; i++) {
        bool keep = i & 2, head = i & 1;
        char *at = stpcpy(stpcpy(answers[i / 4][keep][head], "HTTP/1.1 "), lines[i / 4]);
        at = stpcpy(at, keep ? "\r\n" : "Connection: close\r\n\r\n");
        strcpy(at, i / 4 == Page && !head ? PAGE : "");
    }
}

/* Does a header line say "name: value..."? */
static bool says(const char *line, const char *name, const char *value)
{
    size_t size = strlen(name);
    return strncasecmp(line, name, size) == 0 &&
           strncasecmp(line + size + strspn(line + size, " \t"), value, strlen(value)) == 0;
}

/* The request at the start of text: its size, 0 if its end has not come yet. */
static size_t parseRequest(Request *request, char *text)
{
    char *line = text, *end = strstr(text, "\r\n\r\n");
    bool host = false, body = false, close = false, head = strncmp(text, "HEAD ", 5) == 0;
    if (end == NULL)
        return 0;
    end[2] = 0;
    const char *target = strchr(text, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
    bool modern = version != NULL && strncmp(version, " HTTP/1.1\r\n", 11) == 0;
    bool old = version != NULL && strncmp(version, " HTTP/1.0\r\n", 11) == 0;
    while (*(line = strchr(line, '\n') + 1) != 0) {
        host = host || says(line, "Host:", "");
        close = close || says(line, "Connection:", "close");
        body = body || says(line, "Content-Length:", "") || says(line, "Transfer-Encoding:", "");
    }
    bool valid = old || (modern && host), keep = modern && valid && !close && !body;
    request->kind = !valid                                   ? BadRequest
                    : !head && strncmp(text, "GET ", 4) != 0 ? NotAllowed
                    : strncmp(target, " / ", 3) != 0         ? NotFound
                                                             : Page;
    request->head = head, request->keep = keep; /* not after a body, which we do not read */
    return (size_t)(end + 4 - text);
}

/* False: the connection is over. */
static bool answer(int fd, const Request *request)
{
    const char *text = answers[request->kind][request->keep][request->head];
    served[threadCapability()][0]++;
    return fdWriteAll(fd, text, strlen(text)) > 0 && request->keep;
}

static void *serveConnection(void *env)
{
    int fd = (int)(intptr_t)env;
    char input[INPUT + 1];
    size_t size = 0, used, taken;
    Request request, too_large = {.kind = TooLarge};
    bool more = true;
    for (ssize_t got; more && (got = fdRead(fd, input + size, INPUT - size)) > 0;) {
        input[size += (size_t)got] = 0;
        for (used = 0; more && (taken = parseRequest(&request, input + used)) > 0; used += taken)
            more = answer(fd, &request);
        memmove(input, input + used, size -= used); /* the beginning of the next one */
        if (size == INPUT)
            more = answer(fd, &too_large);
    }
    fdShutdown(fd, SHUT_WR); /* to close over unread input would cut off our last answer */
    for (int most = 64; most > 0 && fdRead(fd, input, INPUT) > 0; most--)
        continue;
    closeFd(fd);
    return NULL;
}

static void *acceptConnections(void *env)
{
    int listener = (int)(intptr_t)env, fd;
    while ((fd = fdAccept(listener, NULL, NULL)) != -ECANCELED) {
        if (fd < 0)
            threadDelay(10 * 1000); /* out of descriptors, say: let some connections end */
        else if (threadFork(NULL, serveConnection, (void *)(intptr_t)fd) != 0)
            closeFd(fd);
    }
    return NULL;
}

/* Prints what was served since `before`, which becomes now; the rest since the start. */
static void printCounts(const char *when, uint64_t before[CAPABILITIES])
{
    uint64_t here[CAPABILITIES], all = 0;
    RtsStats sum = {0}, one;
    uint32_t count = 0;
    for (; rtsStats(count, &one) == 0; count++) {
        all += here[count] = served[count][0] - before[count];
        before[count] += here[count];
        sum.stolen += one.stolen;
        sum.polls += one.polls;
        sum.sleeps += one.sleeps;
        sum.woken += one.woken;
        sum.changes += one.changes;
    }
    printf("%s: %lu requests, by capability:", when, all);
    for (uint32_t i = 0; i < count; i++)
        printf(" %lu (%.1f%%)", here[i], all != 0 ? 100.0 * (double)here[i] / (double)all : 0);
    printf("; threads stolen %lu, polls %lu, sleeps %lu, wakes %lu, epoll_ctl %lu\n", sum.stolen,
           sum.polls, sum.sleeps, sum.woken, sum.changes);
    fflush(stdout);
}

static const char *option(char **argv, const char *name, const char *otherwise)
{
    while (*++argv != NULL)
        if (strcmp(*argv, name) == 0)
            return argv[1] != NULL ? argv[1] : "";
    return otherwise;
}

int main(int argc __attribute__((unused)), char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    RtsConfig config = {.backend = option(argv, "--backend", NULL),
                        .capabilities = (uint32_t)atoi(option(argv, "--capabilities", "0"))};
    int seconds = atoi(option(argv, "--seconds", "-1")), listeners[CAPABILITIES], yes = 1;
    uint64_t last[CAPABILITIES] = {0}, start[CAPABILITIES] = {0};
    sigset_t stop;
    makeAnswers();
    sigemptyset(&stop), sigaddset(&stop, SIGINT), sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); /* in every OS thread, for sigtimedwait */
    address.sin_port = htons((uint16_t)atoi(option(argv, "--port", "8080")));
#ifdef CAPRI_WITH_JEMALLOC
    config.allocator = jemallocAllocator();
#endif
    int failed = rtsInit(&config), count = (int)capabilityCount();
    if (failed == 0)
        failed = fdListenMany((struct sockaddr *)&address, sizeof address, 1024, count, listeners);
    for (int i = 0; failed == 0 && i < count; i++) {
        setsockopt(listeners[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* inherited */
        failed = threadForkOn(NULL, (uint32_t)i, acceptConnections, (void *)(intptr_t)listeners[i]);
    }
    if (failed != 0)
        error(1, -failed, "cannot serve");
    printf("http://127.0.0.1:%d/ on %d capabilities\n", ntohs(address.sin_port), count);
    for (; seconds != 0 && sigtimedwait(&stop, NULL, &(struct timespec){.tv_sec = 1}) < 0;
         seconds--)
        if (option(argv, "--stats", NULL))
            printCounts("second", last);
    printCounts("in all", start);
    return rtsShutdown(Cancel, rtsNow() + INT64_C(5000000000)) != 0;
}
