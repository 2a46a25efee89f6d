/* Code.c -- the compiler: from text to bytecode, a word at a time. */
#include "Code.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 64 * 1024, VARIABLES_MOST = 32, DEEPEST = 32 };

#define VERB_FORM(Noun, name, operands) {name, operands},
const VerbForm verb_forms[VERB_COUNT] = {VERBS(VERB_FORM)};

static const char *file;
static char text[TEXT_MOST + 1], *rest = text; /* names point into it */
static char *word;                             /* the next one; NULL: there is none */
static int line = 1, word_line, taken_line;    /* of rest, of word, of the word before it */
static Function *functions, *function;         /* all; the one at hand */
static const char *variables[VARIABLES_MOST];

_Noreturn static void complain(const char *what, const char *which)
{
    fprintf(stderr, "%s:%d: %s%s\n", file, taken_line, what, which);
    exit(2);
}

static void *grow(void *memory, size_t count, size_t size)
{
    memory = realloc(memory, count * size);
    if (memory == NULL)
        complain("out of memory", "");
    return memory;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* A text in quotes is one word, and keeps the first of them. */
static void look(void)
{
    static const char blanks[] = " \t\r\n";
    for (; *rest == '#' || (*rest != '\0' && strchr(blanks, *rest) != NULL); rest++) {
        if (*rest == '#')
            rest += strcspn(rest, "\n");
        line += *rest == '\n';
    }
    word_line = line;
    word = *rest == '\0' ? NULL : rest;
    if (word == NULL)
        return;
    rest = *word == '"' ? strchr(word + 1, '"') : word + strcspn(word, blanks);
    if (rest == NULL)
        complain("a quote is missing after ", word);
    line += *rest == '\n';
    if (*rest != '\0')
        *rest++ = '\0';
}

static char *take(void)
{
    char *taken = word;
    taken_line = word_line;
    if (taken == NULL)
        complain("this is not the end of ", function->name);
    look();
    return taken;
}

static bool is(const char *what)
{
    return word != NULL && strcmp(word, what) == 0;
}

static bool takeIf(const char *what)
{
    return is(what) && take() != NULL;
}

/* A literal is outside of the heap, and does not move. */
static Value makeBytes(const char *from)
{
    Object *object = grow(NULL, 1, sizeof(Object) + strlen(from));
    char *to = (char *)object->at;
    for (; *from != '\0'; from++) {
        bool is_end = from[0] == '\\' && from[1] == 'n';
        *to++ = is_end ? '\n' : *from;
        from += is_end;
    }
    *object = (Object){0, (uint32_t)(to - (char *)object->at)};
    return (Value)object;
}

/* VERB_COUNT: it is none. */
static Verb findVerb(const char *name)
{
    Verb verb = VerbAdd;
    while (verb < VERB_COUNT && strcmp(verb_forms[verb].name, name) != 0)
        verb++;
    return verb;
}

/* A name of the program's. */
static const char *takeName(void)
{
    const char *name = take();
    if (findVerb(name) != VERB_COUNT)
        complain("a verb is not a name: ", name);
    return name;
}

static int findVariable(const char *name)
{
    int i = function->variables - 1;
    while (i >= 0 && strcmp(variables[i], name) != 0)
        i--;
    return i;
}

static int makeVariable(const char *name)
{
    int found = findVariable(name);
    if (found >= 0)
        return found;
    if (function->variables == VARIABLES_MOST)
        complain("too many variables: ", name);
    variables[function->variables] = name;
    return function->variables++;
}

static const Function *findFunction(const char *name)
{
    const Function *it = functions;
    while (it != NULL && strcmp(it->name, name) != 0)
        it = it->next;
    if (it == NULL)
        complain("there is no ", name);
    return it;
}

/* ---- expressions ----------------------------------------------------------------------------- */

/* Valid until the next one. */
static Instruction *emit(Verb verb, int depth)
{
    if (depth == DEEPEST)
        complain("too deep", "");
    if (function->stack <= depth)
        function->stack = depth + 1;
    function->code = grow(function->code, (size_t)function->length + 1, sizeof(Instruction));
    Instruction *now = &function->code[function->length++];
    *now = (Instruction){.verb = verb, .line = taken_line, .depth = depth};
    return now;
}

static void compileExpression(int depth);

static void compileCall(Verb verb, const char *name, int depth)
{
    const Function *callee = findFunction(name);
    for (int i = 0; i < callee->parameters; i++)
        compileExpression(depth + i);
    emit(verb, depth)->callee = callee;
}

static void compileVerb(const char *name, int depth)
{
    Verb verb = findVerb(name);
    if (verb == VERB_COUNT) {
        compileCall(VerbCall, name, depth);
        return;
    }
    for (const char *operand = verb_forms[verb].operands; *operand != '\0'; operand++) {
        int at = depth + (int)(operand - verb_forms[verb].operands);
        if (*operand == '0')
            emit(VerbLiteral, at)->value = valueOfNumber(0);
        else
            compileExpression(at);
    }
    emit(verb, depth);
}

static void compileExpression(int depth)
{
    char *end;
    const char *first = take();
    int at_line = taken_line, variable = findVariable(first);
    long long number = strtoll(first, &end, 10);
    if (*end == '\0') {
        emit(VerbLiteral, depth)->value = valueOfNumber(number);
    } else if (*first == '"') {
        emit(VerbLiteral, depth)->value = makeBytes(first + 1);
    } else if (variable >= 0) {
        emit(VerbLoad, depth)->which = variable;
    } else if (strcmp(first, "set") == 0) {
        const char *name = takeName();
        compileExpression(depth);
        emit(VerbStore, depth)->which = makeVariable(name);
    } else if (strcmp(first, "spawn") == 0) {
        compileCall(VerbSpawn, take(), depth);
    } else {
        compileVerb(first, depth);
    }
    function->code[function->length - 1].line = at_line;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* if, while: leave it unless the expression holds.  The jump is still to be told where to. */
static int compileCondition(void)
{
    compileExpression(0);
    emit(VerbUnless, 0);
    return function->length - 1;
}

static void jumpHere(int jump)
{
    function->code[jump].which = function->length;
}

static void compileStatement(void);

static void compileBlock(void)
{
    while (!is("end") && !is("else"))
        compileStatement();
}

static void compileIf(void)
{
    int jump = compileCondition();
    compileBlock();
    if (takeIf("else")) {
        int over = function->length;
        emit(VerbJump, 0);
        jumpHere(jump);
        compileBlock();
        jump = over;
    }
    jumpHere(jump);
}

static void compileWhile(void)
{
    int start = function->length, jump = compileCondition();
    compileBlock();
    emit(VerbJump, 0)->which = start;
    jumpHere(jump);
}

static void expectEnd(void)
{
    if (strcmp(take(), "end") != 0)
        complain("an end is missing", "");
}

static void compileStatement(void)
{
    if (takeIf("if")) {
        compileIf();
        expectEnd();
    } else if (takeIf("while")) {
        compileWhile();
        expectEnd();
    } else if (takeIf("return")) {
        compileExpression(0);
        emit(VerbReturn, 0);
    } else {
        compileExpression(0);
    }
}

static void compileFunction(void)
{
    if (!takeIf("fn") || word == NULL)
        complain("outside of all functions: ", word == NULL ? "" : word);
    function = grow(NULL, 1, sizeof(Function));
    *function = (Function){.name = takeName(), .next = functions};
    for (int head = taken_line; word != NULL && word_line == head;)
        makeVariable(takeName());
    function->parameters = function->variables;
    functions = function;
    compileBlock();
    expectEnd();
    emit(VerbLiteral, 0)->value = valueOfNumber(0);
    emit(VerbReturn, 0);
}

const Function *codeCompile(const char *path)
{
    FILE *stream = fopen(path, "r");
    file = path;
    if (stream == NULL || fread(text, 1, sizeof text, stream) == sizeof text)
        complain("cannot be read, or is too long", "");
    fclose(stream);
    look();
    while (word != NULL)
        compileFunction();
    const Function *program = findFunction("main");
    if (program->parameters != 0)
        complain("main has parameters", "");
    return program;
}
