/* NameServer.c -- answers questions for A and AAAA.
 *
 * Note [Names]
 *   host<n>.test    10.1.n/256.n%256 and fd00::n
 *   four<n>.test    10.1.n/256.n%256, and no AAAA
 *   large<n>.test   NAME_SERVER_LARGE addresses 10.2.n.i; by UDP cut short, and the bit set
 *   late<n>.test    as host<n>, from the third time on that it is asked for
 *   dead<n>.test    no answer
 *   others          no such name
 */
#include "NameServer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    HEADER = 12,
    NAME_MOST = 256,
    MESSAGE_MOST = 4096,
    NUMBERS = 1024, /* names of one kind */
    CONNECTIONS = 64,
    UDP = 0, /* places in NameServer.fds */
    LISTENER = 1,
    STOP = 2,
    FIRST = 3,
    TYPE_A = 1,
    TYPE_AAAA = 28,
    NO_SUCH_NAME = 3 /* a response code */
};

typedef struct Connection {
    size_t size;
    uint8_t input[MESSAGE_MOST];
} Connection;

struct NameServer {
    pthread_t thread;
    uint16_t port;
    int stop[2]; /* a pipe */
    unsigned tcp_questions;
    uint8_t late[NUMBERS]; /* how often late<n> was asked for */
    struct pollfd fds[FIRST + CONNECTIONS];
    Connection connections[CONNECTIONS];
};

typedef struct Question {
    char name[NAME_MOST];
    unsigned number; /* in the name */
    unsigned type;
    size_t end; /* of the question in the message */
} Question;

static unsigned read16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint8_t *write16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

/* False: it is none that we understand. */
static bool parseQuestion(Question *question, const uint8_t *message, size_t size)
{
    size_t at = HEADER, length = 0;
    if (size < HEADER || (message[2] & 0x80) != 0 || read16(message + 4) != 1)
        return false;
    while (at < size && message[at] != 0) {
        size_t part = message[at++];
        if (part > 63 || at + part >= size || length + part + 1 >= NAME_MOST)
            return false;
        memcpy(question->name + length, message + at, part);
        question->name[length + part] = '.';
        length += part + 1;
        at += part;
    }
    if (length == 0 || at + 5 > size)
        return false;
    question->name[length - 1] = 0;
    question->type = read16(message + at + 1);
    question->end = at + 5;
    return true;
}

/* Is it `kind`<number>.test? */
static bool isKind(Question *question, const char *kind)
{
    size_t size = strlen(kind);
    int end = 0;
    return strncasecmp(question->name, kind, size) == 0 &&
           sscanf(question->name + size, "%u.test%n", &question->number, &end) == 1 && end > 0 &&
           question->name[size + (size_t)end] == 0 && question->number < NUMBERS;
}

static uint8_t *writeAddress(uint8_t *at, unsigned type, unsigned high, unsigned number)
{
    bool six = type == TYPE_AAAA;
    at = write16(at, 0xC000 | HEADER); /* the name in the question */
    at = write16(write16(at, type), 1);
    at = write16(write16(at, 0), 60); /* it may be kept for a minute */
    at = write16(at, six ? 16 : 4);
    memset(at, 0, 16);
    at[0] = six ? 0xFD : 10;
    if (!six)
        at[1] = (uint8_t)high;
    write16(at + (six ? 14 : 2), number);
    return at + (six ? 16 : 4);
}

/* The answer's size; 0: none.  message has room for MESSAGE_MOST. */
static size_t answer(NameServer *server, uint8_t *message, size_t size, bool tcp)
{
    Question question = {.type = 0};
    unsigned count = 0, code = 0, flags = 0x8580; /* an answer, of the authority, no recursion */
    if (!parseQuestion(&question, message, size) || isKind(&question, "dead"))
        return 0;
    bool late = isKind(&question, "late"), large = !late && isKind(&question, "large");
    bool host = late || isKind(&question, "host");
    uint8_t *at = message + question.end;
    if (late && server->late[question.number] < 2) {
        server->late[question.number]++;
        return 0;
    }
    server->tcp_questions += tcp;
    if (large && !tcp) {
        flags |= 0x0200; /* cut short */
    } else if (large) {
        for (; question.type == TYPE_A && count < NAME_SERVER_LARGE; count++)
            at = writeAddress(at, TYPE_A, 2, question.number << 8 | count);
    } else if (host || isKind(&question, "four")) {
        if (question.type == TYPE_A || (host && question.type == TYPE_AAAA))
            at = writeAddress(at, question.type, 1, question.number), count = 1;
    } else {
        code = NO_SUCH_NAME;
    }
    write16(message + 2, flags | code);
    write16(message + 6, count);
    memset(message + 8, 0, 4);
    return (size_t)(at - message);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void serveDatagram(NameServer *server)
{
    uint8_t message[MESSAGE_MOST];
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    int fd = server->fds[UDP].fd;
    ssize_t got =
        recvfrom(fd, message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
    size_t size = got > 0 ? answer(server, message, (size_t)got, false) : 0;
    if (size > 0) /* one that does not fit is lost, as datagrams are */
        sendto(fd, message, size, MSG_DONTWAIT, (struct sockaddr *)&from, from_size);
}

static void acceptConnection(NameServer *server)
{
    int fd = accept(server->fds[LISTENER].fd, NULL, NULL);
    for (int i = 0; fd >= 0 && i < CONNECTIONS; i++) {
        if (server->fds[FIRST + i].fd < 0) {
            server->fds[FIRST + i].fd = fd;
            server->connections[i].size = 0;
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

/* False: it is over. */
static bool serveConnection(NameServer *server, int fd, Connection *at)
{
    uint8_t message[2 + MESSAGE_MOST];
    ssize_t got = recv(fd, at->input + at->size, sizeof at->input - at->size, MSG_DONTWAIT);
    if (got <= 0)
        return false;
    at->size += (size_t)got;
    while (at->size >= 2 && at->size >= 2 + read16(at->input)) {
        size_t taken = 2 + read16(at->input);
        memcpy(message + 2, at->input + 2, taken - 2);
        memmove(at->input, at->input + taken, at->size -= taken);
        size_t size = answer(server, message + 2, taken - 2, true);
        write16(message, (unsigned)size);
        if (size > 0 && send(fd, message, 2 + size, MSG_NOSIGNAL) != (ssize_t)(2 + size))
            return false;
    }
    return at->size < sizeof at->input;
}

static void *serve(void *env)
{
    NameServer *server = env;
    while (server->fds[STOP].revents == 0) {
        if (poll(server->fds, FIRST + CONNECTIONS, -1) < 0)
            continue;
        if (server->fds[UDP].revents != 0)
            serveDatagram(server);
        if (server->fds[LISTENER].revents != 0)
            acceptConnection(server);
        for (int i = 0; i < CONNECTIONS; i++) {
            struct pollfd *at = &server->fds[FIRST + i];
            if (at->fd >= 0 && at->revents != 0 &&
                !serveConnection(server, at->fd, &server->connections[i])) {
                close(at->fd);
                at->fd = -1;
            }
            at->revents = 0;
        }
    }
    return NULL;
}

/* ---- start and stop -------------------------------------------------------------------------- */

/* Both kinds on one port; -1: somebody has the other kind of it. */
static int openSockets(NameServer *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 4 << 20;
    setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(tcp, (struct sockaddr *)&address, size) != 0 || listen(tcp, CONNECTIONS) != 0 ||
        getsockname(tcp, (struct sockaddr *)&address, &size) != 0 ||
        bind(udp, (struct sockaddr *)&address, size) != 0) {
        close(tcp);
        close(udp);
        return -1;
    }
    server->port = ntohs(address.sin_port);
    server->fds[UDP] = (struct pollfd){.fd = udp, .events = POLLIN};
    server->fds[LISTENER] = (struct pollfd){.fd = tcp, .events = POLLIN};
    return 0;
}

NameServer *nameServerStart(void)
{
    NameServer *server = calloc(1, sizeof *server);
    int failed = -1;
    if (server == NULL || pipe(server->stop) != 0) {
        free(server);
        return NULL;
    }
    for (int i = 0; i < CONNECTIONS; i++)
        server->fds[FIRST + i] = (struct pollfd){.fd = -1, .events = POLLIN};
    server->fds[STOP] = (struct pollfd){.fd = server->stop[0], .events = POLLIN};
    for (int tries = 0; failed != 0 && tries < 20; tries++)
        failed = openSockets(server);
    if (failed == 0 && pthread_create(&server->thread, NULL, serve, server) == 0)
        return server;
    free(server);
    return NULL;
}

uint16_t nameServerPort(const NameServer *server)
{
    return server->port;
}

unsigned nameServerStop(NameServer *server)
{
    unsigned tcp_questions;
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    for (int i = 0; i < FIRST + CONNECTIONS; i++)
        if (server->fds[i].fd >= 0)
            close(server->fds[i].fd);
    tcp_questions = server->tcp_questions;
    free(server);
    return tcp_questions;
}
