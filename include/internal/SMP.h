/* SMP.h -- the only way to an atomic.  The name says the order; the order is the least needed.
 *
 * Every access of memory that two OS threads may touch goes through one of these macros, so that
 * one header decides what an access is: a compiler builtin here, or (SMP_MODEL) a choice point of
 * the explorer in testsuite/model/, which then runs the real protocol code through every
 * interleaving.
 *
 * Note [StoreLoad]
 *   Where a protocol needs "my store is visible before I read yours", both sides use a SEQ_CST
 *   store or read-modify-write followed by a SEQ_CST *load*.  A seq_cst RMW followed by a relaxed
 *   load is not enough on aarch64, and ThreadSanitizer does not model stand-alone fences: there is
 *   none here.
 *
 * Note [Asymmetric fence]
 *   SMP_MEMBARRIER() makes every running thread of the process pass a full fence.  It lets the
 *   frequent side of a store-load pair use plain stores and loads with only SMP_COMPILER_FENCE()
 *   between them, while the rare side pays (7-10 us).  Its users: iomgr/OwnerGate.h,
 *   capability/Call.h, iomgr/TimeoutWord.h, rts/stm/Reclaim.h.
 */
#ifndef INTERNAL_SMP_H
#define INTERNAL_SMP_H

#include <stdbool.h>
#include <stdint.h>

#define CACHE_LINE 64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))

#ifdef SMP_MODEL

/* The explorer's side: testsuite/model/Explorer.c defines these.  `site` is "File.c:line macro". */
enum { SMP_RELAXED, SMP_ACQUIRE, SMP_RELEASE, SMP_ACQ_REL, SMP_SEQ_CST };
enum { SMP_XCHG, SMP_ADD, SMP_OR, SMP_AND };
uint64_t smpModelLoad(const volatile void *at, unsigned size, int order, const char *site);
void smpModelStore(volatile void *at, unsigned size, uint64_t value, int order, const char *site);
uint64_t smpModelRmw(volatile void *at, unsigned size, int op, uint64_t operand, int order,
                     const char *site);
bool smpModelCas(volatile void *at, unsigned size, uint64_t *expected, uint64_t desired, int order,
                 const char *site);
void smpModelMembarrier(const char *site);
void smpModelPause(
    const char *site); /* this thread spins: run it again only after another's store */

#define SMP_STR_(x) #x
#define SMP_STR(x) SMP_STR_(x)
#define SMP_SITE(name) __FILE__ ":" SMP_STR(__LINE__) " " name
#define SMP_VALUE(p, v) ((uint64_t)(uintptr_t)(__typeof__(*(p)))(v))
#define SMP_TYPED(p, u) ((__typeof__(*(p)))(uintptr_t)(u))
#define SMP_LOAD(p, order, name)                                                                   \
    SMP_TYPED(p, smpModelLoad((p), sizeof *(p), SMP_##order, SMP_SITE(name)))
#define SMP_STORE(p, v, order, name)                                                               \
    smpModelStore((p), sizeof *(p), SMP_VALUE(p, v), SMP_##order, SMP_SITE(name))
#define SMP_RMW(p, v, op, order, name)                                                             \
    __extension__({                                                                                \
        uint64_t smp_old =                                                                         \
            smpModelRmw((p), sizeof *(p), op, SMP_VALUE(p, v), SMP_##order, SMP_SITE(name));       \
        SMP_TYPED(p, smp_old);                                                                     \
    })
#define SMP_CAS(p, expected, desired, order, fail, name)                                           \
    __extension__({                                                                                \
        uint64_t smp_expected = SMP_VALUE(p, *(expected));                                         \
        bool smp_done = smpModelCas((p), sizeof *(p), &smp_expected, SMP_VALUE(p, desired),        \
                                    SMP_##order, SMP_SITE(name));                                  \
        *(expected) = SMP_TYPED(p, smp_expected);                                                  \
        smp_done;                                                                                  \
    })
#define SMP_COMPILER_FENCE() ((void)0)
#define SMP_MEMBARRIER() smpModelMembarrier(SMP_SITE("SMP_MEMBARRIER"))
#define SMP_PAUSE() smpModelPause(SMP_SITE("SMP_PAUSE"))

#define SMP_OP_XCHG SMP_XCHG
#define SMP_OP_ADD SMP_ADD
#define SMP_OP_OR SMP_OR
#define SMP_OP_AND SMP_AND

#else /* real atomics */

#define SMP_LOAD(p, order, name) __atomic_load_n((p), __ATOMIC_##order)
#define SMP_STORE(p, v, order, name) __atomic_store_n((p), (v), __ATOMIC_##order)
#define SMP_OP_XCHG(p, v, order) __atomic_exchange_n((p), (v), order)
#define SMP_OP_ADD(p, v, order) __atomic_fetch_add((p), (v), order)
#define SMP_OP_OR(p, v, order) __atomic_fetch_or((p), (v), order)
#define SMP_OP_AND(p, v, order) __atomic_fetch_and((p), (v), order)
#define SMP_RMW(p, v, op, order, name) op((p), (v), __ATOMIC_##order)
#define SMP_CAS(p, expected, desired, order, fail, name)                                           \
    __atomic_compare_exchange_n((p), (expected), (desired), false, __ATOMIC_##order,               \
                                __ATOMIC_##fail)
#define SMP_COMPILER_FENCE() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define SMP_MEMBARRIER() smpMembarrier()
void smpMembarrier(void); /* iomgr/OwnerGate.c */

#if defined(__x86_64__)
#define SMP_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define SMP_PAUSE() __asm__ __volatile__("isb" ::: "memory")
#else
#error "Capri runs on x86-64 and aarch64"
#endif

#endif

/* Loads and stores. */
#define RELAXED_LOAD(p) SMP_LOAD(p, RELAXED, "RELAXED_LOAD")
#define ACQUIRE_LOAD(p) SMP_LOAD(p, ACQUIRE, "ACQUIRE_LOAD")
#define SEQ_CST_LOAD(p) SMP_LOAD(p, SEQ_CST, "SEQ_CST_LOAD")
#define RELAXED_STORE(p, v) SMP_STORE(p, v, RELAXED, "RELAXED_STORE")
#define RELEASE_STORE(p, v) SMP_STORE(p, v, RELEASE, "RELEASE_STORE")
#define SEQ_CST_STORE(p, v) SMP_STORE(p, v, SEQ_CST, "SEQ_CST_STORE")

/* A seq_cst store whose OS thread makes a locked read-modify-write before its next look at what
 * others store: on x86-64 that one has the store drained, too. */
#if defined(__x86_64__) && !defined(SMP_MODEL)
#define SEQ_CST_STORE_AHEAD(p, v) RELEASE_STORE(p, v)
#else
#define SEQ_CST_STORE_AHEAD(p, v) SEQ_CST_STORE(p, v)
#endif

/* Exchange: returns the old value. */
#define XCHG_RELAXED(p, v) SMP_RMW(p, v, SMP_OP_XCHG, RELAXED, "XCHG_RELAXED")
#define XCHG_ACQUIRE(p, v) SMP_RMW(p, v, SMP_OP_XCHG, ACQUIRE, "XCHG_ACQUIRE")
#define XCHG_RELEASE(p, v) SMP_RMW(p, v, SMP_OP_XCHG, RELEASE, "XCHG_RELEASE")
#define XCHG_ACQ_REL(p, v) SMP_RMW(p, v, SMP_OP_XCHG, ACQ_REL, "XCHG_ACQ_REL")
#define XCHG_SEQ_CST(p, v) SMP_RMW(p, v, SMP_OP_XCHG, SEQ_CST, "XCHG_SEQ_CST")

/* Fetch-and-op: returns the old value. */
#define ADD_RELAXED(p, v) SMP_RMW(p, v, SMP_OP_ADD, RELAXED, "ADD_RELAXED")
#define ADD_ACQUIRE(p, v) SMP_RMW(p, v, SMP_OP_ADD, ACQUIRE, "ADD_ACQUIRE")
#define ADD_RELEASE(p, v) SMP_RMW(p, v, SMP_OP_ADD, RELEASE, "ADD_RELEASE")
#define ADD_ACQ_REL(p, v) SMP_RMW(p, v, SMP_OP_ADD, ACQ_REL, "ADD_ACQ_REL")
#define ADD_SEQ_CST(p, v) SMP_RMW(p, v, SMP_OP_ADD, SEQ_CST, "ADD_SEQ_CST")
#define OR_RELAXED(p, v) SMP_RMW(p, v, SMP_OP_OR, RELAXED, "OR_RELAXED")
#define OR_RELEASE(p, v) SMP_RMW(p, v, SMP_OP_OR, RELEASE, "OR_RELEASE")
#define OR_SEQ_CST(p, v) SMP_RMW(p, v, SMP_OP_OR, SEQ_CST, "OR_SEQ_CST")
#define AND_RELAXED(p, v) SMP_RMW(p, v, SMP_OP_AND, RELAXED, "AND_RELAXED")
#define AND_ACQ_REL(p, v) SMP_RMW(p, v, SMP_OP_AND, ACQ_REL, "AND_ACQ_REL")
#define AND_SEQ_CST(p, v) SMP_RMW(p, v, SMP_OP_AND, SEQ_CST, "AND_SEQ_CST")
#define AND_RELEASE(p, v) SMP_RMW(p, v, SMP_OP_AND, RELEASE, "AND_RELEASE")

/* Strong compare-and-swap: on failure *expected holds what was found (read relaxed, or acquire
 * where the success order acquires). */
#define CAS_RELAXED(p, e, d) SMP_CAS(p, e, d, RELAXED, RELAXED, "CAS_RELAXED")
#define CAS_ACQUIRE(p, e, d) SMP_CAS(p, e, d, ACQUIRE, ACQUIRE, "CAS_ACQUIRE")
#define CAS_RELEASE(p, e, d) SMP_CAS(p, e, d, RELEASE, RELAXED, "CAS_RELEASE")
#define CAS_ACQ_REL(p, e, d) SMP_CAS(p, e, d, ACQ_REL, ACQUIRE, "CAS_ACQ_REL")
#define CAS_SEQ_CST(p, e, d) SMP_CAS(p, e, d, SEQ_CST, SEQ_CST, "CAS_SEQ_CST")

/* A counter with one writer that others may read: no locked operation. */
#define COUNT(p, n) RELAXED_STORE(p, RELAXED_LOAD(p) + (n))

#endif
