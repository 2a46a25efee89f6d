/* Outside.c -- for every model: no plain OS thread is in a transaction.
 *
 * Owns    nothing.
 * Before  rts/Schedule.h: may this thread wait?
 * Tests   the models that link what waits.
 */
#include "capability/Worker.h"

void *workerOutside(void)
{
    return NULL;
}
