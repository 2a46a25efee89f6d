/* BlockingPool.h -- OS threads that make the calls which may block.
 *
 * Note [Blocking pool]
 *   Jobs run in the order in which they were submitted.  An OS thread is made when a job finds none
 *   idle and there are fewer than the bound; beyond that jobs wait in the queue, which has no bound
 *   of its own: each job is somebody's who waits for it, or was given up by one who did.  If the
 *   kernel gives no more OS threads, those that there are do the work, and only where there is none
 *   at all a job is refused.  One that has been idle for a while ends; it joins the one that ended
 *   before it, and blockingPoolEnd joins the last.
 *   Everything is under one lock: what is done here takes microseconds anyway.  A job that waits
 *   for another job can wait for ever once the pool is full.
 *   All signals but faults are blocked there: a host's handlers never run on these OS threads.
 */
#ifndef RTS_BLOCKING_POOL_H
#define RTS_BLOCKING_POOL_H

#include <stdbool.h>
#include <stdint.h>

enum { BLOCKING_POOL_MOST = 1024 }; /* the highest bound */

/* BlockingJob -- embedded in what a call needs; the pool's from submit until run is called. */
typedef struct BlockingJob {
    void (*run)(struct BlockingJob *job); /* may free the job */
    struct BlockingJob *next;             /* under the pool's lock while queued */
} BlockingJob;

/* blockingPoolStart -- most: bound, 0: the default; idle_ms: after which one ends, 0: the default.
 * No OS thread is made.  -EINVAL: bound too high. */
int blockingPoolStart(uint32_t most, uint32_t idle_ms);

/* blockingPoolEnd -- after blockingPoolAwait, nobody submits any more: end and join all. */
void blockingPoolEnd(void);

/* blockingPoolAwait -- until no job is queued or runs.  False: deadline_ns came first. */
bool blockingPoolAwait(int64_t deadline_ns);

/* blockingPoolBusy -- is a job queued, or has one that runs not returned? */
bool blockingPoolBusy(void);

/* blockingPoolIsHere -- is the calling OS thread one of the pool? */
bool blockingPoolIsHere(void);

/* blockingPoolSubmit -- 0: job->run(job) will be called, once; -EAGAIN: it will not, there is no OS
 * thread to be had. */
int blockingPoolSubmit(BlockingJob *job);

/* blockingPoolSurvive -- the child of a fork: no OS thread came along, and nobody waits for their
 * jobs. */
void blockingPoolSurvive(void);

/* What there is at the moment; for tests. */
typedef struct BlockingPoolState {
    uint32_t threads, idle, queued;
} BlockingPoolState;

BlockingPoolState blockingPoolState(void);

#endif
