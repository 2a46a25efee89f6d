/* Code.h -- bytecode, and the compiler that makes it of text.
 *
 *     fn NAME PARAMETER...        on one line; then statements, then end; main is the program
 *     if EXPRESSION ... else ... end, while EXPRESSION ... end       nothing and 0 are false
 *     return EXPRESSION, EXPRESSION                                  statements
 *     12, "text\n", VARIABLE, set VARIABLE EXPRESSION                expressions
 *     VERB EXPRESSION..., FUNCTION EXPRESSION..., spawn FUNCTION EXPRESSION...
 *
 * Each verb and each function takes as many expressions as it has operands or parameters, so there
 * are no brackets.  A function stands before those that call it.  From # on it is a comment.
 */
#ifndef CAPRI_VM_CODE_H
#define CAPRI_VM_CODE_H

#include "Heap.h"

/* X(Noun, name, operands): n a number, b bytes, p a pair, v anything; 0 is none of the program's:
 * it begins as 0 and holds how far the verb has come.  Those in brackets are what the rest of the
 * language becomes. */
#define VERBS(X)                                                                                   \
    X(Literal, "(literal)", "")                                                                    \
    X(Load, "(load)", "")                                                                          \
    X(Store, "(store)", "v")                                                                       \
    X(Jump, "(jump)", "")                                                                          \
    X(Unless, "(unless)", "v")                                                                     \
    X(Call, "(call)", "")                                                                          \
    X(Spawn, "(spawn)", "")                                                                        \
    X(Return, "(return)", "v")                                                                     \
    X(Add, "add", "nn")                                                                            \
    X(Subtract, "subtract", "nn")                                                                  \
    X(Less, "less", "nn")                                                                          \
    X(Equal, "equal", "vv")                                                                        \
    X(Number, "number", "v")                                                                       \
    X(Text, "text", "n")                                                                           \
    X(Join, "join", "bb")                                                                          \
    X(Pair, "pair", "vv")                                                                          \
    X(First, "first", "p")                                                                         \
    X(Second, "second", "p")                                                                       \
    X(Argument, "argument", "n")                                                                   \
    X(Sleep, "sleep", "n0")                                                                        \
    X(Listen, "listen", "n")                                                                       \
    X(Port, "port", "n")                                                                           \
    X(Accept, "accept", "n")                                                                       \
    X(Read, "read", "n")                                                                           \
    X(Write, "write", "nb0")                                                                       \
    X(Close, "close", "n")

#define VERB_ENUMERATOR(Noun, name, operands) Verb##Noun,
typedef enum Verb { VERBS(VERB_ENUMERATOR) VERB_COUNT } Verb;

typedef struct VerbForm {
    const char *name, *operands;
} VerbForm;

extern const VerbForm verb_forms[VERB_COUNT];

typedef struct Instruction {
    Verb verb;
    int line;
    int depth;   /* its first operand is so deep on the frame's stack; its result gets there */
    int which;   /* variable; or the instruction to jump to */
    Value value; /* of a literal */
    const struct Function *callee;
} Instruction;

typedef struct Function {
    const char *name;
    Instruction *code;
    int length, parameters, variables, stack; /* `stack`: how deep it gets */
    struct Function *next;
} Function;

/* codeCompile -- the function main of that file.  Faults are told, with their line, and end the
 * program. */
const Function *codeCompile(const char *file);

#endif
