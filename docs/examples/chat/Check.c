/* Check.c -- clients that try the server they share the process with. */
#include "Check.h"

#include "Room.h"

#include <capri/capri.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SAYINGS = 20,
    RUDE_BUFFER = 2048, /* bytes that the kernel keeps for who does not read */
    RUDE_SECONDS = 5    /* until he has to be sent away */
};

typedef struct Client {
    int number, fd;
    int *heard; /* of each other one: how many sayings, in order */
    bool right;
} Client;

static struct sockaddr_in server;
static int clients;
static Barrier *all_in, *all_said;

static bool say(const Client *client, const char *format, int number)
{
    char line[LINE_MOST];
    int size = snprintf(line, sizeof line, format, number);
    return fdWriteAll(client->fd, line, (size_t)size) == size;
}

static bool awaitLine(LineReader *reader, const char *wanted)
{
    char line[LINE_MOST];
    while (lineRead(reader, line)) {
        if (strcmp(line, wanted) == 0)
            return true;
    }
    return false;
}

/* Everything that everybody says, our own words too. */
static bool hearAll(Client *client, LineReader *reader)
{
    char line[LINE_MOST];
    for (int rest = clients * SAYINGS; rest > 0;) {
        int who, what;
        if (!lineRead(reader, line))
            return false;
        if (sscanf(line, "client-%d: saying %d", &who, &what) != 2)
            continue;
        if (who < 0 || who >= clients || client->heard[who]++ != what)
            return false;
        rest--;
    }
    return true;
}

static bool talk(Client *client)
{
    LineReader reader = {.connection = client->fd};
    char line[LINE_MOST];
    if (fdConnect(client->fd, (struct sockaddr *)&server, sizeof server) != 0 ||
        !say(client, "client-%d\n", client->number))
        return false;
    snprintf(line, sizeof line, "* client-%d is here", client->number);
    bool right = awaitLine(&reader, line);
    barrierWait(all_in);
    for (int i = 0; i < SAYINGS; i++)
        right = right && say(client, "saying %d\n", i);
    right = right && hearAll(client, &reader);
    barrierWait(all_said);
    right = right && awaitLine(&reader, "* the room is closing");
    while (lineRead(&reader, line)) { /* who else has left; then the end */
    }
    return right;
}

static void *runClient(void *env)
{
    Client *client = env;
    client->fd = fdSocket(AF_INET, SOCK_STREAM, 0);
    client->heard = calloc((size_t)clients, sizeof *client->heard);
    client->right = client->fd >= 0 && client->heard != NULL && talk(client);
    free(client->heard);
    closeFd(client->fd);
    return NULL;
}

static void setServer(uint16_t port)
{
    server = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int checkRun(uint16_t port, int count)
{
    Client *all = calloc((size_t)count, sizeof *all);
    Thread **threads = calloc((size_t)count, sizeof(Thread *));
    int wrong = 0;
    setServer(port);
    clients = count;
    all_in = barrierNew((uint32_t)count);
    all_said = barrierNew((uint32_t)count + 1);
    for (int i = 0; i < count; i++) {
        all[i].number = i;
        if (threadFork(&threads[i], runClient, &all[i]) != 0)
            abort();
    }
    barrierWait(all_said);
    kill(getpid(), SIGINT);
    for (int i = 0; i < count; i++) {
        threadJoin(threads[i], NULL);
        threadRelease(threads[i]);
        wrong += !all[i].right;
    }
    barrierFree(all_in);
    barrierFree(all_said);
    free(threads);
    free(all);
    printf("%d clients, %d sayings each: %d wrong\n", count, SAYINGS, wrong);
    return wrong;
}

static WaitGroup *rude_ones, *others; /* all of them; all but one, until they are sent away */

/* Each is too slow for what the others say, so they send each other away, many at the same time. */
static void *beRude(void *env)
{
    int fd = fdSocket(AF_INET, SOCK_STREAM, 0), size = RUDE_BUFFER;
    int64_t last = rtsNow() + INT64_C(1000000000) * RUDE_SECONDS;
    char line[LINE_MOST];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    ssize_t n = fdConnect(fd, (struct sockaddr *)&server, sizeof server);
    while (n >= 0 && rtsNow() < last && waitGroupWaitUntil(others, rtsNow()) != 0)
        n = fdWriteAllUntil(fd, line, sizeof line, last);
    if (n < 0)
        waitGroupDone(others);
    waitGroupDone(rude_ones);
    return env; /* the last one stays connected: he is to be sent away in the end */
}

int checkRude(uint16_t port, int count)
{
    setServer(port);
    rude_ones = waitGroupNew();
    others = waitGroupNew();
    if (waitGroupAdd(rude_ones, (uint32_t)count) != 0 ||
        waitGroupAdd(others, (uint32_t)count - 1) != 0)
        abort();
    for (int i = 0; i < count; i++) {
        if (threadFork(NULL, beRude, NULL) != 0)
            abort();
    }
    waitGroupWait(rude_ones);
    int wrong = waitGroupWaitUntil(others, rtsNow()) != 0;
    kill(getpid(), SIGINT);
    printf("%d clients that do not read: %s\n", count, wrong ? "wrong" : "sent away");
    waitGroupFree(rude_ones);
    waitGroupFree(others);
    return wrong;
}
