/* Socket.c -- a connection: read, written, closed.
 *
 * Note [What is read]
 *   The kernel's bytes come into the state's scratch, and what was asked for goes to Lua from
 *   there; only what is more than that is kept with the socket.  So a connection that is idle has
 *   no buffer.
 *   What was kept and searched in vain is not searched again when more comes: `searched` is how far
 *   in the stream that was, for others may read meanwhile.
 */
#include "Socket.h"

#include "Coroutine.h"
#include "Run.h"

#include <lauxlib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MOST = 16 * 1024 * 1024 }; /* a line, or what a mark ends */

static const char socket_name[] = "capri.socket";

Socket *socketPush(lua_State *L)
{
    Socket *socket = lua_newuserdatauv(L, sizeof *socket, 0);
    *socket = (Socket){.fd = -1};
    luaL_setmetatable(L, socket_name);
    return socket;
}

static Socket *check(lua_State *L, int index)
{
    Socket *socket = luaL_checkudata(L, index, socket_name);
    luaL_argcheck(L, socket->fd >= 0, index, "a socket that is closed");
    return socket;
}

int socketFd(lua_State *L, int index)
{
    return check(L, index)->fd;
}

bool socketHasRead(lua_State *L, int index)
{
    const Socket *socket = check(L, index);
    return socket->start < socket->used;
}

int socketClose(Socket *socket)
{
    int fd = socket->fd, result = 0;
    free(socket->rest);
    *socket = (Socket){.fd = -1};
    if (fd >= 0)
        result = runIsUp() ? closeFd(fd) : close(fd);
    return result;
}

/* ---- what is asked for ----------------------------------------------------------------------- */

typedef enum WantedKind {
    WantSome,
    WantCount,
    WantLine,
    WantWholeLine,
    WantAll,
    WantMark
} WantedKind;

typedef struct Wanted {
    WantedKind kind;
    size_t count; /* WantCount; WantMark: the most */
    const char *mark;
    size_t mark_size;
} Wanted;

static Wanted wantedOf(lua_State *L)
{
    Wanted wanted = {.kind = WantSome};
    if (lua_isnoneornil(L, 2))
        return wanted;
    if (lua_type(L, 2) == LUA_TNUMBER) {
        lua_Integer count = luaL_checkinteger(L, 2);
        luaL_argcheck(L, count > 0 && count <= ANSWER_MOST, 2, "1 to 16777216 bytes");
        return (Wanted){.kind = WantCount, .count = (size_t)count};
    }
    const char *text = luaL_checkstring(L, 2);
    text += *text == '*';
    const char *found = strchr("lLa", *text);
    luaL_argcheck(L, *text != '\0' && found != NULL, 2, "\"l\", \"L\", \"a\" or a number");
    wanted.kind = *text == 'l' ? WantLine : *text == 'L' ? WantWholeLine : WantAll;
    return wanted;
}

static Wanted wantedMark(lua_State *L)
{
    Wanted wanted = {.kind = WantMark};
    wanted.mark = luaL_checklstring(L, 2, &wanted.mark_size);
    lua_Integer most = luaL_optinteger(L, 3, ANSWER_MOST);
    luaL_argcheck(L, wanted.mark_size > 0, 2, "at least a byte");
    luaL_argcheck(L, most > 0 && most <= ANSWER_MOST, 3, "1 to 16777216 bytes");
    wanted.count = (size_t)most;
    return wanted;
}

/* How many of these bytes are the answer; 0: more are needed.  There is no end of it in the first
 * `searched` ones. */
static size_t measure(const Wanted *wanted, const char *bytes, size_t size, size_t searched)
{
    const char *found;
    if (size <= searched)
        return 0;
    switch (wanted->kind) {
    case WantSome:
        return size;
    case WantCount:
        return size >= wanted->count ? wanted->count : 0;
    case WantLine:
    case WantWholeLine:
        found = memchr(bytes + searched, '\n', size - searched);
        return found == NULL ? 0 : (size_t)(found - bytes) + 1;
    case WantMark:
        size = size < wanted->count ? size : wanted->count;
        searched -= searched < wanted->mark_size ? searched : wanted->mark_size - 1;
        found = size <= searched
                    ? NULL
                    : memmem(bytes + searched, size - searched, wanted->mark, wanted->mark_size);
        return found == NULL ? 0 : (size_t)(found - bytes) + wanted->mark_size;
    default:
        return 0;
    }
}

static int pushAnswer(lua_State *L, const Wanted *wanted, const char *bytes, size_t size)
{
    if (wanted->kind == WantLine && size > 0 && bytes[size - 1] == '\n')
        size -= size > 1 && bytes[size - 2] == '\r' ? 2 : 1;
    lua_pushlstring(L, bytes, size);
    return 1;
}

/* ---- what is kept ---------------------------------------------------------------------------- */

/* 0, -ENOMEM, -EMSGSIZE. */
static int keep(Socket *socket, const char *bytes, size_t size)
{
    if (size == 0)
        return 0;
    if (socket->room - socket->used < size) {
        size_t have = socket->used - socket->start, room = have + size;
        room += have != 0 ? room : 0; /* more may come */
        char *more = malloc(room);
        if (more == NULL)
            return -ENOMEM;
        if (have != 0)
            memcpy(more, socket->rest + socket->start, have);
        free(socket->rest);
        socket->rest = more;
        socket->start = 0;
        socket->used = have;
        socket->room = room;
    }
    memcpy(socket->rest + socket->used, bytes, size);
    socket->used += size;
    return 0;
}

static void drop(Socket *socket, size_t size)
{
    socket->start += size;
    socket->taken += size;
    if (socket->start < socket->used)
        return;
    free(socket->rest);
    *socket = (Socket){.fd = socket->fd, .taken = socket->taken};
}

/* The end has come: what is there, if that is an answer. */
static int pushLast(lua_State *L, Socket *socket, const Wanted *wanted)
{
    size_t size = socket->used - socket->start;
    if (wanted->kind == WantMark || (size == 0 && wanted->kind != WantAll)) {
        lua_pushnil(L);
        return 1;
    }
    pushAnswer(L, wanted, size == 0 ? "" : socket->rest + socket->start, size);
    drop(socket, size);
    return 1;
}

/* There is no answer in `size` bytes: will there ever be? */
static bool isTooMuch(const Wanted *wanted, size_t size)
{
    return wanted->kind != WantAll &&
           size >= (wanted->kind == WantMark ? wanted->count : ANSWER_MOST);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Some bytes have been received (See Note [What is read]): > 0: results; 0: look at what is kept;
 * or -E.... */
static int takeReceived(lua_State *L, Socket *socket, const Wanted *wanted, size_t size)
{
    const char *scratch = stateHere(L)->scratch;
    size_t answer = socket->rest == NULL ? measure(wanted, scratch, size, 0) : 0;
    int failed = keep(socket, scratch + answer, size - answer);
    if (failed != 0 || answer == 0)
        return failed;
    socket->taken += answer;
    return pushAnswer(L, wanted, scratch, answer);
}

/* What is kept: likewise, but 0: more are needed, and *searched tells how far it was searched. */
static int takeKept(lua_State *L, Socket *socket, const Wanted *wanted, size_t *searched)
{
    size_t have = socket->used - socket->start;
    size_t known = *searched > socket->taken ? *searched - socket->taken : 0;
    size_t answer = measure(wanted, socket->rest + socket->start, have, known);
    *searched = socket->taken + have;
    if (answer == 0)
        return isTooMuch(wanted, have) ? -EMSGSIZE : 0;
    pushAnswer(L, wanted, socket->rest + socket->start, answer);
    drop(socket, answer);
    return 1;
}

static int readWanted(lua_State *L, const Wanted *wanted, size_t searched, lua_KFunction next)
{
    Socket *socket = check(L, 1);
    coroutineCurrent(L); /* who is none would block */
    for (;;) {
        int kept = socket->rest == NULL ? 0 : takeKept(L, socket, wanted, &searched);
        if (kept != 0)
            return coroutineReturn(L, kept > 0 ? kept : coroutineFail(L, kept));
        ssize_t n = fdRead(socket->fd, stateHere(L)->scratch, SCRATCH_SIZE);
        if (n == -EAGAIN) {
            Coroutine *it = coroutineHere(L);
            return coroutineAwait(L, it, taskWaitRead(it->context, socket->fd),
                                  (lua_KContext)searched, next);
        }
        if (n == 0)
            return coroutineReturn(L, pushLast(L, socket, wanted));
        int results = n < 0 ? (int)n : takeReceived(L, socket, wanted, (size_t)n);
        if (results != 0)
            return coroutineReturn(L, results > 0 ? results : coroutineFail(L, results));
        coroutineTurn(L, (lua_KContext)searched, next);
    }
}

static int goOnReading(lua_State *L, int status, lua_KContext searched)
{
    int failed = status == LUA_YIELD ? coroutineWoken(L, coroutineCurrent(L)) : 0;
    if (failed != 0)
        return coroutineFail(L, failed);
    Wanted wanted = wantedOf(L);
    return readWanted(L, &wanted, (size_t)searched, goOnReading);
}

static int readIt(lua_State *L)
{
    return goOnReading(L, LUA_OK, 0);
}

static int goOnToMark(lua_State *L, int status, lua_KContext searched)
{
    int failed = status == LUA_YIELD ? coroutineWoken(L, coroutineCurrent(L)) : 0;
    if (failed != 0)
        return coroutineFail(L, failed);
    Wanted wanted = wantedMark(L);
    return readWanted(L, &wanted, (size_t)searched, goOnToMark);
}

static int readUntil(lua_State *L)
{
    return goOnToMark(L, LUA_OK, 0);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Stack: the socket, all of the text; `done` bytes of it are written. */
static int goOnWriting(lua_State *L, int status, lua_KContext done)
{
    int failed = status == LUA_YIELD ? coroutineWoken(L, coroutineCurrent(L)) : 0;
    if (failed != 0)
        return coroutineFail(L, failed);
    size_t size, at = (size_t)done;
    const char *text = lua_tolstring(L, 2, &size);
    const Socket *socket = check(L, 1);
    coroutineCurrent(L); /* who is none would block */
    while (at < size) {
        ssize_t n = fdWrite(socket->fd, text + at, size - at);
        if (n == -EAGAIN) {
            Coroutine *it = coroutineHere(L);
            return coroutineAwait(L, it, taskWaitWrite(it->context, socket->fd), (lua_KContext)at,
                                  goOnWriting);
        }
        if (n < 0)
            return coroutineReturn(L, coroutineFail(L, (int)n));
        at += (size_t)n;
        if (at < size)
            coroutineTurn(L, (lua_KContext)at, goOnWriting);
    }
    lua_settop(L, 1);
    return coroutineReturn(L, 1);
}

static int writeIt(lua_State *L)
{
    int count = lua_gettop(L);
    check(L, 1);
    for (int i = 2; i <= count; i++)
        luaL_checklstring(L, i, NULL);
    lua_concat(L, count - 1); /* of none: the empty string */
    return goOnWriting(L, LUA_OK, 0);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int goOnAccepting(lua_State *L, int status, lua_KContext context)
{
    int failed = status == LUA_YIELD ? coroutineWoken(L, coroutineCurrent(L)) : 0, yes = 1;
    if (failed != 0)
        return coroutineFail(L, failed);
    const Socket *listener = check(L, 1);
    coroutineCurrent(L); /* who is none would block */
    Socket *socket = socketPush(L);
    int fd = fdAccept(listener->fd, NULL, NULL);
    if (fd == -EAGAIN) {
        Coroutine *it = coroutineHere(L);
        lua_settop(L, 1);
        return coroutineAwait(L, it, taskWaitRead(it->context, listener->fd), context,
                              goOnAccepting);
    }
    if (fd < 0)
        return coroutineReturn(L, coroutineFail(L, fd));
    socket->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return coroutineReturn(L, 1);
}

static int acceptOne(lua_State *L)
{
    return goOnAccepting(L, LUA_OK, 0);
}

static int closeIt(lua_State *L)
{
    int result = socketClose(luaL_checkudata(L, 1, socket_name));
    if (result < 0)
        return coroutineFail(L, result);
    lua_pushboolean(L, 1);
    return 1;
}

static int finalize(lua_State *L)
{
    socketClose(luaL_checkudata(L, 1, socket_name));
    return 0;
}

static int shutdownIt(lua_State *L)
{
    int result = fdShutdown(check(L, 1)->fd, SHUT_WR);
    if (result < 0)
        return coroutineFail(L, result);
    lua_settop(L, 1);
    return 1;
}

static int portOf(lua_State *L)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(check(L, 1)->fd, (struct sockaddr *)&address, &size) != 0)
        return coroutineFail(L, -errno);
    in_port_t port = address.ss_family == AF_INET6
                         ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
                         : ((struct sockaddr_in *)(void *)&address)->sin_port;
    lua_pushinteger(L, ntohs(port));
    return 1;
}

void socketOpen(lua_State *L, State *state)
{
    static const luaL_Reg methods[] = {
        {"read", readIt},      {"read_until", readUntil}, {"write", writeIt}, {"close", closeIt},
        {"accept", acceptOne}, {"shutdown", shutdownIt},  {"port", portOf},   {NULL, NULL}};
    luaL_newmetatable(L, socket_name);
    lua_pushcfunction(L, finalize);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__gc");
    lua_setfield(L, -2, "__close");
    luaL_newlibtable(L, methods);
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_pushlightuserdata(L, state);
    luaL_setfuncs(L, methods, 1);
}
