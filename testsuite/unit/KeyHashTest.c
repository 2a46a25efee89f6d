/* KeyHashTest.c -- hashes of keys: SipHash-1-3 as others compute it, seeds that differ. */
#include "rts/stm/KeyHash.h"

#include "testsuite/support/Test.h"

#include <string.h>

TEST(KeyHash, isSipHash13)
{
    static const struct {
        const char *bytes;
        uint64_t hash;
    } known[] = {/* CPython's hash() of bytes with PYTHONHASHSEED=0 */
                 {"a", UINT64_C(0x407448d2b89b1813)},
                 {"abcdefg", UINT64_C(0x6db12aae9070f506)},
                 {"abcdefgh", UINT64_C(0x3f7b849c0b8e35ea)},
                 {"abcdefghi", UINT64_C(0xf89b34a3d11eb6e5)}};
    KeySeed zero = {{0, 0}};
    unsigned char all[65]; /* from an odd address */
    for (size_t i = 0; i < 4; i++)
        CHECK_EQ(keyHashBytes(&zero, known[i].bytes, strlen(known[i].bytes)), known[i].hash);
    for (unsigned char i = 0; i < 64; i++)
        all[i + 1] = i;
    CHECK_EQ(keyHashBytes(&zero, all + 1, 64), UINT64_C(0x75e05fd5bbc870c6));
    CHECK_NE(keyHashBytes(&zero, NULL, 0), 0);
}

TEST(KeyHash, seedsDiffer)
{
    KeySeed a = keyHashSeed(), b = keyHashSeed();
    CHECK_NE(a.words[0], b.words[0]);
    CHECK_NE(a.words[1], b.words[1]);
    CHECK_NE(a.words[0], a.words[1]);
    CHECK_NE(keyHashBytes(&a, "x", 1), keyHashBytes(&b, "x", 1));
}

/* Goal: what stands in few bits of a word, as addresses do, reaches the lowest ones. */
TEST(KeyHash, wordsReachAllBits)
{
    KeySeed seed = keyHashSeed();
    for (int bit = 0; bit < 64; bit++) {
        uint64_t seen = 0;
        for (uint64_t word = 0; word < 256; word++)
            seen |= keyHashWord(&seed, word) ^ keyHashWord(&seed, word ^ UINT64_C(1) << bit);
        CHECK_EQ(seen, UINT64_MAX);
    }
}
