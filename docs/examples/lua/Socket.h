/* Socket.h -- a connection, or what listens for connections.
 *
 * In Lua, as methods and as functions of the module (capri.read(socket, ...)):
 *   socket:read([what])   what there is, at least a byte; a number: so many bytes, fewer at the end
 *                         only; "l", "L": a line, without or with its end; "a": all until the end;
 *                         nil: the end
 *   socket:read_until(mark [, most])   up to and with `mark`, all in all at most `most` bytes (or
 *                         16 MiB); nil: the end came first; nil, a message, EMSGSIZE: it is more
 *   socket:write(text, ...)            all of it: the socket
 *   socket:close(), socket:shutdown()  both ways; no more writing
 *   socket:accept()                    the next connection
 *   socket:port()                      its own port
 * What fails returns nil, a message and an errno; what was received stays to be read.  A socket
 * that is collected is closed.
 */
#ifndef CAPRI_LUA_SOCKET_H
#define CAPRI_LUA_SOCKET_H

#include "State.h"

#include <lua.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct Socket {
    int fd;     /* -1: closed */
    char *rest; /* what was received and not read yet: from start to used; NULL: nothing */
    size_t start, used, room;
    size_t taken; /* how many bytes have been read from it: where in the stream `start` is */
} Socket;

/* socketPush -- a new one, closed; its fd is to be set.   May raise. */
Socket *socketPush(lua_State *L);

/* socketFd -- of the open one at `index`; raises.   socketHasRead -- has it received something that
 * was not read yet?   socketClose -- 0 or -E.... */
int socketFd(lua_State *L, int index);
bool socketHasRead(lua_State *L, int index);
int socketClose(Socket *socket);

/* socketOpen -- the functions above; the table is on top of the stack. */
void socketOpen(lua_State *L, State *state);

#endif
