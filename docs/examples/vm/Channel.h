/* Channel.h -- a queue of values on the heap; who finds it empty waits for a bell of Capri's.
 *
 * A moving collector knows nothing of what lies in an MVar.  So nothing does: the values stay on
 * the heap, and what is waited for is a variable that is written after each send.  There are a few
 * of these, which all channels share, so that no channel has anything to give back when it dies.
 */
#ifndef CAPRI_VM_CHANNEL_H
#define CAPRI_VM_CHANNEL_H

#include "Value.h"

#include <capri/capri.h>

enum { CHANNEL_VALUES = 3 }; /* the oldest link, the youngest, the bell's number */

/* channelOpen -- the runtime is up: make the bells.  0 or -ENOMEM. */
int channelOpen(void);

/* channelInit -- a new object of KindChannel. */
void channelInit(Object *channel);

/* channelSend -- link: a pair (anything, the value), which is the channel's from now on. */
void channelSend(Object *channel, Object *link);

/* channelReceive -- true: *value is the oldest.  False: none is there; there may be when *bell has
 * been written since *version. */
bool channelReceive(Object *channel, Value *value, TVar **bell, uint64_t *version);

#endif
