/* Test.h -- the harness: a file of TESTs is a program, and its exit status is 0, 1 or 77 (skipped).
 *
 *     #include "testsuite/support/Test.h"
 *
 *     TEST(TimerHeap, popsTheEarliestFirst)
 *     {
 *         if (getuid() != 0) SKIP("needs root");
 *         CHECK_EQ(timerHeapSize(&heap), 3);         // prints both operands when it fails
 *         CHECK(timerHeapSane(&heap));
 *     }
 *
 * A failing CHECK writes one message with write(2) and aborts: no longjmp, no allocation, 2 KiB of
 * stack at most, so it may stand on a green thread, in a callback and on any OS thread.
 *
 * Command line of every program:
 *     --seed N      the seed of testRandom and testSeed (else a fixed one; it is printed)
 *     --only TEXT   only the tests whose "Noun.what" contains TEXT
 *     --NAME VALUE  read by testArg("--NAME"), such as --backend epoll
 *     --seconds S   for stress programs, see testSeconds
 */
#ifndef TESTSUITE_TEST_H
#define TESTSUITE_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TEST(Noun, whatItShows) { ... } -- runs in the order of the file, on the main OS thread. */
#define TEST(noun, what)                                                                           \
    static void test_##noun##_##what(void);                                                        \
    static TestCase test_case_##noun##_##what = {#noun "." #what, test_##noun##_##what, NULL};     \
    __attribute__((constructor)) static void register_##noun##_##what(void)                        \
    {                                                                                              \
        testRegister(&test_case_##noun##_##what);                                                  \
    }                                                                                              \
    static void test_##noun##_##what(void)

/* SKIP(reason) -- leaves the TEST it stands in (not a function called by it) as skipped. */
#define SKIP(reason)                                                                               \
    do {                                                                                           \
        testSkip(reason);                                                                          \
        return;                                                                                    \
    } while (0)

/* CHECK(condition), CHECK_EQ(left, right), ... -- integers of any type and sign, enums, pointers.
 * Each operand is evaluated once; a negative number is less than every unsigned one. */
#define CHECK(condition)                                                                           \
    (__builtin_expect(!!(condition), 1) ? (void)0 : testFailed(__FILE__, __LINE__, #condition))
#define CHECK_EQ(left, right) TEST_COMPARE(left, TEST_EQ, right, #left " == " #right)
#define CHECK_NE(left, right) TEST_COMPARE(left, TEST_NE, right, #left " != " #right)
#define CHECK_LT(left, right) TEST_COMPARE(left, TEST_LT, right, #left " < " #right)
#define CHECK_LE(left, right) TEST_COMPARE(left, TEST_LE, right, #left " <= " #right)
#define CHECK_GT(left, right) TEST_COMPARE(left, TEST_GT, right, #left " > " #right)
#define CHECK_GE(left, right) TEST_COMPARE(left, TEST_GE, right, #left " >= " #right)

/* testSeed -- the seed of this run, never 0. */
uint64_t testSeed(void);

/* testRandom -- the next number of the run's own sequence; any thread may call it.  Where the
 * order of threads must not matter, give each thread a state of its own and use testRandomFrom. */
uint64_t testRandom(void);
uint64_t testRandomFrom(uint64_t *state);

/* testArg -- the word after `name` on the command line, or NULL. */
const char *testArg(const char *name);

/* testSeconds -- how long one TEST of a stress program may work: --seconds (else 1) divided by the
 * number of tests that were chosen, so the whole program takes about --seconds. */
double testSeconds(void);

/* testUnderValgrind -- is this process interpreted by valgrind, so that counts should be small? */
bool testUnderValgrind(void);

/* testChild -- runs body(arg) in a forked child and waits for its end.
 *
 * output    receives the start of what the child wrote to stdout and stderr, ended by a 0 byte; the
 *           rest is read and dropped.  A child whose body returns exits with 0.
 * Returns   the status of waitpid(2).
 */
int testChild(void (*body)(void *), void *arg, char *output, size_t capacity);

/* testMain -- what TestMain.c calls; a main of a program's own calls it after its preparations. */
int testMain(int argc, char **argv);

/* ---- inside the macros ---- */

typedef struct TestCase {
    const char *name;
    void (*run)(void);
    struct TestCase *next;
} TestCase;

typedef enum { TEST_EQ, TEST_NE, TEST_LT, TEST_LE, TEST_GT, TEST_GE } TestRelation;

/* A value with its sign: `negative` says that bits is a negative int64_t. */
typedef struct {
    uint64_t bits;
    bool negative;
    bool pointer;
} TestValue;

static inline TestValue testSigned(int64_t value)
{
    return (TestValue){(uint64_t)value, value < 0, false};
}

static inline TestValue testUnsigned(uint64_t value)
{
    return (TestValue){value, false, false};
}

static inline TestValue testPointer(const volatile void *value)
{
    return (TestValue){(uintptr_t)value, false, true};
}

/* clang-format off */
#define TEST_VALUE(x)                                                                              \
    _Generic((x), char: testSigned, signed char: testSigned, short: testSigned, int: testSigned,   \
        long: testSigned, long long: testSigned, _Bool: testUnsigned,                              \
        unsigned char: testUnsigned, unsigned short: testUnsigned, unsigned: testUnsigned,         \
        unsigned long: testUnsigned, unsigned long long: testUnsigned, default: testPointer)(x)
/* clang-format on */
#define TEST_COMPARE(left, relation, right, text)                                                  \
    testCompare(TEST_VALUE(left), relation, TEST_VALUE(right), text, __FILE__, __LINE__)

void testRegister(TestCase *test_case);
void testSkip(const char *reason);
_Noreturn void testFailed(const char *file, int line, const char *text) __attribute__((cold));
_Noreturn void testCompareFailed(TestValue left, TestValue right, const char *text,
                                 const char *file, int line) __attribute__((cold));

static inline bool testRelationHolds(TestValue left, TestRelation relation, TestValue right)
{
    bool equal = left.negative == right.negative && left.bits == right.bits;
    /* Two's complement keeps the order among values of one sign. */
    bool less = left.negative != right.negative ? left.negative : left.bits < right.bits;
    switch (relation) {
    case TEST_EQ:
        return equal;
    case TEST_NE:
        return !equal;
    case TEST_LT:
        return less;
    case TEST_LE:
        return less || equal;
    case TEST_GT:
        return !less && !equal;
    case TEST_GE:
        return !less;
    }
    return false;
}

static inline void testCompare(TestValue left, TestRelation relation, TestValue right,
                               const char *text, const char *file, int line)
{
    if (__builtin_expect(!testRelationHolds(left, relation, right), 0))
        testCompareFailed(left, right, text, file, line);
}

#endif
