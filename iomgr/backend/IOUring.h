/* IOUring.h -- the inside of the io_uring back-end, for its tests.
 *
 * Tests  testsuite/unit/IOUringTest.c
 *
 * Note [Request states]   of one fd; requests in flight carry (sequence, fd) as their user_data
 *   from       on                 to         what is submitted, what is reported
 *   Unwatched  add                Armed      poll add: edge: multishot; one-shot: once
 *   Armed      modify             Armed      cancelled, poll add with the next sequence: a look
 *   Silent     modify             Armed      poll add
 *   Armed      completion         Armed      edge, and more will come: reported
 *   Armed      last completion    Silent     one-shot: reported
 *   Armed      ended              Armed      an edge's last completion (there was no place for it),
 *                                            or an error (the OS thread that submitted it is gone):
 *                                            poll add, which looks: nothing is lost or made up.
 *                                            Often in a row, with no news in between: reported as
 *                                            if everything had happened; with EventError, so that
 *                                            the next wait asks again
 *   any        another file       Unwatched  cancelled, if Armed; -ENOENT or -EBADF
 *   Armed      remove             Unwatched  cancelled, at once
 *   A completion with another sequence than the request's is dropped; user_data names no memory.
 *   A cancelled poll completes itself too: `in_flight` counts requests until their last completion.
 */
#ifndef IOMGR_BACKEND_IO_URING_H
#define IOMGR_BACKEND_IO_URING_H

#include "internal/SpinLock.h"
#include "iomgr/Backend.h"
#include "iomgr/backend/Ring.h"

#include <sys/types.h>

enum {
    RING_ENTRIES = 256,
    RING_COMPLETIONS = 4096,
    REQUEST_CHUNK_BITS = 10,
    REQUEST_CHUNK = 1 << REQUEST_CHUNK_BITS, /* requests in a chunk */
    REQUEST_FD_BITS = 20,                    /* of user_data; the sequence is above them */
    REQUEST_CHUNKS = 1 << (REQUEST_FD_BITS - REQUEST_CHUNK_BITS)
};

/* What one fd is watched for; see Note [Request states]. */
typedef struct Request {
    uint64_t cookie;   /* lock */
    uint64_t sequence; /* lock: of the request in flight, or 0 */
    uint64_t owed;     /* lock: of one that was removed and could not be cancelled yet, or 0 */
    uint8_t interest;  /* lock: EventRead | EventWrite */
    bool edge;         /* lock */
    uint8_t ends;      /* lock: how often in a row the kernel ended its request */
    bool watched;      /* changers, who take turns; with the file it was */
    dev_t device;
    ino_t inode;
} Request;

struct BackendState {
    Ring ring;
    SpinLock lock;
    const Allocator *allocator; /* constant */
    int wake_fd;                /* constant */
    pid_t process;              /* constant: whose ring it is, for a forked child */
    uint32_t wake_armed;        /* lock; looked at without it (relaxed): wake_fd has a request */
    uint32_t sleepers;          /* lock: OS threads that sleep over the ring */
    uint32_t in_flight;         /* lock: poll requests whose last completion is not popped */
    uint32_t submitted;         /* lock: submissions whose completion is not popped */
    uint32_t owed;              /* lock: how many requests have an `owed` */
    uint64_t sequence;          /* lock: the last one given away */
    uint64_t looks;             /* anyone, relaxed add: system calls beside io_uring_enter */
    Request **chunks;           /* REQUEST_CHUNKS, each set once by CAS (release), read acquire */
};

/* user_data without a sequence; with BACKEND_SUBMISSION it is a submission, as in a cookie */
enum { MARK_REMOVED = 0, MARK_WAKE = 1 };

/* requestFind -- what there is for fd, or NULL.  requestGet -- made if need be; NULL: out of
 * memory.  fd is within REQUEST_FD_BITS. */
Request *requestFind(const BackendState *state, int fd);
Request *requestGet(BackendState *state, int fd);

/* The rest: under lock.
 *
 * requestReserve -- make room for `count` submissions, if need be by letting go of the lock for a
 * while.  0, or -ENOMEM: the kernel takes none, for want of memory. */
int requestReserve(BackendState *state, uint32_t count);

/* requestHandOver -- no lock: the kernel takes what is pending; insist: even if it takes a while.
 * requestOwe -- there is no room to cancel fd's.   requestPay -- there may be now, for those. */
void requestHandOver(BackendState *state, bool insist);
void requestOwe(BackendState *state, Request *request);
void requestPay(BackendState *state);

/* Each takes one place.
 * requestPoll -- a poll request in general.  requestArm -- fd's next one.
 * requestRemove -- cancel by user_data.  requestCancel -- fd's, if it is in flight.
 * requestRemoveFile -- cancel all of one file (from Linux 5.19 on). */
void requestPoll(BackendState *state, int fd, uint32_t events, bool multishot, uint64_t data);
void requestArm(BackendState *state, Request *request, int fd, bool multishot);
void requestRemove(BackendState *state, uint64_t data);
void requestCancel(BackendState *state, Request *request, int fd);
void requestRemoveFile(BackendState *state, int fd);

/* requestSubmit -- a call on a file or a socket.  requestDataOf -- its user_data. */
static inline uint64_t requestDataOf(const Submission *submission)
{
    return (uint64_t)(uintptr_t)submission | BACKEND_SUBMISSION;
}

void requestSubmit(BackendState *state, Submission *submission);

/* requestArmWake -- the wake fd's, if it is not in flight.  See Note [The wake fd].  Reserves. */
void requestArmWake(BackendState *state);

#endif
