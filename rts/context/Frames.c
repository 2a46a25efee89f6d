/* Frames.c -- is a frame of the library active on an interrupted stack?
 *
 * Owns    the ranges of the library's text.
 * Before  rts/HandOver.c: a signal handler.   After  nothing: it only looks.
 * Tests   testsuite/unit/FramesTest.c, testsuite/lint/text.py
 *
 * See Note [Active frames].
 */
#include "rts/context/Frames.h"

#include "internal/Assert.h"
#include "internal/Sanitize.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum {
    RANGES_MOST = 1024,
    GAP_MOST = 256,               /* between two of ours: padding */
    LOOKED_AT_MOST = 1024 * 1024, /* bytes of a stack: a handler should be brief */
    WIPED_WORDS = 256             /* what a switch, an end and a poll reach, mostly */
};

#if defined(SANITIZE_ADDRESS) || defined(SANITIZE_THREAD)
#define SANITIZED true
#else
#define SANITIZED false
#endif

typedef struct Range {
    uintptr_t begin, end;
} Range;

/* What the linker has put together: distances from the word itself.  See internal/Text.h. */
typedef struct TextEntry {
    int64_t begin, end;
} TextEntry;

extern const TextEntry text_begin[] __asm__("__start_capri_text")
    __attribute__((weak, visibility("hidden")));
extern const TextEntry text_end[] __asm__("__stop_capri_text")
    __attribute__((weak, visibility("hidden")));
extern const int64_t bodies_begin[] __asm__("__start_capri_bodies")
    __attribute__((weak, visibility("hidden")));
extern const int64_t bodies_end[] __asm__("__stop_capri_bodies")
    __attribute__((weak, visibility("hidden")));

/* framesStart writes it, before there is a worker. */
static struct {
    Range ranges[RANGES_MOST]; /* ascending */
    uint32_t count;
    uintptr_t body; /* where a thread's body returns to; 0: unknown */
} text;

bool frames_watched;

void framesWatch(bool watch)
{
    frames_watched = watch;
}

/* No call: it would leave its own return address. */
__attribute__((noinline)) void framesWipeSlow(void)
{
    volatile uintptr_t below[WIPED_WORDS];
    for (int i = 0; i < WIPED_WORDS; i++)
        below[i] = 0;
    __asm__ volatile("" ::"r"(below) : "memory");
}

static uintptr_t resolve(const int64_t *distance)
{
    return (uintptr_t)distance + (uintptr_t)*distance;
}

static int compareRanges(const void *left, const void *right)
{
    uintptr_t a = ((const Range *)left)->begin, b = ((const Range *)right)->begin;
    return (a > b) - (a < b);
}

/* Those that touch, or nearly so, become one. */
static void mergeRanges(void)
{
    uint32_t last = 0;
    qsort(text.ranges, text.count, sizeof *text.ranges, compareRanges);
    for (uint32_t i = 1; i < text.count; i++) {
        Range *into = &text.ranges[last], *range = &text.ranges[i];
        if (range->begin > into->end + GAP_MOST)
            text.ranges[++last] = *range;
        else if (range->end > into->end)
            into->end = range->end;
    }
    text.count = text.count == 0 ? 0 : last + 1;
}

bool framesStart(void)
{
    text.count = 0;
    text.body = 0;
    if (SANITIZED || text_begin == NULL || bodies_begin == NULL || bodies_end - bodies_begin != 1)
        return false;
    for (const TextEntry *entry = text_begin; entry < text_end; entry++) {
        Range range = {resolve(&entry->begin), resolve(&entry->end)};
        if (range.begin == range.end)
            continue;
        if (text.count == RANGES_MOST)
            return false;
        text.ranges[text.count++] = range;
    }
    mergeRanges();
    text.body = resolve(bodies_begin);
    return text.body != 0;
}

bool framesHoldText(uintptr_t address)
{
    uint32_t low = 0, high = text.count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (address < text.ranges[middle].begin)
            high = middle;
        else if (address > text.ranges[middle].end) /* a call that does not return may be last */
            low = middle + 1;
        else
            return true;
    }
    return false;
}

/* What was signed, without its signature. */
static inline uintptr_t strip(uintptr_t word)
{
#if defined(__aarch64__)
    register uintptr_t x30 __asm__("x30") = word;
    __asm__("hint #7" : "+r"(x30)); /* xpaclri; nothing on processors without it */
    return x30;
#else
    return word;
#endif
}

/* The machine at the moment of the signal. */
typedef struct Moment {
    uintptr_t sp, pc;
} Moment;

static Moment momentOf(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (Moment){(uintptr_t)context->uc_mcontext.gregs[REG_RSP],
                    (uintptr_t)context->uc_mcontext.gregs[REG_RIP]};
#else
    return (Moment){(uintptr_t)context->uc_mcontext.sp, (uintptr_t)context->uc_mcontext.pc};
#endif
}

/* Has a register a return address?  On x86-64 none ever has.  Elsewhere it is the link register, or
 * one that a compiler has moved it to; but not those that linkers and the platform use. */
static bool holdRegisters(const ucontext_t *context)
{
#if defined(__aarch64__)
    for (int i = 0; i <= 30; i++) {
        if ((i < 16 || i > 18) && framesHoldText(strip(context->uc_mcontext.regs[i])))
            return true;
    }
#else
    (void)context;
#endif
    return false;
}

/* Is there a call before this place in the library's text? */
static bool followsCall(uintptr_t address)
{
#if defined(__x86_64__)
    enum { LONGEST = 7, DIRECT = 5 };
    const unsigned char *code = (const unsigned char *)address;
    if (!framesHoldText(address - LONGEST))
        return true; /* its first bytes */
    for (int length = 2; length <= LONGEST; length++) {
        if (code[-length] == 0xff && (code[-length + 1] & 0x38) == 0x10)
            return true; /* through a register or memory */
    }
    return code[-DIRECT] == 0xe8;
#else
    uint32_t code;
    if (address % sizeof code != 0 || !framesHoldText(address - sizeof code))
        return address % sizeof code == 0;
    memcpy(&code, (const char *)address - sizeof code, sizeof code);
    return code >> 26 == 0x25 || (code & 0xfedff000) == 0xd61f0000; /* bl; blr and its like */
#endif
}

/* Could the word at `at` be the program counter that a signal has saved?  low: the words below. */
static bool mayBeSaved(const uintptr_t *at, uintptr_t low, uintptr_t top)
{
    if ((uintptr_t)(at - 1) < low || (uintptr_t)(at + 3) > top)
        return false;
#if defined(__x86_64__)
    return (at[2] & 0xffff) == 0x33; /* the code segment of a 64-bit program */
#else
    /* The stack pointer; the program's mode. */
    return at[-1] % 16 == 0 && (at[1] & 0x1f) == 0;
#endif
}

bool framesAreActive(Stack *stack, const void *context)
{
    Moment moment = momentOf(context);
    uintptr_t bottom = (uintptr_t)stackBottom(stack), top = (uintptr_t)stackTop(stack);
    if (text.body == 0 || moment.sp < bottom || moment.sp >= top ||
        top - moment.sp > LOOKED_AT_MOST || framesHoldText(moment.pc) || holdRegisters(context))
        return true;
    uintptr_t first = moment.sp & ~(uintptr_t)(sizeof(uintptr_t) - 1), at = top;
    do {
        at -= sizeof(uintptr_t);
    } while (at > first && strip(*(const uintptr_t *)at) != text.body);
    if (strip(*(const uintptr_t *)at) != text.body)
        return true;
    while (at > first) {
        at -= sizeof(uintptr_t);
        uintptr_t word = strip(*(const uintptr_t *)at);
        if (framesHoldText(word) &&
            (followsCall(word) || mayBeSaved((const uintptr_t *)at, first, top)))
            return true;
    }
    return false;
}
