/* SignalMask.h -- signals under ThreadSanitizer.
 *
 * It keeps a signal until its OS thread next calls something that the tool knows; one that sleeps
 * in a system call of ours, restarted by SA_RESTART, calls nothing.  So in those builds everything
 * is blocked before the runtime starts, and only the reader's signalfd takes signals; that handlers
 * pass them on is tested in all other builds.
 */
#ifndef TESTSUITE_SIGNAL_MASK_H
#define TESTSUITE_SIGNAL_MASK_H

#include "rts/context/Sanitizer.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#ifdef SANITIZE_THREAD
enum { SIGNALS_BLOCKED = true };
#else
enum { SIGNALS_BLOCKED = false };
#endif

static __attribute__((constructor)) void signalMaskBlock(void)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGUSR2);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGCHLD);
    sigaddset(&blocked, SIGRTMIN);
    if (SIGNALS_BLOCKED)
        pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

#endif
