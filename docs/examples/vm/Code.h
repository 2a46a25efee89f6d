/* Code.h -- bytecode, and the assembler that makes it of text.
 *
 * A line is an instruction:
 *
 *     fn NAME PARAMETER... ... end       a function; the program begins with main
 *     VARIABLE = EXPRESSION              a variable belongs to its function
 *     if EXPRESSION ... else ... end     nothing and 0 are false
 *     while EXPRESSION ... end
 *     return EXPRESSION
 *     EXPRESSION                         a variable, 12, "text\n"; VERB OPERAND...;
 *                                        FUNCTION OPERAND...; spawn FUNCTION OPERAND...
 *
 * Operands are variables and literals.  From # on it is a comment.
 */
#ifndef CAPRI_VM_CODE_H
#define CAPRI_VM_CODE_H

#include "Value.h"

/* X(Enumerator, name, operands): n a number, b bytes, p a pair, c a channel, v anything; NULL: as
 * many as there are.  Those in brackets are what if, while, return and calls become. */
#define VERBS(X)                                                                                   \
    X(Copy, "(copy)", "v")                                                                         \
    X(Jump, "(jump)", "")                                                                          \
    X(Unless, "(unless)", "v")                                                                     \
    X(Call, "(call)", NULL)                                                                        \
    X(Return, "(return)", "v")                                                                     \
    X(Spawn, "spawn", NULL)                                                                        \
    X(Fail, "fail", "b")                                                                           \
    X(Add, "add", "nn")                                                                            \
    X(Subtract, "subtract", "nn")                                                                  \
    X(Less, "less", "nn")                                                                          \
    X(Equal, "equal", "vv")                                                                        \
    X(Text, "text", "n")                                                                           \
    X(Number, "number", "v")                                                                       \
    X(Size, "size", "b")                                                                           \
    X(Join, "join", "bb")                                                                          \
    X(Pair, "pair", "vv")                                                                          \
    X(First, "first", "p")                                                                         \
    X(Second, "second", "p")                                                                       \
    X(Channel, "channel", "")                                                                      \
    X(Send, "send", "cv")                                                                          \
    X(Receive, "receive", "c")                                                                     \
    X(Sleep, "sleep", "n")                                                                         \
    X(Argument, "argument", "n")                                                                   \
    X(Listen, "listen", "n")                                                                       \
    X(Port, "port", "n")                                                                           \
    X(Accept, "accept", "n")                                                                       \
    X(Connect, "connect", "n")                                                                     \
    X(Read, "read", "n")                                                                           \
    X(Write, "write", "nb")                                                                        \
    X(Close, "close", "n")

#define VERB_ENUMERATOR(noun, name, operands) Verb##noun,
typedef enum Verb { VERBS(VERB_ENUMERATOR) VERB_COUNT } Verb;

typedef struct VerbForm {
    const char *name, *operands;
} VerbForm;

extern const VerbForm verb_forms[VERB_COUNT];

enum { OPERANDS_MOST = 4 };

typedef struct Operand {
    int variable; /* -1: it is the literal */
    Value literal;
} Operand;

typedef struct Instruction {
    Verb verb;
    int to;     /* the variable that gets the result; -1: none */
    int target; /* of a jump */
    int count;
    Operand operands[OPERANDS_MOST];
    const char *name; /* of a call: whom */
    const struct Function *callee;
    int line;
} Instruction;

typedef struct Function {
    const char *name;
    Instruction *code;
    int length, parameters, variables;
    struct Function *next;
} Function;

/* codeAssemble -- the function main of that file.  Faults are told, with their line, and end the
 * program. */
const Function *codeAssemble(const char *file);

#endif
