/* Code.c -- the assembler: from text to bytecode, a line at a time. */
#include "Code.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MOST = OPERANDS_MOST + 4, VARIABLES_MOST = 32, BLOCKS_MOST = 16 };

#define VERB_FORM(noun, name, operands) {name, operands},
const VerbForm verb_forms[VERB_COUNT] = {VERBS(VERB_FORM)};

/* What `end` will end. */
typedef struct Block {
    const char *word; /* fn, if, while */
    int start;        /* of a loop: its condition */
    int hole;         /* the jump that is still to be told where to */
} Block;

static struct {
    const char *file;
    char *text; /* all of it: names point into it */
    int line;
    char *words[WORDS_MOST];
    int count;
    Function *functions, *function; /* all; the one at hand */
    const char *variables[VARIABLES_MOST];
    Block blocks[BLOCKS_MOST];
    int depth;
} as;

_Noreturn static void complain(const char *what, const char *which)
{
    fprintf(stderr, "%s:%d: %s%s\n", as.file, as.line, what, which);
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
static void splitLine(char *line)
{
    static const char blanks[] = " \t\r";
    as.count = 0;
    for (line += strspn(line, blanks); *line != '\0' && *line != '#';
         line += strspn(line, blanks)) {
        if (as.count == WORDS_MOST)
            complain("too many words", "");
        as.words[as.count++] = line;
        line = *line == '"' ? strchr(line + 1, '"') : line + strcspn(line, blanks);
        if (line == NULL)
            complain("a quote is missing", "");
        if (*line != '\0')
            *line++ = '\0';
    }
}

/* A literal is outside of the heap, and does not move. */
static Value makeBytes(const char *text)
{
    Object *object = grow(NULL, 1, objectSpace(KindBytes, (uint32_t)strlen(text)));
    char *to = objectBytes(object);
    for (; *text != '\0'; text++) {
        bool is_end = text[0] == '\\' && text[1] == 'n';
        *to++ = is_end ? '\n' : *text;
        text += is_end;
    }
    *object = (Object){KindBytes, (uint32_t)(to - objectBytes(object))};
    return (Value)object;
}

/* -1: there is no such variable. */
static int findVariable(const char *name)
{
    for (int i = 0; i < as.function->variables; i++) {
        if (strcmp(as.variables[i], name) == 0)
            return i;
    }
    return -1;
}

static int makeVariable(const char *name)
{
    int found = findVariable(name);
    if (found >= 0)
        return found;
    if (as.function->variables == VARIABLES_MOST)
        complain("too many variables: ", name);
    as.variables[as.function->variables] = name;
    return as.function->variables++;
}

/* Is the word an operand, and which? */
static bool isOperand(const char *word, Operand *operand)
{
    char *end;
    long long number = strtoll(word, &end, 10);
    *operand = (Operand){-1, valueOfNumber(number)};
    if (*end == '\0')
        return true;
    if (*word == '"')
        operand->literal = makeBytes(word + 1);
    else
        operand->variable = findVariable(word);
    return *word == '"' || operand->variable >= 0;
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* Valid until the next one. */
static Instruction *emit(Verb verb, char *const *words, int count)
{
    Function *function = as.function;
    if (count > OPERANDS_MOST)
        complain("too many operands", "");
    function->code = grow(function->code, (size_t)function->length + 1, sizeof *function->code);
    Instruction *now = &function->code[function->length++];
    *now = (Instruction){.verb = verb, .to = -1, .count = count, .line = as.line};
    for (int i = 0; i < count; i++) {
        if (!isOperand(words[i], &now->operands[i]))
            complain("no such variable: ", words[i]);
    }
    return now;
}

static Instruction *emitCall(Verb verb, char *const *words, int count)
{
    if (count < 1)
        complain("which function?", "");
    Instruction *call = emit(verb, words + 1, count - 1);
    call->name = words[0];
    return call;
}

static Instruction *emitExpression(char *const *words, int count)
{
    bool is_literal = strchr("\"-0123456789", words[0][0]) != NULL;
    if (count == 1 && (is_literal || findVariable(words[0]) >= 0))
        return emit(VerbCopy, words, 1);
    for (Verb verb = VerbSpawn; verb < VERB_COUNT; verb++) {
        const VerbForm *form = &verb_forms[verb];
        if (strcmp(form->name, words[0]) != 0)
            continue;
        if (form->operands == NULL)
            return emitCall(verb, words + 1, count - 1);
        if (strlen(form->operands) != (size_t)count - 1)
            complain("wrong number of operands: ", words[0]);
        return emit(verb, words + 1, count - 1);
    }
    return emitCall(VerbCall, words, count);
}

static void assign(const char *name, Instruction *now)
{
    now->to = makeVariable(name);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static Block *openBlock(const char *word)
{
    if (as.depth == BLOCKS_MOST)
        complain("too deep: ", word);
    Block *block = &as.blocks[as.depth++];
    *block = (Block){.word = word, .start = as.function->length};
    return block;
}

static void fillHole(const Block *block)
{
    as.function->code[block->hole].target = as.function->length;
}

static void beginFunction(void)
{
    if (as.depth != 0 || as.count < 2)
        complain("a function without a name, or within another one", "");
    as.function = grow(NULL, 1, sizeof(Function));
    *as.function = (Function){.name = as.words[1], .next = as.functions};
    as.functions = as.function;
    for (int i = 2; i < as.count; i++)
        makeVariable(as.words[i]);
    as.function->parameters = as.function->variables;
    openBlock("fn");
}

/* What follows the line's first word, in a variable whose name cannot be written. */
static void emitAbout(Verb verb)
{
    static char *const unnamed[] = {" "};
    if (as.count < 2)
        complain("an expression is missing: ", as.words[0]);
    assign(unnamed[0], emitExpression(as.words + 1, as.count - 1));
    emit(verb, unnamed, 1);
}

/* if, while: leave it unless the expression holds. */
static void beginCondition(void)
{
    Block *block = openBlock(as.words[0]);
    emitAbout(VerbUnless);
    block->hole = as.function->length - 1;
}

static void beginElse(void)
{
    Block *block = &as.blocks[as.depth - 1];
    if (strcmp(block->word, "if") != 0)
        complain("else without if", "");
    int jump = as.function->length;
    emit(VerbJump, NULL, 0);
    fillHole(block);
    *block = (Block){.word = "else", .hole = jump};
}

static void endBlock(void)
{
    static char *const zero[] = {"0"};
    Block *block = &as.blocks[--as.depth];
    if (strcmp(block->word, "fn") == 0) {
        emit(VerbReturn, zero, 1);
        return;
    }
    if (strcmp(block->word, "while") == 0)
        emit(VerbJump, NULL, 0)->target = block->start;
    fillHole(block);
}

static void assembleLine(void)
{
    char **words = as.words;
    if (strcmp(words[0], "fn") == 0)
        beginFunction();
    else if (as.depth == 0)
        complain("outside of all functions: ", words[0]);
    else if (strcmp(words[0], "if") == 0 || strcmp(words[0], "while") == 0)
        beginCondition();
    else if (strcmp(words[0], "else") == 0)
        beginElse();
    else if (strcmp(words[0], "end") == 0)
        endBlock();
    else if (strcmp(words[0], "return") == 0)
        emitAbout(VerbReturn);
    else if (as.count > 2 && strcmp(words[1], "=") == 0)
        assign(words[0], emitExpression(words + 2, as.count - 2));
    else
        emitExpression(words, as.count);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static char *readAll(const char *file)
{
    FILE *stream = fopen(file, "r");
    size_t room = 64 * 1024;
    char *text = grow(NULL, 1, room);
    if (stream == NULL)
        complain(strerror(errno), "");
    size_t size = fread(text, 1, room, stream);
    fclose(stream);
    if (size == room)
        complain("too long", "");
    text[size] = '\0';
    return text;
}

static const Function *findFunction(const char *name, int operands)
{
    for (const Function *function = as.functions; function != NULL; function = function->next) {
        if (strcmp(function->name, name) != 0)
            continue;
        if (operands > function->parameters)
            complain("too many operands: ", name);
        return function;
    }
    complain("no such function: ", name);
}

static void linkCalls(const Function *function)
{
    for (Instruction *now = function->code; now < function->code + function->length; now++) {
        as.line = now->line;
        if (now->name != NULL)
            now->callee = findFunction(now->name, now->count);
    }
}

const Function *codeAssemble(const char *file)
{
    as.file = file;
    as.text = readAll(file);
    char *line = as.text;
    while (line != NULL) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        as.line++;
        splitLine(line);
        if (as.count != 0)
            assembleLine();
        line = end;
    }
    if (as.depth != 0)
        complain("an end is missing: ", as.function->name);
    for (const Function *function = as.functions; function != NULL; function = function->next)
        linkCalls(function);
    return findFunction("main", 0);
}
