/* Resize.h -- how many capabilities run threads, changed while they run. */
#ifndef RTS_RESIZE_H
#define RTS_RESIZE_H

#include <stdint.h>

/* resizeTo -- holder of the world's lock: enable `count` (1 .. CAPABILITY_MOST), making what is
 * missing.  0 or -ENOMEM, -EMFILE, -ENFILE, -EAGAIN: as many are enabled as before. */
int resizeTo(uint32_t count);

/* resizeRevive -- after a fork, on the worker's loop: start the Monitor and the other workers that
 * the parent had.  What cannot be had is done without. */
void resizeRevive(void);

#endif
