/* SelectStorm.c -- threads that each wait for five things in one transaction, and what comes to
 * them: bytes, values, delays, ends of threads, closing; and interrupts.
 *
 * Every byte and every value arrives once, at the one it was sent to; each wakes who waits, for the
 * last of them ends its thread; of all the branches that lost nothing is left.
 */
#include "rts/stm/Event.h"

#include "testsuite/support/Runtime.h"

#include <stdio.h>

enum { GREEN = 6, PLAIN = 2, ALL = GREEN + PLAIN, BYTES_MOST = 64, DELAY_US = 300 };

enum { LAST_BYTE = 'q', LAST_VALUE = 1 << 24 };

typedef enum Branch { OnByte, OnValue, OnDelay, OnEnd, OnClose, BRANCHES } Branch;

typedef struct Selecter {
    int ends[2];   /* bytes come here */
    int doomed[2]; /* and this one is closed under its hands */
    int watched;   /* relaxed: that one's number */
    TVar *box;     /* how many values have been sent and not taken */
    TVar *delay;
    int64_t until_ns;
    Thread *child, *thread;
    uint32_t turn;                    /* which branch is first */
    uint32_t came[BRANCHES];          /* how often each branch has won; main looks (relaxed) */
    uint64_t bytes, values;           /* received */
    uint64_t sent_bytes, sent_values; /* relaxed adds */
    uint64_t interrupts;
    bool over;
} CACHE_ALIGNED Selecter;

static Selecter selecters[ALL];
static uint32_t stopped; /* relaxed */

static void *V(intptr_t number)
{
    return (void *)number;
}

/* ---- the transaction ---- */

static void *onBranch(Transaction *tx, Selecter *me, Branch branch);

typedef struct Choice {
    Selecter *me;
    uint32_t from; /* the first of the branches that are left */
} Choice;

static void *onOne(Transaction *tx, void *env)
{
    Choice *rest = env;
    return onBranch(tx, rest->me, (Branch)((rest->me->turn + rest->from) % BRANCHES));
}

static void *onRest(Transaction *tx, void *env)
{
    Choice *rest = env, next = {rest->me, rest->from + 1};
    if (rest->from == BRANCHES - 1)
        return onOne(tx, rest);
    return stmOrElse(tx, onOne, rest, onRest, &next);
}

static void *onDoomed(Transaction *tx, void *env)
{
    threadWaitReadSTM(tx, ((Selecter *)env)->doomed[0]);
    barf("nothing was written there");
}

static void *onBad(Transaction *tx, int code, void *payload, void *env)
{
    (void)tx, (void)payload, (void)env;
    CHECK_EQ(code, -EBADF);
    return V(OnClose);
}

static void *onBranch(Transaction *tx, Selecter *me, Branch branch)
{
    void *result = NULL;
    switch (branch) {
    case OnByte:
        threadWaitReadSTM(tx, me->ends[0]);
        break;
    case OnValue:
        stmCheck(tx, tvarRead(tx, me->box) != NULL);
        break;
    case OnDelay:
        if (me->turn % 2 == 0)
            stmCheck(tx, tvarRead(tx, me->delay) != NULL);
        else
            threadDelayUntilSTM(tx, me->until_ns);
        break;
    case OnEnd:
        CHECK_EQ(threadJoinSTM(tx, me->child, &result), 0);
        CHECK_EQ(result, me);
        break;
    default:
        return stmCatch(tx, onDoomed, me, onBad, NULL);
    }
    return V(branch);
}

/* ---- what it does about it ---- */

static void makePair(int ends[2], bool adopted)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    if (adopted)
        CHECK_EQ(fdAdopt(ends[0]), 0);
}

static void closePair(int ends[2])
{
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(close(ends[1]), 0);
}

static void *endSoon(void *env)
{
    for (uint64_t i = threadId(threadSelf()) % 8; i > 0; i--)
        threadYield();
    return env;
}

/* False: there were none. */
static bool receiveBytes(Selecter *me)
{
    char bytes[BYTES_MOST];
    ssize_t count = read(me->ends[0], bytes, sizeof bytes); /* -1: it was told before */
    for (ssize_t i = 0; i < count; i++)
        me->over |= bytes[i] == LAST_BYTE;
    me->bytes += count > 0 ? (uint64_t)count : 0;
    return count > 0;
}

static void *takeAll(Transaction *tx, void *env)
{
    return tvarSwap(tx, ((Selecter *)env)->box, NULL);
}

/* Masked for that long, so that no value is lost on the way. */
static void receiveValues(Selecter *me)
{
    void *taken = NULL;
    MaskingState before = threadMaskUninterruptible();
    CHECK_EQ(stmAtomically(takeAll, me, &taken), 0);
    me->over |= (intptr_t)taken >= LAST_VALUE;
    me->values += (uint64_t)(uintptr_t)taken % LAST_VALUE;
    threadRestore(before);
}

static void react(Selecter *me, Branch branch, uint64_t *seed)
{
    ADD_RELAXED(&me->came[branch], 1);
    switch (branch) {
    case OnByte:
        receiveBytes(me);
        break;
    case OnValue:
        receiveValues(me);
        break;
    case OnDelay:
        me->until_ns = rtsNow() + (int64_t)(testRandomFrom(seed) % DELAY_US) * 1000;
        tvarFree(me->delay);
        CHECK_EQ(registerDelay((int64_t)(testRandomFrom(seed) % DELAY_US), &me->delay), 0);
        break;
    case OnEnd:
        threadRelease(me->child);
        me->child = greenFork(endSoon, me);
        break;
    default:
        closePair(me->doomed);
        makePair(me->doomed, testRandomFrom(seed) % 2 == 0);
        RELAXED_STORE(&me->watched, me->doomed[0]);
        break;
    }
}

static void *keepSelecting(void *env)
{
    Selecter *me = env;
    uint64_t seed = testRandom() ^ (uintptr_t)env;
    me->child = greenFork(endSoon, me);
    CHECK_EQ(registerDelay(0, &me->delay), 0);
    while (!me->over) {
        Choice all = {me, 0};
        void *result = NULL;
        me->turn = (uint32_t)(testRandomFrom(&seed) % BRANCHES);
        int status = stmAtomically(onRest, &all, &result);
        if (status == 0) {
            react(me, (Branch)(intptr_t)result, &seed);
        } else {
            CHECK_EQ(status, -ECANCELED);
            CHECK_EQ(threadCaught(NULL, NULL), 1);
            me->interrupts++;
        }
    }
    tvarFree(me->delay);
    while (threadJoin(me->child, NULL) == -ECANCELED)
        CHECK_EQ(threadCaught(NULL, NULL), 1);
    threadRelease(me->child);
    return NULL;
}

/* ---- what comes to them ---- */

static Selecter *drawOne(uint64_t *seed)
{
    return &selecters[testRandomFrom(seed) % ALL];
}

static void sendByte(Selecter *to, char byte)
{
    while (write(to->ends[1], &byte, 1) != 1) {
        if (byte != LAST_BYTE)
            return; /* there is no room, so enough is there */
        sched_yield();
    }
    ADD_RELAXED(&to->sent_bytes, 1);
}

typedef struct Sending {
    Selecter *to;
    intptr_t amount;
} Sending;

static void *addValues(Transaction *tx, void *env)
{
    Sending *it = env;
    tvarWrite(tx, it->to->box, V((intptr_t)tvarRead(tx, it->to->box) + it->amount));
    return NULL;
}

static int leaveOpen(int fd, void *env)
{
    (void)fd, (void)env;
    return 0;
}

/* Whoever waits for it is told; its number stays until he closes it himself.  (If it is a newer one
 * by now, that one's waiter is told.) */
static void doom(Selecter *to)
{
    closeFdWith(leaveOpen, NULL, RELAXED_LOAD(&to->watched));
}

static void *keepSending(void *env)
{
    uint64_t seed = testRandom() ^ (uintptr_t)env;
    while (RELAXED_LOAD(&stopped) == 0) {
        Selecter *to = drawOne(&seed);
        switch (testRandomFrom(&seed) % 4) {
        case 0:
            CHECK_EQ(stmAtomically(addValues, &(Sending){to, 1}, NULL), 0);
            ADD_RELAXED(&to->sent_values, 1);
            break;
        case 1:
            doom(to);
            break;
        default:
            sendByte(to, 'x');
            break;
        }
        threadYield();
    }
    return NULL;
}

static void *keepThrowing(void *env)
{
    uint64_t seed = testRandom() ^ (uintptr_t)env;
    while (RELAXED_LOAD(&stopped) == 0) {
        Selecter *to = &selecters[testRandomFrom(&seed) % GREEN];
        int status = threadThrowToUntil(to->thread, 1, NULL, rtsNow() + 20000);
        CHECK(status == 0 || status == -ETIMEDOUT);
        threadDelay((int64_t)(testRandomFrom(&seed) % 100));
    }
    return NULL;
}

/* ---- all of it ---- */

/* What each waits for, while it changes: kinds of things are never taken for one another. */
static void *keepDescribing(void *env)
{
    uint64_t *told = env;
    char words[256];
    while (RELAXED_LOAD(&stopped) == 0) {
        for (uint32_t i = 0; i < GREEN; i++) {
            CHECK_GT(threadDescribe(selecters[i].thread, words, sizeof words), 0);
            const char *fd = strstr(words, "Read fd ");
            CHECK(strstr(words, "Read fd -") == NULL && strstr(words, "Write") == NULL);
            bool all = fd != NULL && strstr(words, "Thread ") != NULL && strchr(fd, 'x') != NULL;
            ADD_RELAXED(told, all);
        }
        sched_yield();
    }
    return NULL;
}

static void begin(pthread_t *plain)
{
    ThreadAttributes masked = {.masking = 1 + MaskedInterruptible};
    for (uint32_t i = 0; i < ALL; i++) {
        Selecter *it = &selecters[i];
        *it = (Selecter){.box = tvarNew(NULL)};
        makePair(it->ends, i % 2 == 0);
        makePair(it->doomed, i % 2 == 1);
        it->watched = it->doomed[0];
    }
    for (uint32_t i = 0; i < GREEN; i++)
        CHECK_EQ(threadForkWith(&selecters[i].thread, &masked, keepSelecting, &selecters[i]), 0);
    for (uint32_t i = 0; i < PLAIN; i++)
        plain[i] = osFork(keepSelecting, &selecters[GREEN + i]);
}

/* One of each kind is the last that comes; whoever misses it hangs. */
static void end(const pthread_t *plain)
{
    uint64_t came[BRANCHES] = {0}, interrupts = 0;
    for (uint32_t i = 0; i < ALL; i++) {
        Sending last = {&selecters[i], LAST_VALUE};
        if (i % 2 == 0)
            sendByte(&selecters[i], LAST_BYTE);
        else
            CHECK_EQ(stmAtomically(addValues, &last, NULL), 0);
    }
    for (uint32_t i = 0; i < ALL; i++) {
        Selecter *it = &selecters[i];
        if (i < GREEN)
            greenJoin(it->thread);
        else
            osJoin(plain[i - GREEN]);
        while (receiveBytes(it))
            continue;
        receiveValues(it);
        CHECK_EQ(it->bytes, RELAXED_LOAD(&it->sent_bytes));
        CHECK_EQ(it->values, RELAXED_LOAD(&it->sent_values));
        closePair(it->ends);
        closePair(it->doomed);
        tvarFree(it->box);
        interrupts += it->interrupts;
        for (int b = 0; b < BRANCHES; b++)
            came[b] += it->came[b];
    }
    printf("%llu bytes, %llu values, %llu delays, %llu ends, %llu closed, %llu interrupts\n",
           (unsigned long long)came[OnByte], (unsigned long long)came[OnValue],
           (unsigned long long)came[OnDelay], (unsigned long long)came[OnEnd],
           (unsigned long long)came[OnClose], (unsigned long long)interrupts);
}

/* Each branch has won. */
static bool allCame(void)
{
    bool came[BRANCHES] = {false};
    for (uint32_t i = 0; i < ALL; i++)
        for (int b = 0; b < BRANCHES; b++)
            came[b] |= RELAXED_LOAD(&selecters[i].came[b]) != 0;
    return came[OnByte] && came[OnValue] && came[OnDelay] && came[OnEnd] && came[OnClose];
}

TEST(SelectStorm, nothingIsLostAndNothingIsLeft)
{
    pthread_t plain[PLAIN];
    RtsConfig config = {.capabilities = 2, .backend = testArg("--backend")};
    CHECK_EQ(rtsInit(&config), 0);
    uint32_t fds = fdsOpen();
    RELAXED_STORE(&stopped, 0);
    begin(plain);
    Thread *sender = greenFork(keepSending, V(1)), *thrower = greenFork(keepThrowing, V(2));
    uint64_t told = 0;
    pthread_t other = osFork(keepSending, V(3)), teller = osFork(keepDescribing, &told);
    usleep((useconds_t)(testSeconds() * 1e6));
    while (!allCame() || RELAXED_LOAD(&told) == 0)
        usleep(1000);
    RELAXED_STORE(&stopped, 1);
    greenJoin(sender);
    greenJoin(thrower);
    osJoin(other);
    osJoin(teller);
    printf("%llu times all that it waits for was told\n", (unsigned long long)told);
    end(plain);
    CHECK_EQ(eventLiving(), 0);
    CHECK(!eventIsAwaited());
    CHECK_EQ(fdsOpen(), fds);
    greenStop();
}
