/* Connect.h -- sockets are made.
 *
 * In Lua: capri.listen(host, port [, shared]): a socket to accept from; shared: several may listen
 * on that port, one in each state, and the kernel gives each its share of the connections.
 * capri.connect(host, port): a connection.  host is an address or, for connect, a name.  What fails
 * returns nil, a message and an errno.
 */
#ifndef CAPRI_LUA_CONNECT_H
#define CAPRI_LUA_CONNECT_H

#include "State.h"

/* connectOpen -- the functions above; the table is on top of the stack. */
void connectOpen(lua_State *L, State *state);

#endif
