/* GdbTest.c -- what gdb sees of a green thread: its own functions, and a clean end at contextStart.
 *
 * not-under: tsan asan valgrind qemu
 */
#include "testsuite/support/Runtime.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* ---- the program that is looked at: this one, started again ---------------------------------- */

static volatile int deep;

__attribute__((noinline)) void greenInnermost(int value);
__attribute__((noinline)) void greenMiddle(int value);
__attribute__((noinline)) void *greenOutermost(void *env);

void greenInnermost(int value)
{
    deep = value; /* gdb breaks here */
    __asm__ volatile("" ::: "memory");
}

void greenMiddle(int value)
{
    greenInnermost(value + 1);
    deep++;
}

/* Runs on a fresh stack, and again after the thread has moved through the scheduler. */
void *greenOutermost(void *env)
{
    greenMiddle(1);
    threadYield();
    threadDelay(1000);
    greenMiddle(2);
    deep++;
    return env;
}

/* ---- the look -------------------------------------------------------------------------------- */

static void runGdb(void *env)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK_GT(length, 0);
    self[length] = 0;
    (void)env;
    setenv("LC_ALL", "C", 1);
    execlp("gdb", "gdb", "-q", "-nx", "-batch", "-ex", "set pagination off", "-ex",
           "set confirm off", "-ex", "set debuginfod enabled off", "-ex",
           "set startup-with-shell off", "-ex", "break greenInnermost", "-ex", "run", "-ex",
           "echo FIRST\\n", "-ex", "bt", "-ex", "continue", "-ex", "echo SECOND\\n", "-ex", "bt",
           "-ex", "echo PARKED\\n", "-ex", "break contextSwitch", "-ex", "continue", "-ex", "bt",
           "-ex", "echo DONE\\n", "-ex", "kill", "--args", self, "--only", "Gdb.isLookedAt",
           "--inside", "yes", (char *)NULL);
    printf("no gdb\n");
}

/* One frame a line: "#n  [0x... in] name (".  Returns how many frames `text` has; last: the last
 * one. */
static int checkFrames(const char *text, const char *const *names, int count, const char **last)
{
    int frames = 0;
    for (const char *at = text; (at = strchr(at, '#')) != NULL; at++) {
        if (at != text && at[-1] != '\n')
            continue;
        char number[16];
        int length = snprintf(number, sizeof number, "#%d ", frames);
        CHECK_EQ(strncmp(at, number, (size_t)length), 0);
        const char *end = strchr(at, '\n');
        CHECK(end != NULL);
        if (frames < count) {
            const char *name = strstr(at, names[frames]);
            CHECK(name != NULL && name < end);
        }
        const char *unknown = strstr(at, "??");
        CHECK(unknown == NULL || unknown > end); /* no frame that gdb cannot name */
        *last = at;
        frames++;
    }
    return frames;
}

/* The text between two marks, cut out in place. */
static char *between(char *output, const char *first, const char *second)
{
    char *from = strstr(output, first);
    CHECK(from != NULL);
    char *to = strstr(from, second);
    CHECK(to != NULL);
    *to = 0;
    return from + strlen(first);
}

TEST(Gdb, seesGreenThreads)
{
    static const char *const names[] = {"greenInnermost", "greenMiddle",   "greenOutermost",
                                        "contextBody",    "threadBodyRun", "threadMain"};
    static const char *const inlined[] = {"greenInnermost", "greenMiddle", "greenOutermost",
                                          "threadMain"};
    static char output[65536], copy[65536];
    if (testArg("--inside") != NULL)
        return;
    CHECK(WIFEXITED(testChild(runGdb, NULL, output, sizeof output)));
    if (strstr(output, "no gdb") != NULL)
        SKIP("there is no gdb");
    if (strstr(output, "FIRST\n") == NULL ||
        strstr(output, "ptrace: Operation not permitted") != NULL ||
        strstr(output, "Could not trace the inferior") != NULL)
        SKIP("gdb may not trace here");
    printf("%s\n", output);
    CHECK_EQ(strstr(output, "Backtrace stopped"), NULL);
    CHECK_EQ(strstr(output, "corrupt stack"), NULL);
    static const char *const marks[][2] = {{"FIRST\n", "SECOND\n"}, {"SECOND\n", "PARKED\n"}};
    for (int i = 0; i < 2; i++) {
        const char *last = NULL;
        memcpy(copy, output, sizeof copy);
        char *text = between(copy, marks[i][0], marks[i][1]);
        bool shown = strstr(text, "threadBodyRun") != NULL; /* inlined without debug information? */
        CHECK_EQ(checkFrames(text, shown ? names : inlined, shown ? 6 : 4, &last), shown ? 7 : 5);
        CHECK(strstr(last, "contextStart") != NULL);
    }
    const char *last = NULL; /* inside the switch, before anything is saved */
    static const char *const inside[] = {"contextSwitch"};
    memcpy(copy, output, sizeof copy);
    CHECK_GE(checkFrames(between(copy, "PARKED\n", "DONE\n"), inside, 1, &last), 3);
}

TEST(Gdb, isLookedAt)
{
    if (testArg("--inside") == NULL)
        return;
    greenStart(1);
    greenJoin(greenFork(greenOutermost, NULL));
    greenStop();
}
