/* Ticker.c -- telling Lua code that has run for too long.   See Note [Ticks]. */
#include "Ticker.h"

#include "Run.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* before glibc 2.38 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TICK_MS = 10, TICK_SIGNAL = SIGVTALRM };

/* One a capability; of whoever carries it, and the signal handler there.  They are never freed. */
typedef struct Ticker {
    lua_State *volatile running; /* NULL: no Lua code */
    volatile uint32_t steps, seen;
    pthread_t owner; /* whose processor time the timer measures */
    bool tried;      /* the owner has one, if it could be had */
    bool timed;
    timer_t timer;
} Ticker;

static Ticker tickers[CAPABILITIES_MOST];
static lua_Hook tick_hook;

static void tick(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (info->si_code != SI_TIMER)
        return;
    Ticker *it = &tickers[info->si_value.sival_int];
    if (!pthread_equal(it->owner, pthread_self()))
        return;
    lua_State *L = it->running;
    if (L != NULL && it->steps == it->seen)
        lua_sethook(L, tick_hook, LUA_MASKCOUNT, 1);
    it->seen = it->steps;
}

void tickerStart(lua_Hook hook)
{
    struct sigaction action = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART};
    tick_hook = hook;
    sigemptyset(&action.sa_mask);
    sigaction(TICK_SIGNAL, &action, NULL); /* it stays: a tick may come late */
}

static void dropTimer(Ticker *it)
{
    if (it->timed)
        timer_delete(it->timer);
    it->timed = it->tried = false;
}

void tickerEnd(void)
{
    for (int i = 0; i < CAPABILITIES_MOST; i++)
        dropTimer(&tickers[i]);
}

/* The capability is carried by another OS thread now.  Without a timer nothing is told. */
static void makeTimer(Ticker *it)
{
    struct itimerspec every = {.it_interval.tv_nsec = TICK_MS * 1000000L,
                               .it_value.tv_nsec = TICK_MS * 1000000L};
    struct sigevent event;
    sigset_t own;
    dropTimer(it);
    it->owner = pthread_self();
    it->tried = true;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = TICK_SIGNAL;
    event.sigev_value.sival_int = (int)(it - tickers);
    event.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &it->timer) != 0)
        return;
    it->timed = true;
    sigemptyset(&own);
    sigaddset(&own, TICK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &own, NULL);
    timer_settime(it->timer, 0, &every, NULL);
}

void tickerEnter(uint32_t capability, lua_State *L)
{
    Ticker *it = &tickers[capability];
    if (!it->tried || !pthread_equal(it->owner, pthread_self()))
        makeTimer(it);
    it->steps++;
    it->running = L;
}

void tickerSwitch(uint32_t capability, lua_State *L)
{
    tickers[capability].running = L;
}

void tickerLeave(uint32_t capability)
{
    tickers[capability].running = NULL;
}
