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
    lua_State *volatile ticked; /* NULL, or whose own hook is here until its tick comes */
    lua_Hook hook;
    int mask, count;
    pthread_t owner; /* whose processor time the timer measures */
    bool tried;      /* the owner has one, if it could be had */
    bool timed;
    timer_t timer;
} Ticker;

static Ticker tickers[CAPABILITIES_MOST];
static lua_Hook tick_hook;

/* Its next instruction is a tick.  The signal handler may come in between, and do the same. */
static void setHook(Ticker *it, lua_State *L)
{
    lua_Hook own = lua_gethook(L);
    if (own == tick_hook)
        return;
    if (own != NULL) {
        it->hook = own;
        it->mask = lua_gethookmask(L);
        it->count = lua_gethookcount(L);
        it->ticked = L;
    }
    lua_sethook(L, tick_hook, LUA_MASKCOUNT, 1);
}

/* Another thread is about to run: a tick that has not come gives its place back. */
static void withdraw(Ticker *it)
{
    lua_State *L = it->ticked;
    it->running = NULL; /* the signal handler does nothing meanwhile */
    if (L != NULL && lua_gethook(L) == tick_hook)
        lua_sethook(L, it->hook, it->mask, it->count);
    it->ticked = NULL;
}

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
        setHook(it, L);
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
    withdraw(&tickers[capability]);
    tickers[capability].running = L;
}

void tickerLeave(uint32_t capability)
{
    withdraw(&tickers[capability]);
}

void tickerTick(uint32_t capability, lua_State *L)
{
    setHook(&tickers[capability], L);
}

void tickerTaken(uint32_t capability, lua_State *L)
{
    Ticker *it = &tickers[capability];
    bool kept = it->ticked == L;
    if (kept)
        it->ticked = NULL;
    lua_sethook(L, kept ? it->hook : NULL, kept ? it->mask : 0, kept ? it->count : 0);
}
