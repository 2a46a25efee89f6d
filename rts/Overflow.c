/* Overflow.c -- a stack that overflows is named: a SIGSEGV handler on a signal stack of its own.
 *
 * Owns    the SIGSEGV action while the runtime is up (RtsConfig.no_signals: not even that).
 * Before  the kernel: a guard page was hit.   After  whatever handled SIGSEGV before us.
 * Tests   testsuite/unit/OverflowTest.c
 */
#include "rts/Overflow.h"

#include "rts/Thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIGNAL_STACK = 64 * 1024 }; /* AVX-512 frames alone take 3 KiB, a chained handler more */

static struct sigaction previous; /* written by overflowStart, read by the handler */

/* Async-signal-safe formatting: append text or a number to a line. */
typedef struct Line {
    char text[192];
    size_t length;
} Line;

static void addText(Line *line, const char *text)
{
    for (; *text != 0 && line->length < sizeof line->text - 1; text++)
        line->text[line->length++] = *text;
}

static void addNumber(Line *line, uint64_t number)
{
    char digits[24];
    int at = (int)sizeof digits - 1;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    addText(line, digits + at);
}

static void report(Stack *stack)
{
    Thread *thread = RELAXED_LOAD(&stack->owner);
    Line line = {.length = 0};
    addText(&line, "capri: stack overflow: green thread ");
    addNumber(&line, thread == NULL ? 0 : thread->id);
    if (thread != NULL && thread->label != NULL) {
        addText(&line, " \"");
        addText(&line, thread->label);
        addText(&line, "\"");
    }
    addText(&line, " overflowed its stack of ");
    addNumber(&line, stackSizeOf(stack) / 1024);
    addText(&line, " KiB\n");
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written;
}

static void handleFault(int number, siginfo_t *info, void *context)
{
    bool sent = info->si_code <= 0; /* by kill(2) and its kin: there is no address */
    Stack *stack = sent ? NULL : stackOfGuard(info->si_addr);
    if (stack != NULL)
        report(stack);
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    } else if (!sent || previous.sa_handler == SIG_DFL) { /* no fault can be ignored */
        struct sigaction standard;
        memset(&standard, 0, sizeof standard);
        standard.sa_handler = SIG_DFL;
        sigaction(number, &standard, NULL); /* returning faults again, and now it is fatal */
        if (sent)
            raise(number); /* comes when the handler has returned */
    }
}

int overflowStart(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handleFault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGSEGV, &action, &previous) == 0 ? 0 : -errno;
}

void overflowEnd(void)
{
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_sigaction == handleFault)
        sigaction(SIGSEGV, &previous, NULL);
}

int overflowWatchHere(void)
{
    stack_t now, wanted;
    if (sigaltstack(NULL, &now) == 0 && (now.ss_flags & SS_DISABLE) == 0)
        return 0;
    memset(&wanted, 0, sizeof wanted);
    wanted.ss_size = SIGNAL_STACK;
    wanted.ss_sp =
        mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (wanted.ss_sp == MAP_FAILED)
        return -ENOMEM;
    if (sigaltstack(&wanted, NULL) != 0) {
        int result = -errno;
        munmap(wanted.ss_sp, SIGNAL_STACK);
        return result;
    }
    return 0;
}

void overflowUnwatchHere(void)
{
    stack_t now, none;
    memset(&none, 0, sizeof none);
    none.ss_flags = SS_DISABLE;
    if (sigaltstack(NULL, &now) != 0 || (now.ss_flags & SS_DISABLE) != 0 ||
        now.ss_size != SIGNAL_STACK)
        return;
    sigaltstack(&none, NULL);
    munmap(now.ss_sp, SIGNAL_STACK);
}
