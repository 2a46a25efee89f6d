/* capri/hooks.h -- what a host runtime is told of, and words of its own.
 *
 * A host has state of its own for each core (an interpreter, an allocation area) and for each OS
 * thread (thread-local variables that its code reads).  The first belongs to a capability, which
 * runs one thread at a time; the second to whichever OS thread carries that just now.
 */
#ifndef CAPRI_HOOKS_H
#define CAPRI_HOOKS_H

#include <capri/api.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* RtsHooks -- the host's functions; each may be NULL.
 *
 * capability  which one, from 0
 * env         RtsHooks.env
 *
 * start       the capability begins to run threads: before its first one, and again when
 *             capabilitySetCount has brought it back
 * stop        it runs none any more: the runtime ends (after its last one), or
 *             capabilitySetCount has taken it away.  As often as start
 * enter       the calling OS thread carries it from now on.  Comes before start
 * leave       not any more.  Calls of enter and leave on one OS thread alternate; where the
 *             capability was taken from an OS thread that is in a call (capri/foreign.h), or has
 *             gone to or from a bound thread, another one may have entered before this one leaves:
 *             what a leave puts away is to be the OS thread's, not the capability's
 * idle        nothing is ready there; it is about to sleep, and does so unless this call makes
 *             something ready.  Also after a sleep that has brought nothing
 * safepoint   a thread, or a step of a task, passes a safepoint (threadSafepoint, most calls of
 *             the library), at which the library looks around: the 16th since the last look, or
 *             earlier.  threadSelf says who
 *
 * Context  on the OS thread concerned; stop also on the one that calls rtsShutdown.  They may fork,
 *          write variables, put into Wakers; they must not wait, nor yield.  As the runtime ends no
 *          thread can be forked any more (-ESHUTDOWN).  safepoint is called on the stack of the
 *          thread that passes it, the others on the OS thread's own.
 *          A fork's child is told nothing: what is left there is capability 0 and goes on.
 *          Not told of are OS threads on which no green thread runs: those of the library's own
 *          calls, which run foreignCall's functions under RtsConfig.stepped.
 */
typedef struct RtsHooks {
    void (*start)(uint32_t capability, void *env);
    void (*stop)(uint32_t capability, void *env);
    void (*enter)(uint32_t capability, void *env);
    void (*leave)(uint32_t capability, void *env);
    void (*idle)(uint32_t capability, void *env);
    void (*safepoint)(uint32_t capability, void *env);
    void *env;
} RtsHooks;

/* capabilityUser -- the word that capabilitySetUser has left for that capability; NULL at first,
 * and if there is none of that number.
 * Context  anywhere while the runtime is up; who looks from another capability sees some value that
 *          was set, and no more. */
CAPRI_EXPORT void *capabilityUser(uint32_t capability) CAPRI_NAME(capabilityUser);

/* capabilitySetUser -- a word for the capability that the calling thread runs on now.
 * Returns  0; -EPERM on a plain OS thread.
 * Context  green threads, steps of tasks, callbacks; hooks but for leave and stop.  A thread's own
 *          word is a slot (capri/slot.h), a task's taskSetUser. */
CAPRI_EXPORT int capabilitySetUser(void *user) CAPRI_NAME(capabilitySetUser);

#ifdef __cplusplus
}
#endif

#endif
