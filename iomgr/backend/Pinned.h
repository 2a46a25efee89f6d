/* Pinned.h -- which file a number means, where what is watched keeps its file open.
 *
 * Note [Pinned files]
 *   epoll forgets a file that is closed; a poll request keeps it open.  So the number says nothing,
 *   and each change compares the file (device, inode) with the one that is watched: that finds
 *   numbers that were closed and reused, as -ENOENT of epoll does.  What has no inode of its own
 *   (eventfd, timerfd, epoll) cannot be told from another of its kind; the new request watches the
 *   right one all the same.  A one-shot event may be the older file's, which lives on by our
 *   request: its waiters must not touch the newer one, so it is compared once more (EventGone).
 *   Adopted numbers, watched by edges, change their file only by closeFd.  A wait that is given up
 *   must be removed (Backend.pins), or the closed file's peer never sees its end.
 */
#ifndef IOMGR_BACKEND_PINNED_H
#define IOMGR_BACKEND_PINNED_H

#include "iomgr/backend/IOUring.h"

#include <sys/stat.h>

/* What a one-shot report is about. */
typedef struct Seen {
    int fd; /* -1: nothing to look at */
    dev_t device;
    ino_t inode;
} Seen;

/* pinnedLook -- whose number it is: 0 with *file, -EBADF, or -EPERM: it cannot be polled.  request:
 * what there is for it, or NULL. */
int pinnedLook(BackendState *state, const Request *request, int fd, struct stat *file);

/* pinnedIs -- is that the file that is watched? */
bool pinnedIs(const Request *request, const struct stat *file);

/* pinnedCheck -- a one-shot event is to be reported: was it the file that the number means now? */
void pinnedCheck(BackendState *state, EventRecord *record, const Seen *seen);

#endif
