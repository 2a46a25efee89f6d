/* Mock.h -- a back-end that obeys a script: what tests ask of it and what it remembers.
 *
 * It keeps a list of watched fds as epoll does (adding twice is -EEXIST, modifying a stranger
 * -ENOENT) but has no files behind them: a test says which events come.  Any OS thread may call
 * everything. The state is the manager's: `manager->state`.
 */
#ifndef IOMGR_BACKEND_MOCK_H
#define IOMGR_BACKEND_MOCK_H

#include "iomgr/Backend.h"

extern const Backend backendMock;        /* with edges */
extern const Backend backendMockOneShot; /* without */

typedef enum MockOperation { MockAdd, MockModify, MockRemove } MockOperation;

/* One change that was asked for. */
typedef struct MockChange {
    MockOperation operation;
    int fd;
    WatchMode mode; /* not with MockRemove, nor are the next two */
    uint32_t interest;
    uint64_t cookie;
    int result; /* what the back-end answered */
} MockChange;

/* mockChangeCount -- changes asked for since the state was opened (or mockForget).
 * mockChange -- the index-th of them, oldest first. */
uint32_t mockChangeCount(BackendState *state);
MockChange mockChange(BackendState *state, uint32_t index);
void mockForget(BackendState *state);

/* mockFail -- the next change of fd answers `error` (-E...) and does nothing. Up to 16 may wait. */
void mockFail(BackendState *state, int fd, int error);

/* mockReplaceFile -- the number was closed and reused behind everybody's back: it is
 * not watched. */
void mockReplaceFile(BackendState *state, int fd);

/* mockCookie -- the cookie fd is watched under, or 0 (generation 0 of fd 0, or not watched). */
uint64_t mockCookie(BackendState *state, int fd);

/* mockIsArmed -- would an event of this direction be reported now? */
bool mockIsArmed(BackendState *state, int fd, uint32_t interest);

/* mockDeliver -- the next polls report this record, in the order of the calls; ends a sleep.
 * mockDeliverFd -- the same, under the cookie fd is watched under now; one-shot fds fall silent as
 * it is reported.  False: fd is not watched, or silent: nothing will be reported. */
void mockDeliver(BackendState *state, uint64_t cookie, uint32_t events);
bool mockDeliverFd(BackendState *state, int fd, uint32_t events);

/* mockLimit -- one poll reports at most so many records (0: as many as are asked for). */
void mockLimit(BackendState *state, int most);

/* mockOnChange -- called inside every change, after it was done and before the answer is returned:
 * what happens there happens between the kernel's look and the caller's next step.  The caller
 * holds the slot's CONTROL: a poll belongs on another OS thread.  NULL: nothing. */
void mockOnChange(BackendState *state, void (*hook)(void *context, const MockChange *change),
                  void *context);

/* mockOnSleep -- instead of sleeping, a poll with nothing to report calls this once with its
 * timeout_ns (-1: for ever) and looks again, e.g. after moving a fake clock.  NULL: it really
 * sleeps, until an event is delivered, the wake fd becomes readable or the time is over. */
void mockOnSleep(BackendState *state, void (*hook)(void *context, int64_t timeout_ns),
                 void *context);

#endif
