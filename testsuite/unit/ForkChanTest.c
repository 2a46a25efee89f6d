/* ForkChanTest.c -- fork(2) while plain OS threads use a channel: the child's is whole.
 *
 * not-under: tsan asan qemu
 *
 * (ThreadSanitizer starts no OS threads after a fork of a process that has several; qemu-user 7.2
 * aborts when a child does.)
 */
#include "testsuite/support/Forked.h"

enum { FORKS = 400, KEPT = 4, HANG_S = 30 };

typedef struct Using {
    Chan *chan;
    uint32_t stop, begun; /* seq_cst */
} Using;

/* Some are always there; each is one more than the one before. */
static void *writeOnAndOn(void *env)
{
    Using *use = env;
    void *value;
    uintptr_t number = 0;
    while (SEQ_CST_LOAD(&use->stop) == 0) {
        CHECK_EQ(chanWrite(use->chan, (void *)++number), 0);
        if (number > KEPT)
            CHECK_EQ(chanTryRead(use->chan, &value), 0);
        if (number == KEPT)
            SEQ_CST_STORE(&use->begun, 1);
    }
    return NULL;
}

static void *dupOnAndOn(void *env)
{
    Using *use = env;
    SEQ_CST_STORE(&use->begun, 1);
    while (SEQ_CST_LOAD(&use->stop) == 0)
        chanFree(chanDup(use->chan));
    return NULL;
}

static void useInChild(Chan *chan)
{
    void *value, *before = NULL;
    alarm(HANG_S);
    while (chanTryRead(chan, &value) == 0) {
        CHECK(before == NULL || (uintptr_t)value == (uintptr_t)before + 1);
        before = value;
    }
    CHECK_EQ(chanWrite(chan, chan), 0);
    CHECK_EQ(chanTryRead(chan, &value), 0);
    CHECK_EQ(value, chan);
    CHECK_EQ(chanTryRead(chan, &value), -EAGAIN);
}

static void *forkOnAndOn(void *env)
{
    Using *use = env;
    for (uint32_t i = 0; i < greenScale(FORKS); i++) {
        pid_t child = forkFlushed();
        if (child == 0) {
            useInChild(use->chan);
            _exit(CODE);
        }
        expectExit(child, CODE);
    }
    return env;
}

/* One plain OS thread does that, a green thread forks. */
static void forkBeside(void *(*fn)(void *env))
{
    Using use = {.stop = 0};
    greenStart(1);
    use.chan = chanNew();
    pthread_t plain = osFork(fn, &use);
    while (SEQ_CST_LOAD(&use.begun) == 0)
        sched_yield();
    greenJoin(greenFork(forkOnAndOn, &use));
    SEQ_CST_STORE(&use.stop, 1);
    osJoin(plain);
    chanFree(use.chan);
    greenStop();
}

TEST(ForkChan, whileAPlainThreadWrites)
{
    forkBeside(writeOnAndOn);
}

TEST(ForkChan, whileAPlainThreadDups)
{
    forkBeside(dupOnAndOn);
}
