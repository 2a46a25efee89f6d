/* RWLockTest.c -- readers together, writers alone, nobody starves. */
#include "rts/Thread.h"

#include "testsuite/support/Runtime.h"

static void *neverWait(void *env)
{
    RWLock *lock = rwlockNew();
    (void)env;
    CHECK_EQ(rwlockUnlock(lock), -EPERM);
    CHECK_EQ(rwlockRead(lock), 0);
    CHECK_EQ(rwlockReadUntil(lock, INT64_MIN), 0);
    CHECK_EQ(rwlockTryRead(lock), 0);
    CHECK_EQ(rwlockTryWrite(lock), -EBUSY);
    CHECK_EQ(rwlockWriteUntil(lock, rtsNow()), -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(rwlockUnlock(lock), 0);
    CHECK_EQ(rwlockUnlock(lock), -EPERM);
    CHECK_EQ(rwlockWrite(lock), 0);
    CHECK_EQ(rwlockWrite(lock), -EDEADLK);
    CHECK_EQ(rwlockRead(lock), -EDEADLK);
    CHECK_EQ(rwlockTryWrite(lock), -EDEADLK);
    CHECK_EQ(rwlockUnlock(lock), 0);
    CHECK_EQ(rwlockTryWrite(lock), 0);
    CHECK_EQ(rwlockUnlock(lock), 0);
    rwlockFree(lock);
    rwlockFree(NULL);
    return NULL;
}

TEST(RWLock, letsReadersInTogether)
{
    CHECK_EQ(rwlockNew(), NULL);
    greenRun(1, neverWait, NULL);
    greenStart(1);
    neverWait(NULL);
    greenStop();
}

/* ---- order ----------------------------------------------------------------------------------- */

typedef struct Visitor {
    RWLock *lock;
    bool writes;
    int64_t deadline_ns;
    int result;
    Thread *thread;
} Visitor;

static void *visit(void *env)
{
    Visitor *self = env;
    self->result = self->writes ? rwlockWriteUntil(self->lock, self->deadline_ns)
                                : rwlockReadUntil(self->lock, self->deadline_ns);
    if (self->result == 0 && self->writes)
        CHECK_EQ(rwlockUnlock(self->lock), 0);
    return NULL;
}

static void sendVisitor(Visitor *visitor, RWLock *lock, bool writes, int64_t deadline_ns)
{
    *visitor = (Visitor){.lock = lock, .writes = writes, .deadline_ns = deadline_ns};
    visitor->thread = greenFork(visit, visitor);
    greenUntil(visitor->thread, ThreadBlockedOnLock);
}

/* read (held); write, read, read wait; then the writer leaves or gets in. */
static void *keepOrder(void *env)
{
    bool gives_up = env != NULL;
    RWLock *lock = rwlockNew();
    Visitor writer, readers[2], last;
    CHECK_EQ(rwlockRead(lock), 0);
    sendVisitor(&writer, lock, true, gives_up ? rtsNow() + 20 * MS_NS : INT64_MAX);
    sendVisitor(&readers[0], lock, false, INT64_MAX);
    sendVisitor(&readers[1], lock, false, INT64_MAX - 1);
    if (!gives_up) {
        CHECK_EQ(rwlockTryRead(lock), -EBUSY); /* behind the writer, though readers are inside */
        CHECK_EQ(threadStatus(readers[0].thread).state, ThreadBlockedOnLock);
        CHECK_EQ(rwlockUnlock(lock), 0); /* the writer, and after it both readers */
    }
    greenJoin(writer.thread);
    CHECK_EQ(writer.result, gives_up ? -ETIMEDOUT : 0);
    greenJoin(readers[0].thread); /* when the writer has left they get in */
    greenJoin(readers[1].thread);
    CHECK_EQ(readers[0].result, 0);
    CHECK_EQ(readers[1].result, 0);
    sendVisitor(&last, lock, true, INT64_MAX);
    for (int i = 0; i < (gives_up ? 3 : 2); i++) {
        CHECK_EQ(threadStatus(last.thread).state, ThreadBlockedOnLock);
        CHECK_EQ(rwlockUnlock(lock), 0);
    }
    greenJoin(last.thread);
    CHECK_EQ(last.result, 0);
    CHECK_EQ(rwlockUnlock(lock), -EPERM); /* nobody is inside */
    rwlockFree(lock);
    return NULL;
}

TEST(RWLock, keepsTheOrder)
{
    int any;
    greenRun(1, keepOrder, NULL);
    greenRun(1, keepOrder, &any); /* the writer gives up: who waited behind it goes on */
}

/* ---- many ------------------------------------------------------------------------------------ */

typedef struct Pair {
    RWLock *lock;
    uint64_t one, two; /* equal but while somebody writes */
    uint32_t rounds;
} Pair;

static void *readAndWrite(void *env)
{
    Pair *pair = env;
    for (uint32_t i = 0; i < pair->rounds; i++) {
        if (i % 4 == 0) {
            CHECK_EQ(rwlockWrite(pair->lock), 0);
            pair->one++;
            if (i % 32 == 0)
                threadYield();
            pair->two++;
        } else {
            CHECK_EQ(rwlockRead(pair->lock), 0);
            CHECK_EQ(pair->one, pair->two);
        }
        CHECK_EQ(rwlockUnlock(pair->lock), 0);
    }
    return NULL;
}

TEST(RWLock, keepsWritersAlone)
{
    enum { THREADS = 4 };
    Thread *threads[THREADS];
    greenStart(2);
    Pair pair = {.lock = rwlockNew(), .rounds = greenScale(2000) / 4 * 4};
    for (int i = 0; i < THREADS; i++)
        threads[i] = greenFork(readAndWrite, &pair);
    osJoin(osFork(readAndWrite, &pair));
    for (int i = 0; i < THREADS; i++)
        greenJoin(threads[i]);
    CHECK_EQ(pair.one, (THREADS + 1) * (pair.rounds / 4));
    CHECK_EQ(pair.two, pair.one);
    rwlockFree(pair.lock);
    greenStop();
}
