/* ForeignInterrupt.c -- ending the system call that a thread's foreign call is in.
 *
 * Owns    the list of calls that may be interrupted; SIGURG's action from the first one on.
 * Before  rts/ForeignCall.c: the call.   capability/Monitor.c: sends the signal again.
 * After   the kernel: EINTR.
 * Tests   testsuite/unit/ForeignInterruptTest.c
 *
 * See Note [Interrupting calls].
 */
#include "rts/ForeignInterrupt.h"

#include "capability/Monitor.h"
#include "rts/HandOver.h"
#include "rts/Interrupt.h"
#include "rts/Schedule.h"
#include "rts/Step.h"

#include <capri/foreign.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

enum { INTERRUPT_SIGNAL = SIGURG }; /* ignored unless somebody asked for it */

/* One call, on its OS thread's stack. */
typedef struct InterruptibleCall {
    ForeignFn *fn;
    void *arg;
    Thread *thread;
    pthread_t os_thread;
    bool wanted;  /* lock: it shall return */
    bool refused; /* the call: fn was not called */
    struct InterruptibleCall *next, **link;
} InterruptibleCall;

static struct {
    pthread_mutex_t lock;
    InterruptibleCall *first;  /* lock */
    bool (*pending)(Thread *); /* lock */
    bool signals;              /* constant while up */
    bool installed;            /* lock: the action is ours */
    bool ends;                 /* lock: and ends system calls: no SA_RESTART */
    struct sigaction previous; /* written before the action is ours */
} calls = {.lock = PTHREAD_MUTEX_INITIALIZER};

void foreignInterruptStart(bool signals)
{
    calls.signals = signals;
}

void foreignInterruptSurvive(void)
{
    calls.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    calls.first = NULL;
}

void foreignInterruptAsk(bool (*pending)(Thread *thread))
{
    pthread_mutex_lock(&calls.lock);
    calls.pending = pending;
    pthread_mutex_unlock(&calls.lock);
}

void foreignInterruptWatchHere(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, INTERRUPT_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- The signal. ---- */

void foreignInterruptSend(Capability *capability)
{
    workerSignal(capability, INTERRUPT_SIGNAL);
}

static void handleSignal(int number, siginfo_t *info, void *context)
{
    const struct sigaction *previous = &calls.previous;
    handOverInterrupted(context);
    if (previous->sa_flags & SA_SIGINFO)
        previous->sa_sigaction(number, info, context);
    else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN)
        previous->sa_handler(number);
}

/* Nobody has replaced it. */
static bool isOurs(void)
{
    struct sigaction now;
    return calls.installed && sigaction(INTERRUPT_SIGNAL, NULL, &now) == 0 &&
           now.sa_sigaction == handleSignal;
}

/* Under the lock.  ends: a system call that is interrupted shall end, and not be made again. */
static void install(bool ends)
{
    struct sigaction action;
    if (!calls.signals || (calls.installed && (calls.ends || !ends || !isOurs())))
        return;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handleSignal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | (ends ? 0 : SA_RESTART);
    sigemptyset(&action.sa_mask);
    if (!calls.installed && sigaction(INTERRUPT_SIGNAL, NULL, &calls.previous) != 0)
        return;
    if (sigaction(INTERRUPT_SIGNAL, &action, NULL) != 0)
        return;
    calls.installed = true;
    calls.ends = ends;
}

bool foreignInterruptReady(void)
{
    pthread_mutex_lock(&calls.lock);
    install(false);
    bool installed = calls.installed;
    pthread_mutex_unlock(&calls.lock);
    return installed;
}

void foreignInterruptEnd(void)
{
    if (isOurs())
        sigaction(INTERRUPT_SIGNAL, &calls.previous, NULL);
    calls.installed = false;
}

/* Monitor: again, until they have returned. */
static void sendAgain(void)
{
    pthread_mutex_lock(&calls.lock);
    for (InterruptibleCall *call = calls.first; call != NULL; call = call->next) {
        if (call->wanted)
            pthread_kill(call->os_thread, INTERRUPT_SIGNAL);
    }
    pthread_mutex_unlock(&calls.lock);
}

bool foreignInterrupt(Thread *thread)
{
    pthread_mutex_lock(&calls.lock);
    InterruptibleCall *call = calls.first;
    while (call != NULL && call->thread != thread)
        call = call->next;
    bool found = call != NULL && calls.installed;
    if (found && !call->wanted) {
        call->wanted = true;
        monitorNag(sendAgain);
        pthread_kill(call->os_thread, INTERRUPT_SIGNAL);
    }
    pthread_mutex_unlock(&calls.lock);
    return found;
}

/* ---- The call. ---- */

/* True: go on; false: interrupted already. */
static bool begin(InterruptibleCall *call)
{
    pthread_mutex_lock(&calls.lock);
    install(true);
    bool pending = calls.pending != NULL && calls.pending(call->thread);
    if (!pending) {
        call->os_thread = pthread_self();
        call->link = &calls.first;
        call->next = calls.first;
        if (call->next != NULL)
            call->next->link = &call->next;
        calls.first = call;
    }
    pthread_mutex_unlock(&calls.lock);
    return !pending;
}

static void end(InterruptibleCall *call)
{
    pthread_mutex_lock(&calls.lock);
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    if (call->wanted)
        monitorNagEnd();
    pthread_mutex_unlock(&calls.lock);
}

static void *runInterruptible(void *at)
{
    InterruptibleCall *call = at;
    void *result = NULL;
    call->refused = !begin(call);
    if (!call->refused) {
        result = call->fn(call->arg);
        end(call);
    }
    return result;
}

int foreignCallInterruptible(ForeignFn *fn, void *arg, void **result)
{
    InterruptibleCall call = {.fn = fn, .arg = arg, .thread = scheduleEnterSelf()};
    if (fn == NULL || call.thread == NULL || scheduleSelfHere() == NULL || stepIsOn())
        return foreignCall(fn, arg, result);
    int status = foreignCall(runInterruptible, &call, result);
    if (status == 0 && interruptIsPending(call.thread) && interruptRaise(call.thread))
        return -ECANCELED; /* it was what ended fn, or kept it from being called */
    return status == 0 && call.refused ? -EINTR : status; /* it was withdrawn just now */
}
