/* Select.h -- waiting for the first of several things: one transaction that tries them in order.
 *
 * In Lua: capri.select(case, ...) returns the number of the first case that is there, and for a
 * channel its message's values.  A case is a channel (its next message; no values: it is closed and
 * empty, or the message has none), a socket (something to read, or to accept), a coroutine's handle
 * (it has ended), a number of seconds, or a table {channel, value, ...} (these values are sent).
 */
#ifndef CAPRI_LUA_SELECT_H
#define CAPRI_LUA_SELECT_H

#include "Channel.h"
#include "State.h"

#include <capri/capri.h>
#include <lua.h>

#include <stdbool.h>
#include <stdint.h>

typedef enum CaseKind { CaseReceive, CaseSend, CaseRead, CaseTime, CaseEnd } CaseKind;

typedef struct Case {
    CaseKind kind;
    bool closed;         /* out: the channel is */
    bool last, patient;  /* nothing comes after it; if it is not there, wait */
    int fd;              /* CaseRead */
    Channel *channel;    /* CaseReceive, CaseSend; kept by the caller's stack */
    Message *message;    /* CaseSend: its own until it is sent */
    Message *received;   /* out: of an attempt; it counts if that is the one that was committed */
    int64_t deadline_ns; /* CaseTime */
    Thread *thread;      /* CaseEnd: a handle */
} Case;

/* selectOne -- of a channel's function: wait for that case alone.  Owns the message.
 * selectNow -- likewise, but false where that would have to wait. */
int selectOne(lua_State *L, Case one);
int selectNow(lua_State *L, Case one);

/* selectOpen -- capri.select; the table is on top of the stack. */
void selectOpen(lua_State *L, State *state);

#endif
