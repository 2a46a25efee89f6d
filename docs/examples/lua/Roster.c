/* Roster.c -- all coroutines there are, of all states.
 *
 * Note [Telling all]
 *   Who waits is interrupted there and then.  Who runs, or is about to, would have to be waited
 *   for, and perhaps because another one does not give the capability up that is told later: so
 *   nobody is waited for, and those that were missed have their turn again in the next round.  One
 *   that runs for long, or always runs again at once, does not wait for that: its ticks and its
 *   steps ask (rosterHear).  `told` says so before it is thrown at, and is taken back where that
 *   has failed: nobody is told the same twice.
 */
#include "Roster.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUND_US = 1000 };

static const int64_t second_ns = 1000 * 1000 * 1000;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t none;     /* that lives; only plain OS threads wait for it */
    Coroutine *first, *last; /* that there are, ended ones too; who was told stands behind */
    size_t living;           /* with helpers */
    bool open;               /* a program is running */
    int told;                /* what all are told; 0: nothing */
    TVar *tells;             /* NULL: nothing; for who does not want the lock at each step */
    uint32_t round;          /* of who tells them */
} roster = {.lock = PTHREAD_MUTEX_INITIALIZER, .none = PTHREAD_COND_INITIALIZER};

int rosterOpen(void)
{
    pthread_mutex_lock(&roster.lock);
    roster.told = 0;
    roster.tells = tvarNew(NULL);
    roster.open = roster.tells != NULL;
    pthread_mutex_unlock(&roster.lock);
    return roster.open ? 0 : -ENOMEM;
}

void rosterClose(void)
{
    pthread_mutex_lock(&roster.lock);
    for (Coroutine *it = roster.first; it != NULL; it = it->next) {
        threadRelease(it->thread);
        it->thread = NULL;
    }
    tvarFree(roster.tells);
    roster.tells = NULL;
    roster.open = false;
    pthread_mutex_unlock(&roster.lock);
}

void rosterAdd(Coroutine *it)
{
    pthread_mutex_lock(&roster.lock);
    it->references = 1;
    it->next = roster.first;
    if (it->next != NULL)
        it->next->prev = it;
    else
        roster.last = it;
    roster.first = it;
    pthread_mutex_unlock(&roster.lock);
}

static void unlinkIt(Coroutine *it)
{
    if (it->next != NULL)
        it->next->prev = it->prev;
    else
        roster.last = it->prev;
    if (it->prev != NULL)
        it->prev->next = it->next;
    else
        roster.first = it->next;
}

void rosterRelease(Coroutine *it)
{
    pthread_mutex_lock(&roster.lock);
    bool last = --it->references == 0;
    if (last)
        unlinkIt(it);
    pthread_mutex_unlock(&roster.lock);
    if (!last)
        return;
    threadRelease(it->thread);
    messageFree(it->message);
    free(it->error);
    free(it);
}

void rosterJoin(Coroutine *it, Coroutine *other)
{
    Coroutine *before = it->joined;
    pthread_mutex_lock(&roster.lock);
    if (other != NULL)
        other->references++;
    pthread_mutex_unlock(&roster.lock);
    it->joined = other;
    if (before != NULL)
        rosterRelease(before);
}

/* With the lock. */
static int addLiving(void)
{
    if (!roster.open || roster.told != 0)
        return roster.open ? -ECANCELED : -ENXIO;
    roster.living++;
    return 0;
}

/* With the lock. */
static void removeLiving(void)
{
    if (--roster.living == 0)
        pthread_cond_broadcast(&roster.none);
}

int rosterStarts(Coroutine *it)
{
    pthread_mutex_lock(&roster.lock);
    int failed = addLiving();
    if (failed == 0) {
        it->references++;
        it->starts = true;
    }
    pthread_mutex_unlock(&roster.lock);
    return failed;
}

int rosterHelps(void)
{
    pthread_mutex_lock(&roster.lock);
    int failed = addLiving();
    pthread_mutex_unlock(&roster.lock);
    return failed;
}

void rosterHelped(void)
{
    pthread_mutex_lock(&roster.lock);
    removeLiving();
    pthread_mutex_unlock(&roster.lock);
}

void rosterStarted(Coroutine *it, Thread *thread)
{
    pthread_mutex_lock(&roster.lock);
    it->thread = thread;
    pthread_mutex_unlock(&roster.lock);
}

void rosterEnded(Coroutine *it)
{
    pthread_mutex_lock(&roster.lock);
    it->ended = true;
    removeLiving();
    pthread_mutex_unlock(&roster.lock);
    rosterRelease(it);
}

void rosterFailed(Coroutine *it, const char *text)
{
    char *copy = strdup(text);
    pthread_mutex_lock(&roster.lock);
    free(it->error);
    it->error = copy;
    it->died = true;
    pthread_mutex_unlock(&roster.lock);
}

Thread *rosterThread(Coroutine *it)
{
    pthread_mutex_lock(&roster.lock);
    Thread *thread = it->thread == NULL ? NULL : threadRetain(it->thread);
    pthread_mutex_unlock(&roster.lock);
    return thread;
}

bool rosterKills(Coroutine *it)
{
    pthread_mutex_lock(&roster.lock);
    bool kills = it->thread != NULL && it->killed == NULL;
    if (kills) {
        it->killed = threadRetain(it->thread);
        it->references++;
    }
    pthread_mutex_unlock(&roster.lock);
    return kills;
}

void rosterKilled(Coroutine *it)
{
    pthread_mutex_lock(&roster.lock);
    Thread *thread = it->killed;
    it->killed = NULL;
    pthread_mutex_unlock(&roster.lock);
    threadRelease(thread);
    rosterRelease(it);
}

static void moveBehind(Coroutine *it)
{
    if (it->next == NULL)
        return;
    unlinkIt(it);
    it->next = NULL;
    it->prev = roster.last;
    roster.last->next = it;
    roster.last = it;
}

/* The next one of this round that lives and does not know `code`, which is noted (before: what it
 * knew): a reference; NULL: no more.  Who is just being started is missed. */
static Coroutine *nextToTell(int code, uint32_t round, int *before, bool *missed)
{
    Coroutine *found = NULL;
    pthread_mutex_lock(&roster.lock);
    for (Coroutine *it; found == NULL && (it = roster.first) != NULL && it->round != round;) {
        it->round = round;
        moveBehind(it);
        if (!it->starts || it->ended || it->told >= code)
            continue;
        if (it->thread != NULL) {
            it->references++;
            *before = it->told;
            it->told = code;
            found = it;
        } else {
            *missed = true;
        }
    }
    pthread_mutex_unlock(&roster.lock);
    return found;
}

/* Is it told now? */
static bool tellOne(Coroutine *it, int code, int before)
{
    bool told = threadThrowToUntil(it->thread, code, NULL, 0) == 0; /* if that need not wait */
    pthread_mutex_lock(&roster.lock);
    if (!told)
        it->told = before;
    told = told || it->ended;
    pthread_mutex_unlock(&roster.lock);
    rosterRelease(it);
    return told;
}

/* See Note [Telling all]. */
void rosterTell(int code, int64_t deadline_ns)
{
    bool missed;
    pthread_mutex_lock(&roster.lock);
    roster.told = code;
    pthread_mutex_unlock(&roster.lock);
    tvarWriteIO(roster.tells, &roster);
    do {
        int before = 0;
        missed = false;
        roster.round++;
        for (Coroutine *it; (it = nextToTell(code, roster.round, &before, &missed)) != NULL;)
            missed = !tellOne(it, code, before) || missed;
    } while (missed && rtsNow() < deadline_ns && threadDelay(ROUND_US) == 0);
}

int rosterHear(Coroutine *it)
{
    int code = 0;
    if (tvarReadIO(roster.tells) == NULL)
        return 0;
    pthread_mutex_lock(&roster.lock);
    if (it->told < roster.told)
        code = it->told = roster.told;
    pthread_mutex_unlock(&roster.lock);
    return code;
}

int rosterWait(int64_t deadline_ns)
{
    struct timespec until = {deadline_ns / second_ns, deadline_ns % second_ns};
    int failed = 0;
    pthread_mutex_lock(&roster.lock);
    while (roster.living != 0 && failed == 0)
        failed = -pthread_cond_clockwait(&roster.none, &roster.lock, CLOCK_MONOTONIC, &until);
    failed = roster.living == 0 ? 0 : failed;
    pthread_mutex_unlock(&roster.lock);
    return failed;
}
