/* Resolver.h -- a c-ares channel in a Capri event manager.
 *
 * To copy into a project: this pair, and docs/examples/loop/Loop.c and Loop.h.
 *
 * A channel is not thread-safe: everything here, and every call of c-ares with the channel, wants
 * the loop locked; c-ares' callbacks come locked.
 */
#ifndef RESOLVER_H
#define RESOLVER_H

#include <Loop.h>

#include <ares.h>

typedef struct Resolver Resolver;

/* resolverNew -- a channel that the loop drives.
 *
 * options, mask  as for ares_init_options; the callback for sockets is the resolver's
 * failed         receives 0, -ENOMEM, or c-ares' status, > 0
 * Returns        NULL if it failed
 * resolverFree -- who still waits is told ARES_EDESTRUCTION here; not out of c-ares' callbacks. */
Resolver *resolverNew(Loop *loop, struct ares_options *options, int mask, int *failed);
void resolverFree(Resolver *resolver);

/* resolverChannel -- to ask with; then: resolverAsked -- its time-outs have changed.  0, -ENOMEM */
ares_channel resolverChannel(const Resolver *resolver);
int resolverAsked(Resolver *resolver);

#endif
