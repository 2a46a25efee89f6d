/* ck_pr.h -- Concurrency Kit's primitives in terms of SMP.h, for ThreadSanitizer and the explorer.
 *
 * The kit's own are assembler: neither tool sees through it.  Found first on the include path of
 * those builds only, it defines the primitives that the parts of the kit we use are made of, no
 * more.
 */
#ifndef CK_PR_H
#define CK_PR_H

#include "internal/SMP.h"

#include <ck_cc.h>
#include <ck_stdbool.h>

static inline void ck_pr_barrier(void)
{
    __asm__ __volatile__("" ::: "memory");
}

static inline void ck_pr_stall(void)
{
    SMP_PAUSE();
}

static inline unsigned int ck_pr_fas_uint(unsigned int *at, unsigned int value)
{
    return XCHG_ACQ_REL(at, value);
}

static inline unsigned int ck_pr_load_uint(const unsigned int *at)
{
    return ACQUIRE_LOAD(at);
}

static inline void ck_pr_store_uint(unsigned int *at, unsigned int value)
{
    RELEASE_STORE(at, value);
}

/* The orders are in the accesses above. */
static inline void ck_pr_fence_lock(void)
{
}

static inline void ck_pr_fence_unlock(void)
{
}

static inline void ck_pr_fence_acquire(void)
{
}

#endif
