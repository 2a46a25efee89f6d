/* Submission.h -- a call on a file or a socket that the kernel makes by itself, given to it by a
 * back-end.
 *
 * Note [Submissions]
 *   from       on        to         by
 *   caller's   submit    kernel's   any OS thread; the request and what it points to stay as they
 *                                   are.  The kernel hears of it at the next poll of that manager,
 *                                   or at once if somebody sleeps over it
 *   kernel's   cancel    kernel's   the caller: it completes soon, with -ECANCELED, or with what it
 *                                   has done by then
 *   kernel's   complete  poller's   whoever polls: `result` is stored, under the back-end's lock
 *   poller's   done      caller's   the same, without a lock: `done` is called, once
 *   A number means a file when the kernel hears of it (of FileStat a moment later).  So who closes
 *   one tells those who wait for it, then has what was taken handed over (flush), and only then
 *   closes: what is not taken by then is not wanted any more.
 *   It cannot be taken back otherwise: who gave it waits for `done`, so that no memory of somebody
 *   who has left is ever the kernel's.  A back-end is closed when nothing is the kernel's any more.
 */
#ifndef IOMGR_SUBMISSION_H
#define IOMGR_SUBMISSION_H

#include "iomgr/FileRequest.h"

#include <stdbool.h>

typedef struct Submission Submission;

/* wanted -- asked under the back-end's lock, when it is about to be taken: still? */
typedef bool SubmissionWanted(const Submission *submission);

/* done -- it is the caller's again.  sink: the finder's handle, as for WatchFire. */
typedef void SubmissionDone(Submission *submission, void *sink);

struct Submission {
    const FileRequest *request; /* constant, as all it points to */
    SubmissionDone *done;       /* constant */
    SubmissionWanted *wanted;   /* constant; NULL: yes */
    struct statx *about;        /* of FileStat: constant, what it points to is the kernel's */
    int result;                 /* poller: a count, 0, an fd, or -E... */
    bool more;                  /* poller: of FileReceive, a hint: it left some */
};

#endif
