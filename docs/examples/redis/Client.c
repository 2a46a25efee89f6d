/* Client.c -- talks to a redis server in every way that hiredis has, and checks what it gets.
 *
 *     redis --port P --standalone          redis --port P --capabilities N
 *
 * A session is a chain of callbacks: each step begins the next when its last answer has come.
 *   store        many SETs and GETs in one go, some larger than a socket's buffer
 *   subscribe    one connection publishes, another receives
 *   limit        a command that is not answered in time ends its connection
 *   kill         the server closes a connection; it is made again
 *   refuse       nobody listens
 *   stall        somebody listens, and takes no more connections: connecting has its limit, too
 *   abandon      a connection is freed in a callback, with commands under way
 *   disconnect   what was asked before is answered first
 */
#include "Adapter.h"

#include <Run.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEYS = 3000,
    LARGE_EVERY = 100, /* keys; such a value has */
    LARGE = 60 * 1000, /* bytes */
    MESSAGES = 1000,
    PINGS = 100,
    VISITS_UNDER_WAY = 1000,
    FILLING = 3, /* a listener with a backlog of 0 takes one */
    LIMIT_US = 100 * 1000,
    WATCHDOG_US = 50 * 1000 * 1000
};

typedef struct Session {
    Run *run;
    Alarm *watchdog;
    redisAsyncContext *store, *victim;
    unsigned faults;
    unsigned set, got, published, received, lost, kills, pings;
    unsigned visits, visited; /* INCRs that green threads have sent; that were answered */
    int refusing;             /* a socket that is bound and does not listen, or not well; */
    int filling[FILLING];     /* connections that keep it from taking others */
    bool back;                /* the victim of the kill has been, and has left */
    bool closing;
    char expected[LARGE + 1];
} Session;

static int port;

static void begin(Session *session, redisAsyncContext **at, int to, redisConnectCallback *connected,
                  redisDisconnectCallback *disconnected)
{
    redisAsyncContext *context = redisAsyncConnect("127.0.0.1", to);
    if (context == NULL || context->err != 0 || redisAttach(context, session->run->loop) != 0) {
        fprintf(stderr, "cannot connect\n");
        exit(1);
    }
    context->data = session;
    redisAsyncSetConnectCallback(context, connected);
    redisAsyncSetDisconnectCallback(context, disconnected);
    if (at != NULL)
        *at = context;
}

static void command(redisAsyncContext *context, redisCallbackFn *fn, const char *text)
{
    Session *session = context->data;
    EXPECT(session, redisAsyncCommand(context, fn, NULL, text, session->run->number) == REDIS_OK);
}

static bool isText(const redisReply *reply, int type, const char *text)
{
    return reply != NULL && reply->type == type && strcmp(reply->str, text) == 0;
}

/* ---- disconnect ------------------------------------------------------------------------------ */

static void countPing(redisAsyncContext *context, void *reply, void *env)
{
    Session *session = context->data;
    (void)env;
    session->pings += EXPECT(session, isText(reply, REDIS_REPLY_STATUS, "PONG"));
}

static void storeDisconnected(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_OK);
    EXPECT(session, session->closing);
    EXPECT(session, session->pings == PINGS);
    EXPECT(session, session->visits == session->visited);
    session->store = NULL;
    alarmFree(session->watchdog);
    session->run->over(session->run);
}

static void disconnect(Session *session)
{
    session->pings = 0;
    for (int i = 0; i < PINGS; i++)
        command(session->store, countPing, "PING");
    session->closing = true;
    redisAsyncDisconnect(session->store);
    EXPECT(session, redisAsyncCommand(session->store, NULL, NULL, "PING") == REDIS_ERR);
}

/* ---- abandon --------------------------------------------------------------------------------- */

static void abandonFirst(redisAsyncContext *context, void *reply, void *env)
{
    Session *session = context->data;
    (void)env;
    if (session->pings++ == 0) {
        EXPECT(session, isText(reply, REDIS_REPLY_STATUS, "PONG"));
        redisAsyncFree(context);
    } else {
        EXPECT(session, reply == NULL);
    }
}

static void abandoned(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    (void)status;
    EXPECT(session, session->pings == PINGS);
    disconnect(session);
}

static void abandon(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_OK);
    session->pings = 0;
    for (int i = 0; i < PINGS; i++)
        command((redisAsyncContext *)context, abandonFirst, "PING");
}

/* ---- refuse, stall --------------------------------------------------------------------------- */

static void stalled(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_ERR && strcmp(context->errstr, "timed out") == 0);
    for (int i = 0; i < FILLING; i++)
        close(session->filling[i]);
    close(session->refusing);
    begin(session, NULL, port, abandon, abandoned);
}

static struct sockaddr_in addressOf(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        exit(1);
    return address;
}

static void stall(Session *session)
{
    struct sockaddr_in address = addressOf(session->refusing);
    redisAsyncContext *context;
    EXPECT(session, listen(session->refusing, 0) == 0);
    for (int i = 0; i < FILLING; i++) {
        session->filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(session->filling[i], (struct sockaddr *)&address, sizeof address);
    }
    begin(session, &context, ntohs(address.sin_port), stalled, NULL);
    EXPECT(session, redisLimit(context, LIMIT_US) == 0);
}

static void refused(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_ERR);
    stall(session);
}

static void refuse(Session *session)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    session->refusing = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(session->refusing, (struct sockaddr *)&address, sizeof address) != 0)
        exit(1);
    address = addressOf(session->refusing);
    begin(session, NULL, ntohs(address.sin_port), refused, NULL);
}

/* ---- kill ------------------------------------------------------------------------------------ */

static void ponged(redisAsyncContext *context, void *reply, void *env)
{
    countPing(context, reply, env);
    redisAsyncDisconnect(context);
}

static void loseAnswer(redisAsyncContext *context, void *reply, void *env)
{
    Session *session = context->data;
    (void)env;
    session->lost += EXPECT(session, reply == NULL);
}

/* The victim is back and has left; who killed it has been told so: in either order. */
static void endKill(Session *session)
{
    if (session->kills == 1 && session->back)
        refuse(session);
}

static void countKill(redisAsyncContext *context, void *data, void *env)
{
    Session *session = context->data;
    const redisReply *reply = data;
    (void)env;
    session->kills += EXPECT(session, reply != NULL && reply->integer == 1);
    endKill(session);
}

static void killVictim(redisAsyncContext *context, void *data, void *env)
{
    Session *session = context->data;
    const redisReply *reply = data;
    (void)env;
    if (!EXPECT(session, reply != NULL && reply->type == REDIS_REPLY_INTEGER))
        return;
    command(context, loseAnswer, "BLPOP nothing:%u 0");
    redisAsyncCommand(session->store, countKill, NULL, "CLIENT KILL ID %lld", reply->integer);
}

static void victimConnected(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_OK);
    if (session->lost == 1)
        command(session->victim, killVictim, "CLIENT ID");
    else
        command(session->victim, ponged, "PING");
}

static void victimDisconnected(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    if (session->pings == 0) {
        EXPECT(session, status == REDIS_ERR && context->err != 0); /* the end, or a reset */
        EXPECT(session, session->lost == 2);
        begin(session, &session->victim, port, victimConnected, victimDisconnected);
    } else {
        session->back = EXPECT(session, status == REDIS_OK);
        endKill(session);
    }
}

/* ---- limit ----------------------------------------------------------------------------------- */

static void limitConnected(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_OK);
    command((redisAsyncContext *)context, loseAnswer, "BLPOP nothing:%u 0");
}

static void limitDisconnected(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_ERR && strcmp(context->errstr, "timed out") == 0);
    EXPECT(session, session->lost == 1);
    begin(session, &session->victim, port, victimConnected, victimDisconnected);
}

static void limit(Session *session)
{
    redisAsyncContext *context;
    begin(session, &context, port, limitConnected, limitDisconnected);
    EXPECT(session, redisLimit(context, LIMIT_US) == 0);
}

/* ---- subscribe ------------------------------------------------------------------------------- */

static void countPublished(redisAsyncContext *context, void *data, void *env)
{
    Session *session = context->data;
    const redisReply *reply = data;
    (void)env;
    session->published += EXPECT(session, reply != NULL && reply->integer == 1);
}

/* Replies are ["subscribe", channel, 1], ["message", channel, text], ["unsubscribe", channel, 0];
 * the last comes when no other does. */
static void receive(redisAsyncContext *context, void *data, void *env)
{
    Session *session = context->data;
    const redisReply *reply = data;
    (void)env;
    if (!EXPECT(session, reply != NULL && reply->elements == 3))
        return;
    const char *kind = reply->element[0]->str, *text = reply->element[2]->str;
    if (strcmp(kind, "subscribe") == 0) {
        for (int i = 0; i < MESSAGES; i++)
            redisAsyncCommand(session->store, countPublished, NULL, "PUBLISH channel:%u %d",
                              session->run->number, i);
    } else if (strcmp(kind, "message") == 0) {
        EXPECT(session, text != NULL && (unsigned)atoi(text) == session->received);
        if (++session->received == MESSAGES)
            command(context, NULL, "UNSUBSCRIBE channel:%u");
    } else if (EXPECT(session, strcmp(kind, "unsubscribe") == 0)) {
        redisAsyncDisconnect(context);
    }
}

static void subscriberConnected(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_OK);
    command((redisAsyncContext *)context, receive, "SUBSCRIBE channel:%u");
}

static void subscriberDisconnected(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    EXPECT(session, status == REDIS_OK && session->received == MESSAGES);
    limit(session);
}

/* ---- store ----------------------------------------------------------------------------------- */

/* The value of key i: its number, and a lot of letters after some. */
static const char *value(Session *session, unsigned i)
{
    int size = sprintf(session->expected, "%u/%u", session->run->number, i);
    if (i % LARGE_EVERY == 0) {
        memset(session->expected + size, 'a' + (int)(i / LARGE_EVERY % 26), (size_t)(LARGE - size));
        size = LARGE;
    }
    session->expected[size] = 0;
    return session->expected;
}

static void countSet(redisAsyncContext *context, void *reply, void *env)
{
    Session *session = context->data;
    (void)env;
    session->set += EXPECT(session, isText(reply, REDIS_REPLY_STATUS, "OK"));
}

static void countGot(redisAsyncContext *context, void *reply, void *env)
{
    Session *session = context->data;
    const char *wanted = value(session, session->got);
    (void)env;
    EXPECT(session, isText(reply, REDIS_REPLY_STRING, wanted));
    if (++session->got < KEYS)
        return;
    EXPECT(session, session->set == KEYS);
    begin(session, NULL, port, subscriberConnected, subscriberDisconnected);
}

static void storeConnected(const redisAsyncContext *context, int status)
{
    Session *session = context->data;
    unsigned number = session->run->number;
    if (!EXPECT(session, status == REDIS_OK))
        exit(1);
    for (unsigned i = 0; i < KEYS; i++)
        redisAsyncCommand(session->store, countSet, NULL, "SET key:%u:%u %s", number, i,
                          value(session, i));
    for (unsigned i = 0; i < KEYS; i++)
        redisAsyncCommand(session->store, countGot, NULL, "GET key:%u:%u", number, i);
}

/* ---- the session ----------------------------------------------------------------------------- */

static void watchdog(void *env)
{
    Session *session = env;
    fprintf(stderr, "stuck: set %u, got %u, received %u, lost %u, pings %u, visits %u of %u\n",
            session->set, session->got, session->received, session->lost, session->pings,
            session->visited, session->visits);
    exit(1);
}

static int beginSession(Run *run)
{
    Session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return -1;
    session->run = run;
    run->session = session;
    session->watchdog = alarmNew(run->loop, watchdog, session);
    if (session->watchdog == NULL || alarmSet(session->watchdog, WATCHDOG_US) != 0)
        return -1;
    begin(session, &session->store, port, storeConnected, storeDisconnected);
    command(session->store, NULL, "DEL visits:%u");
    return 0;
}

static void countVisit(redisAsyncContext *context, void *data, void *env)
{
    Session *session = context->data;
    const redisReply *reply = data;
    (void)env;
    session->visited++;
    EXPECT(session, reply != NULL && reply->integer == session->visited);
}

static bool visitSession(void *env)
{
    Session *session = env;
    if (!session->closing && session->visits - session->visited < VISITS_UNDER_WAY) {
        command(session->store, countVisit, "INCR visits:%u");
        session->visits++;
    }
    return !session->closing;
}

static unsigned endSession(void *env)
{
    Session *session = env;
    EXPECT(session, session->published == MESSAGES);
    unsigned faults = session->faults;
    printf("session %u: %u set, %u got, %u published, %u received, %u lost, %u visits, %u faults\n",
           session->run->number, session->set, session->got, session->published, session->received,
           session->lost, session->visited, faults);
    free(session);
    return faults;
}

int main(int argc, char **argv)
{
    const Program program = {.begin = beginSession, .visit = visitSession, .end = endSession};
    const char *given = runOption(argv, "--port");
    (void)argc;
    port = given != NULL ? atoi(given) : 6379;
    return runMain(&program, argv);
}
