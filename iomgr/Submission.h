/* Submission.h -- a call on a file that the kernel makes by itself, given to it by a back-end.
 *
 * Note [Submissions]
 *   from       on        to         by
 *   caller's   submit    kernel's   any OS thread; the request and what it points to stay as they
 *                                   are.  The kernel hears of it at the next poll of that manager,
 *                                   or at once if somebody sleeps over it
 *   kernel's   complete  poller's   whoever polls: `result` is stored, under the back-end's lock
 *   poller's   done      caller's   the same, without a lock: `done` is called, once
 *   It cannot be taken back: who gave it waits for `done`, so that no memory of somebody who has
 *   left is ever the kernel's.  A back-end is closed when nothing is the kernel's any more.
 */
#ifndef IOMGR_SUBMISSION_H
#define IOMGR_SUBMISSION_H

#include "iomgr/FileRequest.h"

typedef struct Submission Submission;

/* done -- it is the caller's again.  sink: the finder's handle, as for WatchFire. */
typedef void SubmissionDone(Submission *submission, void *sink);

struct Submission {
    const FileRequest *request; /* constant, as all it points to */
    SubmissionDone *done;       /* constant */
    int result;                 /* poller: a count, 0, an fd, or -E... */
    struct statx about;         /* poller: of FileStat */
};

#endif
