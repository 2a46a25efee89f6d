/* Clobbers.h -- register files that only some processors have, as the end of a list of clobbers.
 *
 * Whoever is told that every register is lost has to know of these, too, once it may use them.
 */
#ifndef RTS_CLOBBERS_H
#define RTS_CLOBBERS_H

#if defined(__AVX512F__)
/* clang-format off */
#define CLOBBERS_WIDE                                                                              \
    , "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7",                                              \
      "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
      "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"
#elif defined(__ARM_FEATURE_SVE)
#define CLOBBERS_WIDE                                                                              \
    , "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12", "p13",      \
      "p14", "p15"
/* clang-format on */
#else
#define CLOBBERS_WIDE
#endif

#endif
