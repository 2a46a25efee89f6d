/* Connect.c -- sockets are made: listening, connected. */
#include "Connect.h"

#include "Coroutine.h"
#include "Helper.h"
#include "Socket.h"

#include <lauxlib.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 1024, NAME_MOST = 256, SERVICE_SIZE = 16 };

static const char addresses_name[] = "capri.addresses";

/* ---- addresses ------------------------------------------------------------------------------- */

/* A list of addresses, kept by the stack. */
typedef struct Addresses {
    struct addrinfo *first, *next; /* all; the one to try next */
} Addresses;

static int freeAddresses(lua_State *L)
{
    Addresses *addresses = lua_touserdata(L, 1);
    if (addresses->first != NULL)
        freeaddrinfo(addresses->first);
    *addresses = (Addresses){NULL, NULL};
    return 0;
}

static Addresses *pushAddresses(lua_State *L)
{
    Addresses *addresses = lua_newuserdatauv(L, sizeof *addresses, 0);
    *addresses = (Addresses){NULL, NULL};
    if (luaL_newmetatable(L, addresses_name)) {
        lua_pushcfunction(L, freeAddresses);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return addresses;
}

/* What needs no name server.  0, or -ENOENT: it is a name. */
static int findNumeric(Addresses *addresses, const char *host, lua_Integer port, int flags)
{
    char service[SERVICE_SIZE];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | flags,
                             .ai_socktype = SOCK_STREAM};
    snprintf(service, sizeof service, "%d", (int)port);
    if (getaddrinfo(host, service, &hints, &addresses->first) != 0)
        addresses->first = NULL;
    addresses->next = addresses->first;
    return addresses->first == NULL ? -ENOENT : 0;
}

static lua_Integer checkPort(lua_State *L, int index)
{
    lua_Integer port = luaL_checkinteger(L, index);
    luaL_argcheck(L, port >= 0 && port <= 65535, index, "a port is 0 to 65535");
    return port;
}

/* ---- listening ------------------------------------------------------------------------------- */

static int listenOn(lua_State *L)
{
    const char *host = luaL_checkstring(L, 1);
    lua_Integer port = checkPort(L, 2);
    bool shared = lua_toboolean(L, 3) != 0;
    coroutineCurrent(L);
    Addresses *addresses = pushAddresses(L);
    Socket *socket = socketPush(L);
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    int failed = findNumeric(addresses, host, port, AI_PASSIVE), fd = -1;
    if (failed != 0)
        return coroutineFail(L, failed);
    const struct addrinfo *at = addresses->first;
    if (shared)
        failed = fdListenMany(at->ai_addr, at->ai_addrlen, BACKLOG, 1, &fd);
    else
        fd = failed = fdListen(at->ai_addr, at->ai_addrlen, BACKLOG);
    if (failed < 0)
        return coroutineFail(L, failed);
    socket->fd = fd;
    return 1;
}

/* ---- names ----------------------------------------------------------------------------------- */

typedef struct Lookup {
    HelperJob job; /* first */
    char host[NAME_MOST], service[SERVICE_SIZE];
    struct addrinfo *found;
    int result;
} Lookup;

static void runLookup(HelperJob *job)
{
    Lookup *lookup = (Lookup *)job;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    lookup->result = addressLookup(lookup->host, lookup->service, &hints, &lookup->found);
}

static void freeLookup(HelperJob *job)
{
    Lookup *lookup = (Lookup *)job;
    if (lookup->found != NULL)
        freeaddrinfo(lookup->found);
}

static Helper *pushLookup(lua_State *L, const char *host, lua_Integer port)
{
    luaL_argcheck(L, strlen(host) < NAME_MOST, 1, "too long for a name");
    Lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        luaL_error(L, "out of memory");
        return NULL;
    }
    lookup->job = (HelperJob){runLookup, freeLookup};
    snprintf(lookup->host, sizeof lookup->host, "%s", host);
    snprintf(lookup->service, sizeof lookup->service, "%d", (int)port);
    return helperPush(L, &lookup->job);
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* Stack: host, port, addresses, the socket to try with. */
enum { AtAddresses = 3, AtSocket = 4 };

static int goOnConnecting(lua_State *L, int status, lua_KContext context);

/* The next address, after the last one's failure. */
static int tryNext(lua_State *L, Addresses *addresses, int failed)
{
    const struct addrinfo *at = addresses->next;
    lua_settop(L, AtAddresses);
    if (at == NULL)
        return coroutineFail(L, failed);
    addresses->next = at->ai_next;
    Socket *socket = socketPush(L);
    socket->fd = fdSocket(at->ai_family, SOCK_STREAM, 0);
    if (socket->fd < 0) {
        failed = socket->fd;
        socket->fd = -1;
        return tryNext(L, addresses, failed);
    }
    return goOnConnecting(L, LUA_OK, (lua_KContext)at);
}

/* context: the address that is being tried. */
static int goOnConnecting(lua_State *L, int status, lua_KContext context)
{
    const struct addrinfo *at = (const struct addrinfo *)context;
    Addresses *addresses = lua_touserdata(L, AtAddresses);
    Socket *socket = lua_touserdata(L, AtSocket);
    int failed = status == LUA_YIELD ? coroutineWoken(L, coroutineCurrent(L)) : 0, yes = 1;
    if (failed == 0)
        failed = fdConnect(socket->fd, at->ai_addr, at->ai_addrlen);
    if (failed == -EAGAIN) {
        Coroutine *it = coroutineHere(L);
        return coroutineAwait(L, it, taskWaitWrite(it->context, socket->fd), context,
                              goOnConnecting);
    }
    if (failed != 0 && failed != -EISCONN) {
        socketClose(socket);
        return tryNext(L, addresses, failed);
    }
    setsockopt(socket->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return 1;
}

static int finishLookup(lua_State *L, int status, lua_KContext context)
{
    Lookup *lookup = (Lookup *)helperJob((Helper *)context);
    Addresses *addresses = lua_touserdata(L, AtAddresses);
    (void)status;
    int failed = coroutineWoken(L, coroutineCurrent(L));
    if (failed != 0)
        return coroutineFail(L, failed); /* the helper may be writing it */
    if (lookup->result < 0)
        return coroutineFail(L, lookup->result);
    addresses->first = addresses->next = lookup->found;
    lookup->found = NULL;
    return tryNext(L, addresses, -ENOENT);
}

static int connectTo(lua_State *L)
{
    const char *host = luaL_checkstring(L, 1);
    lua_Integer port = checkPort(L, 2);
    Coroutine *it = coroutineHere(L);
    lua_settop(L, 2);
    Addresses *addresses = pushAddresses(L);
    if (findNumeric(addresses, host, port, 0) == 0)
        return tryNext(L, addresses, -ENOENT);
    Helper *helper = pushLookup(L, host, port);
    coroutineKeep(L, it, -1);
    return coroutineAwait(L, it, taskWaitThread(it->context, helperThread(helper)),
                          (lua_KContext)helper, finishLookup);
}

void connectOpen(lua_State *L, State *state)
{
    static const luaL_Reg functions[] = {
        {"listen", listenOn}, {"connect", connectTo}, {NULL, NULL}};
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, functions, 1);
}
