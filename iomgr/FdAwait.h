/* FdAwait.h -- what iomgr/EventManager.c needs of iomgr/FdAwait.c besides iomgr/EventManager.h. */
#ifndef IOMGR_FD_AWAIT_H
#define IOMGR_FD_AWAIT_H

#include "iomgr/EventManager.h"

/* fdAwaitRearm -- a one-shot event has fired one direction; arm for whoever still waits.
 * Returns how many waiters were fired because that is not possible any more. */
uint32_t fdAwaitRearm(EventManager *manager, FdSlot *slot, int fd, uint16_t generation, void *sink);

/* fdAwaitGone -- the file that was watched under `generation` is not the number's any more.
 * Returns how many waiters were fired, with -EBADF. */
uint32_t fdAwaitGone(EventManager *manager, FdSlot *slot, uint16_t generation, void *sink);

#endif
