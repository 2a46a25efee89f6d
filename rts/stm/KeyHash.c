/* KeyHash.c -- hashes of keys that an outsider who does not know the seed cannot aim.
 *
 * Owns    the count of seeds that have been drawn.
 * Before  rts/stm/TMap.c.
 * Tests   testsuite/unit/KeyHashTest.c
 *
 * See Note [Seeds].
 */
#include "rts/stm/KeyHash.h"

#include "internal/SMP.h"

#include <string.h>
#include <sys/auxv.h>

static uint64_t seeds; /* relaxed add: drawn so far */

static inline uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void mixRound(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline uint64_t loadWord(const unsigned char *at, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, at, size);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word : __builtin_bswap64(word);
}

static inline void mixWord(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mixRound(v);
    v[0] ^= word;
}

uint64_t keyHashBytes(const KeySeed *seed, const void *bytes, size_t size)
{
    const unsigned char *at = bytes; /* NULL: size is 0 */
    uint64_t k0 = seed->words[0], k1 = seed->words[1];
    uint64_t v[4] = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                     k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    for (size_t words = size / 8; words > 0; words--, at += 8)
        mixWord(v, loadWord(at, 8));
    uint64_t last = (uint64_t)size << 56;
    if (size % 8 != 0)
        last |= loadWord(at, size % 8);
    mixWord(v, last);
    v[2] ^= 0xff;
    mixRound(v);
    mixRound(v);
    mixRound(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t keyHashWord(const KeySeed *seed, uint64_t word)
{
    word ^= seed->words[0];
    word = (word ^ word >> 33) * UINT64_C(0xff51afd7ed558ccd);
    word = (word ^ word >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return word ^ word >> 33;
}

KeySeed keyHashSeed(void)
{
    KeySeed program = {{0, 0}}, seed;
    const void *random = (const void *)getauxval(AT_RANDOM);
    if (random != NULL)
        memcpy(&program, random, sizeof program);
    for (int i = 0; i < 2; i++) {
        uint64_t number = ADD_RELAXED(&seeds, 1);
        seed.words[i] = keyHashBytes(&program, &number, sizeof number);
    }
    return seed;
}
