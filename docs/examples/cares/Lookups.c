/* Lookups.c -- asks a name server of its own for names, and checks what c-ares says.
 *
 *     cares --standalone          cares --capabilities N
 *
 * Many at once: names with addresses of one family or both, and with none; one whose answer does
 * not fit into a datagram (TCP); one that is answered at the third time of asking, one never.
 * Then a lookup that is cancelled, and one that is still under way when the resolver is freed.
 */
#include "NameServer.h"
#include "Resolver.h"

#include <Run.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOSTS = 200,
    TIMEOUT_MS = 400, /* doubled with each try; who asks and who answers share a busy machine */
    TRIES = 4,
    VISITS_UNDER_WAY = 50,
    WATCHDOG_US = 50 * 1000 * 1000
};

typedef struct Session {
    Run *run;
    Resolver *resolver;
    Alarm *watchdog, *next;
    unsigned faults, waiting, done, visiting, visits;
    bool closing;
} Session;

/* What is expected of one lookup. */
typedef struct Lookup {
    Session *session;
    const char *kind;
    unsigned number;
    int family, status;
    unsigned fours, sixes; /* addresses */
    int timeouts;          /* at least */
    unsigned *counter;     /* of the session; one less when it is done */
} Lookup;

static NameServer *server;

/* ---- what comes ------------------------------------------------------------------------------ */

static bool isFour(const Lookup *lookup, const struct ares_addrinfo_node *node)
{
    const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)node->ai_addr;
    uint32_t bits = ntohl(address->sin_addr.s_addr);
    bool large = strcmp(lookup->kind, "large") == 0;
    return bits >> 16 == (large ? 0x0A02 : 0x0A01) &&
           (large ? bits >> 8 & 0xFF : bits & 0xFFFF) == lookup->number;
}

static bool isSix(const Lookup *lookup, const struct ares_addrinfo_node *node)
{
    const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)(const void *)node->ai_addr;
    const uint8_t *bytes = address->sin6_addr.s6_addr;
    return bytes[0] == 0xFD && (unsigned)(bytes[14] << 8 | bytes[15]) == lookup->number;
}

static void beginCancelling(Session *session)
{
    session->closing = true;
    EXPECT(session, alarmSet(session->next, 1) == 0); /* not out of c-ares */
}

static void finish(void *env, int status, int timeouts, struct ares_addrinfo *found)
{
    Lookup *lookup = env;
    Session *session = lookup->session;
    unsigned fours = 0, sixes = 0;
    if (!EXPECT(session, status == lookup->status))
        fprintf(stderr, "%s%u.test: %s\n", lookup->kind, lookup->number, ares_strerror(status));
    EXPECT(session, timeouts >= lookup->timeouts);
    for (struct ares_addrinfo_node *at = found ? found->nodes : NULL; at; at = at->ai_next) {
        bool six = at->ai_family == AF_INET6;
        EXPECT(session, six ? isSix(lookup, at) : isFour(lookup, at));
        fours += !six;
        sixes += six;
    }
    if (found != NULL)
        ares_freeaddrinfo(found);
    EXPECT(session, fours == lookup->fours && sixes == lookup->sixes);
    session->done++;
    --*lookup->counter;
    free(lookup);
    if (session->waiting == 0 && session->visiting == 0 && !session->closing)
        beginCancelling(session);
}

/* ---- what is asked --------------------------------------------------------------------------- */

static void ask(Session *session, const Lookup *wanted)
{
    struct ares_addrinfo_hints hints = {.ai_family = wanted->family};
    char name[64];
    Lookup *lookup = malloc(sizeof *lookup);
    if (lookup == NULL)
        abort();
    *lookup = *wanted;
    lookup->session = session;
    if (lookup->counter == NULL)
        lookup->counter = &session->waiting;
    ++*lookup->counter;
    snprintf(name, sizeof name, "%s%u.test", lookup->kind, lookup->number);
    ares_getaddrinfo(resolverChannel(session->resolver), name, NULL, &hints, finish, lookup);
    EXPECT(session, resolverAsked(session->resolver) == 0);
}

static void askAll(Session *session)
{
    unsigned number = session->run->number;
    const Lookup wanted[] = {
        {.kind = "host", .family = AF_INET6, .sixes = 1},
        {.kind = "host", .family = AF_UNSPEC, .fours = 1, .sixes = 1},
        {.kind = "four", .family = AF_UNSPEC, .fours = 1},
        {.kind = "none", .family = AF_INET, .status = ARES_ENOTFOUND},
        {.kind = "none", .family = AF_UNSPEC, .status = ARES_ENOTFOUND},
        {.kind = "large", .family = AF_INET, .fours = NAME_SERVER_LARGE},
        {.kind = "late", .family = AF_INET, .fours = 1, .timeouts = 2},
        {.kind = "dead", .family = AF_INET, .status = ARES_ETIMEOUT, .timeouts = TRIES},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        Lookup lookup = wanted[i];
        lookup.number = number;
        ask(session, &lookup);
    }
    for (unsigned i = 0; i < HOSTS; i++)
        ask(session, &(Lookup){.kind = "host", .number = i, .family = AF_INET, .fours = 1});
}

static void cancel(void *env)
{
    Session *session = env;
    ask(session, &(Lookup){.kind = "dead", .family = AF_INET, .status = ARES_ECANCELLED});
    ares_cancel(resolverChannel(session->resolver));
    EXPECT(session, resolverAsked(session->resolver) == 0);
    EXPECT(session, session->waiting == 0);
    alarmFree(session->next);
    alarmFree(session->watchdog);
    session->run->over(session->run);
}

/* ---- the session ----------------------------------------------------------------------------- */

static void watchdog(void *env)
{
    Session *session = env;
    fprintf(stderr, "stuck: %u done, %u and %u wait\n", session->done, session->waiting,
            session->visiting);
    exit(1);
}

static int beginSession(Run *run)
{
    struct ares_options options = {.timeout = TIMEOUT_MS, .tries = TRIES, .lookups = "b"};
    struct ares_addr_port_node node = {.family = AF_INET};
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS, failed;
    Session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return -1;
    session->run = run;
    session->watchdog = alarmNew(run->loop, watchdog, session);
    session->next = alarmNew(run->loop, cancel, session);
    session->resolver = resolverNew(run->loop, &options, mask, &failed);
    node.addr.addr4.s_addr = htonl(INADDR_LOOPBACK);
    node.udp_port = node.tcp_port = nameServerPort(server);
    if (session->watchdog == NULL || session->next == NULL || session->resolver == NULL ||
        ares_set_servers_ports(resolverChannel(session->resolver), &node) != ARES_SUCCESS ||
        alarmSet(session->watchdog, WATCHDOG_US) != 0) {
        fprintf(stderr, "cannot begin\n");
        exit(1);
    }
    run->session = session;
    askAll(session);
    return 0;
}

static bool visitSession(void *env)
{
    Session *session = env;
    if (!session->closing && session->waiting > 0 && session->visiting < VISITS_UNDER_WAY)
        ask(session, &(Lookup){.kind = "host",
                               .number = session->visits++ % HOSTS,
                               .family = AF_INET,
                               .fours = 1,
                               .counter = &session->visiting});
    return !session->closing;
}

static unsigned endSession(void *env)
{
    Session *session = env;
    ask(session, &(Lookup){.kind = "dead", .family = AF_INET, .status = ARES_EDESTRUCTION});
    resolverFree(session->resolver);
    EXPECT(session, session->waiting == 0 && session->visiting == 0);
    unsigned faults = session->faults;
    printf("session %u: %u lookups, %u of them visits, %u faults\n", session->run->number,
           session->done, session->visits, faults);
    free(session);
    return faults;
}

int main(int argc, char **argv)
{
    const Program program = {.begin = beginSession, .visit = visitSession, .end = endSession};
    (void)argc;
    server = nameServerStart();
    if (server == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        fprintf(stderr, "no name server\n");
        return 1;
    }
    int result = runMain(&program, argv);
    ares_library_cleanup();
    unsigned by_tcp = nameServerStop(server);
    if (by_tcp == 0 && result == 0) {
        fprintf(stderr, "nothing was asked by TCP\n");
        result = 1;
    }
    return result;
}
