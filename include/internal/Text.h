/* Text.h -- where the machine code of one source file lies: put in front of each of the library's.
 *
 * The build includes this file into every source of the library.  Each leaves entries in a section
 * of their own, capri_text, which the linker puts together, in a shared library and in a static
 * link alike: where each of its code sections begins and ends, as distances from the entry's words.
 * The end is a label in the section's last subsection: an assembler puts all else before that.
 * See Note [Active frames].  testsuite/lint/text.py sees that no code section is left out.
 */
#ifndef INTERNAL_TEXT_H
#define INTERNAL_TEXT_H

#define TEXT_ENTRY(name, flags)                                                                    \
    ".pushsection " name ",0" flags "\n"                                                           \
    "770:\n"                                                                                       \
    ".popsection\n"                                                                                \
    ".pushsection " name ",8000" flags "\n"                                                        \
    "771:\n"                                                                                       \
    ".popsection\n"                                                                                \
    ".pushsection capri_text,\"aR\",%progbits\n"                                                   \
    ".balign 8\n"                                                                                  \
    ".quad 770b - .\n"                                                                             \
    ".quad 771b - .\n"                                                                             \
    ".popsection\n"

__asm__(TEXT_ENTRY(".text", "") TEXT_ENTRY(".text.unlikely", ",\"ax\",%progbits")
            TEXT_ENTRY(".text.unlikely.", ",\"ax\",%progbits"));

#endif
