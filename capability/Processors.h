/* Processors.h -- how many processors this process may use. */
#ifndef CAPABILITY_PROCESSORS_H
#define CAPABILITY_PROCESSORS_H

#include <stdint.h>

/* processorsUsable -- the smaller of affinity and quota, at least 1. */
uint32_t processorsUsable(void);

/* processorsAffinity -- how many the calling OS thread may run on, at least 1. */
uint32_t processorsAffinity(void);

/* processorsQuota -- what the CPU quotas of the process's control group and of the groups above it
 * allow, rounded up; 0: there is no quota.  root: what stands before /proc and before the places
 * where the hierarchies are mounted, "" for the real ones.
 *
 * Note [CPU quota]
 *   Version 2 keeps "quota period" in cpu.max, version 1 (the hierarchy that has the cpu
 *   controller) in cpu.cfs_quota_us and cpu.cfs_period_us; "max" and -1 are no quota.  The group's
 *   path is relative to what is mounted: inside a container the mount may show a subtree only, and
 *   then its top is as far as one sees.  Half a processor's quota makes one capability: a second
 *   one would only use it up in half the time, and wait for the next period twice as long.
 */
uint32_t processorsQuota(const char *root);

#endif
