/* KeyHash.h -- hashes of keys that an outsider who does not know the seed cannot aim.
 *
 * Note [Seeds]
 *   A seed is 128 bits, drawn for each map: SipHash of a counter, under the 16 random bytes that
 *   the kernel gives each program at its start (AT_RANDOM).  No system call, nothing that fails;
 *   different in each run.  Bytes are hashed by SipHash-1-3 under that seed: who cannot see hashes
 *   or the order of iteration cannot make keys that collide on purpose.
 */
#ifndef RTS_KEY_HASH_H
#define RTS_KEY_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct KeySeed {
    uint64_t words[2];
} KeySeed;

/* keyHashSeed -- another one with each call; See Note [Seeds]. */
KeySeed keyHashSeed(void);

/* keyHashBytes -- SipHash-1-3. */
uint64_t keyHashBytes(const KeySeed *seed, const void *bytes, size_t size);

/* keyHashWord -- a permutation: different words, different hashes.  All bits of the result depend
 * on all bits of word; not a secret. */
uint64_t keyHashWord(const KeySeed *seed, uint64_t word);

#endif
