/* NameServer.h -- a small DNS server on 127.0.0.1 (UDP and TCP), so that nobody needs a network.
 *
 * It knows the names of Note [Names] in NameServer.c; everything else does not exist.
 */
#ifndef NAME_SERVER_H
#define NAME_SERVER_H

#include <stdint.h>

enum { NAME_SERVER_LARGE = 60 }; /* addresses of a name that needs TCP */

typedef struct NameServer NameServer;

/* nameServerStart -- an OS thread of its own, a free port of both kinds.  NULL: it could not. */
NameServer *nameServerStart(void);
uint16_t nameServerPort(const NameServer *server);

/* nameServerStop -- and free; how many questions came over TCP. */
unsigned nameServerStop(NameServer *server);

#endif
