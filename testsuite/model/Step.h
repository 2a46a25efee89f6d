/* Step.h -- what a model thread does next (Op) and what it has done (Step).
 *
 * Shared by Memory (what a step means), Search (which step comes next) and Report (showing it).
 * Everything in this folder runs inside one OS thread: no field here is shared with another.
 */
#ifndef MODEL_STEP_H
#define MODEL_STEP_H

#ifndef SMP_MODEL
#error "the explorer is compiled with -DSMP_MODEL"
#endif

#include "internal/SMP.h"

enum {
    THREADS_MAX = 4,     /* model threads */
    LOCATIONS_MAX = 128, /* addresses one model may touch through SMP.h */
    STORES_MAX = 8192,   /* stores in one execution */
    STEPS_MAX = 4096     /* steps in one execution */
};

typedef uint16_t Stamp; /* place of a store in its location's modification order; 0 is the first */

typedef struct LocationSet {
    uint64_t bits[LOCATIONS_MAX / 64];
} LocationSet;

static inline bool locationSetHas(const LocationSet *set, int location)
{
    return (set->bits[location / 64] >> (location % 64)) & 1;
}

static inline void locationSetAdd(LocationSet *set, int location)
{
    set->bits[location / 64] |= UINT64_C(1) << (location % 64);
}

static inline bool locationSetEmpty(const LocationSet *set)
{
    return (set->bits[0] | set->bits[1]) == 0;
}

/* Vector clock over the steps of an execution: which steps must come before this one. */
typedef struct Clock {
    uint16_t of[THREADS_MAX];
} Clock;

typedef enum OpKind {
    OpLoad,
    OpStore,
    OpRmw,
    OpCas,
    OpBarrier, /* SMP_MEMBARRIER */
    OpPause,   /* SMP_PAUSE: waits for a change of what was read since the last pause */
    OpBlock    /* modelBlock: waits for `until` */
} OpKind;

typedef struct Op {
    OpKind kind;
    int order;           /* SMP_RELAXED .. SMP_SEQ_CST, weakened if this is the mutated site */
    int location;        /* index in Memory; -1 if none */
    int arithmetic;      /* OpRmw: SMP_XCHG .. SMP_AND */
    bool plain;          /* MODEL_READ or MODEL_WRITE */
    uint64_t operand;    /* what to store, add, ... */
    uint64_t expected;   /* OpCas */
    LocationSet watched; /* OpPause: what was read since the last pause */
    bool (*until)(void *arg);
    void *until_arg;
    const char *site;
} Op;

typedef struct Step {
    Op op;
    int thread;
    uint16_t number;    /* of this thread's steps */
    bool read, wrote;   /* a failed compare-and-swap only reads */
    bool raised;        /* seq_cst read that moved its location's seq_cst bound */
    Stamp read_stamp;   /* which store was read ... */
    Stamp newest_stamp; /* ... and which was the newest then */
    uint64_t read_value, newest_value, written_value;
    int read_step, mo_step; /* steps that made the store read / the store overwritten; -1: setup */
    Clock clock;
} Step;

static inline bool opWrites(const Op *op)
{
    return op->kind == OpStore || op->kind == OpRmw || op->kind == OpCas;
}

static inline bool opChooses(const Op *op) /* which store to read is a choice */
{
    return op->kind == OpLoad || op->kind == OpCas;
}

#endif
