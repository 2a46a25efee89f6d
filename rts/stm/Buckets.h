/* Buckets.h -- the table of a TMap: entries by hash, in buckets that split.
 *
 * Note [Buckets that split]
 *   A bucket is a variable; it has a number and a depth, and holds the entries whose hash agrees
 *   with the number in the lowest `depth` bits.  Bucket 0, of depth 0, is there from the start.
 *     bucket b of depth d   splits into   b of depth d + 1 and b + 2^d of depth d + 1
 *   in the transaction of the insert that finds it full, which writes these two variables and no
 *   other.  So a bucket's number never changes, the buckets that are born always part all hashes
 *   among them, and nobody else notices.  What a bucket holds is never changed: a change makes
 *   another one, and retires this one.
 *
 *   `segments`, which finds a bucket's variable, is no part of any transaction: a variable comes
 *   there (holding NULL: not born) before its bucket is born, and stays, though the transaction
 *   may be undone.  Whether a bucket is born is what a transaction reads in it.
 *
 *   A look for a hash begins with as many of its bits as `level` says, and drops the highest until
 *   there is a bucket that is born: nearly always the first or second.  The hint may be old: if
 *   that bucket's depth says that it has split beyond those bits, the look goes on to the bucket
 *   that was born when the bits parted, which the same transaction made visible.
 *   `level` grows by 1 when a full bucket cannot split without, and there are LOAD times as many
 *   entries as buckets of that depth; it bounds the depth, so equal hashes only make one long
 *   bucket.
 *
 * Note [Counting entries]
 *   One count, of which each change of the map writes its capability's part: the parts are summed
 *   up by who wants to know.  Transactions on different capabilities write different parts.
 */
#ifndef RTS_BUCKETS_H
#define RTS_BUCKETS_H

#include "rts/stm/Container.h"

enum { BUCKETS_LEVELS = 32, BUCKETS_COUNTS = 16 };

typedef struct Entry {
    uint64_t hash;
    void *key;
    void *value;
} Entry;

typedef struct Bucket {
    uint32_t depth, count; /* constant, and so is all that follows */
    Entry entries[];
} Bucket;

typedef struct Buckets {
    TVar **segments[BUCKETS_LEVELS]; /* each: CAS from NULL, as is each of its items */
    uint32_t level;                  /* grows; segments up to it are there */
    TVar *counts[BUCKETS_COUNTS];    /* constant; See Note [Counting entries] */
} Buckets;

/* bucketsOpen -- 0 or -ENOMEM, then nothing is left.   bucketsClose -- `each` for what is in it. */
int bucketsOpen(Buckets *buckets);
void bucketsClose(Buckets *buckets, void (*each)(void *env, const Entry *entry), void *env);

/* Where a hash belongs, as the transaction sees it. */
typedef struct BucketPlace {
    uint64_t number;
    TVar *tvar;
    const Bucket *bucket;
} BucketPlace;

/* What follows returns 0, or the attempt has ended.
 * bucketsFind -- the place of a hash.
 * bucketsAdd -- one more entry there.
 * bucketsReplace -- entry number `index` there gets another value.
 * bucketsRemove -- it goes.
 * bucketsSize -- how many entries there are.
 * bucketsEach -- all of them; false from visit: enough. */
int bucketsFind(Transaction *tx, Buckets *buckets, uint64_t hash, BucketPlace *place);
int bucketsAdd(Transaction *tx, Buckets *buckets, const BucketPlace *place, const Entry *entry);
int bucketsReplace(Transaction *tx, const BucketPlace *place, uint32_t index, void *value);
int bucketsRemove(Transaction *tx, Buckets *buckets, const BucketPlace *place, uint32_t index);
int bucketsSize(Transaction *tx, Buckets *buckets, size_t *size);
int bucketsEach(Transaction *tx, Buckets *buckets, bool (*visit)(void *env, const Entry *entry),
                void *env);

/* bucketsSane -- walker for tests, in a transaction: every entry is where its hash belongs, buckets
 * part all hashes, and the count is right. */
int bucketsSane(Transaction *tx, Buckets *buckets, bool *sane);

#endif
