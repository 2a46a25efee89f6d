/* Scope.c -- threads that do not outlive the call that forked them.
 *
 * Owns    Scope, its children.
 * After   rts/Thread.c: forking and joining.   rts/Interrupt.c: telling the rest to end.
 * Tests   testsuite/unit/ScopeTest.c, testsuite/unit/ForkScopeTest.c
 *
 * Note [Scope children]
 *   A child is in the scope's list from before it is forked until it has been joined by who runs
 *   the scope, and its interrupt is posted at most once, under the scope's lock and while its
 *   handle is held.  It is withdrawn before the child's memory goes: the ended thread may not have
 *   let go of it yet.
 *   `failure` is set once; who sets it posts to all that are there, and who adds a child later
 *   finds it.
 *   A child that forks the process is there without its owner, whose stack is gone; the scope is
 *   in memory of its own, says that it is lost, and stays as it is: nobody is left to end it.
 */
#include "rts/Fork.h"
#include "rts/Interrupt.h"
#include "rts/Outside.h"
#include "rts/Startup.h"

#include "internal/SpinLock.h"
#include "iomgr/Memory.h"
#include <capri/scope.h>
#include <errno.h>

typedef struct Child {
    struct Child *next; /* under the scope's lock */
    Scope *scope;       /* constant, as are: */
    ScopeChildFn *fn;
    void *env;
    Thread *thread;      /* under the lock; NULL: not forked yet */
    Interrupt interrupt; /* posted: see Note [Scope children] */
    bool posted;         /* under the lock */
} Child;

struct Scope {
    SpinLock lock;
    int failure;         /* under the lock; 0: none yet */
    Child *children;     /* likewise: newest first */
    Thread *owner;       /* constant; NULL: a plain OS thread */
    uint64_t owner_id;   /* constant; 0: likewise */
    uint32_t forks;      /* constant: forkCount when it began */
    Interrupt interrupt; /* the owner's */
    bool body_ended;     /* under the lock */
    bool posted;         /* likewise: the owner's interrupt */
};

/* Its owner has not survived a fork, or nothing has: See Note [Scope children]. */
static bool isLost(const Scope *scope)
{
    return UNLIKELY(scope->forks != forkCount()) &&
           (scope->owner_id != forkSurvivor() || startupIsBroken());
}

/* No fork's child gets it locked, or half done: See Note [Held forks]. */
static void lockScope(Scope *scope)
{
    forkHold(scheduleHere());
    spinLock(&scope->lock);
}

static void unlockScope(Scope *scope)
{
    spinUnlock(&scope->lock);
    forkLetGo(scheduleHere());
}

static void postTo(Child *child)
{
    if (child->posted || child->thread == NULL || child->thread == scheduleSelf())
        return;
    child->posted = true;
    interruptPost(child->thread, &child->interrupt, scheduleHere());
}

/* With the lock. */
static void endAll(Scope *scope)
{
    for (Child *child = scope->children; child != NULL; child = child->next)
        postTo(child);
    if (!scope->posted && !scope->body_ended && scope->owner != NULL &&
        scope->owner != scheduleSelf()) {
        scope->posted = true;
        interruptPost(scope->owner, &scope->interrupt, scheduleHere());
    }
}

static void fail(Scope *scope, int failure)
{
    if (isLost(scope))
        return;
    lockScope(scope);
    if (scope->failure == 0) {
        scope->failure = failure;
        endAll(scope);
    }
    unlockScope(scope);
}

static void *runChild(void *env)
{
    Child *child = env;
    int result = child->fn(child->env);
    interruptForget(scheduleSelf(), child->scope);
    if (result < 0)
        fail(child->scope, result);
    return NULL;
}

static void unlist(Scope *scope, Child *child)
{
    lockScope(scope);
    Child **at = &scope->children;
    while (*at != child)
        at = &(*at)->next;
    *at = child->next;
    unlockScope(scope);
    memoryRelease(startupAllocator(), child, sizeof *child, CACHE_LINE);
}

int scopeFork(Scope *scope, const ThreadAttributes *attributes, ScopeChildFn *fn, void *env)
{
    Thread *thread;
    if (scope == NULL || fn == NULL)
        return -EINVAL;
    if (isLost(scope))
        return -ECANCELED;
    Child *child = memoryAllocate(startupAllocator(), sizeof *child, CACHE_LINE);
    if (child == NULL)
        return -ENOMEM;
    *child = (Child){.scope = scope, .fn = fn, .env = env};
    child->interrupt = (Interrupt){.code = InterruptScope, .payload = scope};
    lockScope(scope);
    int result = scope->failure != 0 ? -ECANCELED : 0;
    child->next = scope->children;
    scope->children = child;
    unlockScope(scope);
    if (result == 0)
        result = threadForkWith(&thread, attributes, runChild, child);
    if (result != 0) {
        unlist(scope, child);
        return result;
    }
    lockScope(scope);
    child->thread = thread;
    if (scope->failure != 0)
        postTo(child);
    unlockScope(scope);
    return 0;
}

void scopeCancel(Scope *scope)
{
    fail(scope, -ECANCELED);
}

/* Some child that can be joined, or NULL: all have been.  One that is just being forked by another
 * child comes before that one in the list. */
static Child *someChild(Scope *scope)
{
    lockScope(scope);
    Child *child = scope->children;
    while (child != NULL && child->thread == NULL)
        child = child->next;
    unlockScope(scope);
    return child;
}

/* A child that has ended and that runChild has not told of: it got no stack, was killed before it
 * began, was lost in a fork. */
static void failForUntold(Scope *scope, const Thread *thread)
{
    int outcome = threadOutcome(thread, NULL);
    if (outcome != 0)
        fail(scope, outcome == -ENOMEM ? outcome : -ECANCELED);
}

/* Until all have ended.  False: the caller was interrupted meanwhile.  Their end is looked at, not
 * what the join says: a deadlock, too, ends a wait for a child that lives. */
static bool joinAll(Scope *scope)
{
    Thread *self = scope->owner;
    MaskingState before = self == NULL ? Unmasked : threadMaskingState();
    bool undisturbed = true;
    for (Child *child; (child = someChild(scope)) != NULL;) {
        int result = threadJoin(child->thread, NULL);
        if (startupIsBroken())
            break;
        bool over = threadHasEnded(child->thread);
        if (result == -ECANCELED)
            undisturbed = false;
        if (result == -ECANCELED || !over)
            fail(scope, result == -EDEADLK ? result : -ECANCELED);
        else
            failForUntold(scope, child->thread);
        if (!over) {
            if (self == NULL || threadIsDeaf(self))
                threadYield(); /* the runtime is being cancelled */
            else
                interruptMask(self, MaskedUninterruptible);
            continue;
        }
        Thread *thread = child->thread;
        interruptWithdraw(thread, &child->interrupt);
        unlist(scope, child);
        threadRelease(thread);
    }
    if (self != NULL)
        interruptMask(self, before);
    return undisturbed;
}

static int runScope(Scope *scope, ScopeFn *fn, void *env)
{
    int result = fn(scope, env);
    if (startupIsBroken()) /* forked in there; somebody may have been at the scope */
        return scope->failure != 0 ? scope->failure : result;
    if (result < 0)
        fail(scope, result);
    lockScope(scope);
    scope->body_ended = true;
    bool posted = scope->posted;
    unlockScope(scope);
    if (posted) {
        interruptWithdraw(scope->owner, &scope->interrupt);
        interruptForget(scope->owner, scope);
    }
    bool undisturbed = joinAll(scope);
    if (!undisturbed)
        return -ECANCELED;
    return scope->failure != 0 ? scope->failure : result;
}

static int runNew(ScopeFn *fn, void *env)
{
    Thread *self = scheduleSelf();
    Scope *scope = memoryAllocate(startupAllocator(), sizeof *scope, CACHE_LINE);
    if (scope == NULL)
        return -ENOMEM;
    *scope = (Scope){.lock = SPIN_LOCK_INIT,
                     .owner = self,
                     .owner_id = self == NULL ? 0 : RELAXED_LOAD(&self->id),
                     .forks = forkCount()};
    scope->interrupt = (Interrupt){.code = InterruptScope, .payload = scope};
    int result = runScope(scope, fn, env);
    memoryRelease(startupAllocator(), scope, sizeof *scope, CACHE_LINE);
    return result;
}

int scopeRun(ScopeFn *fn, void *env)
{
    Capability *here = scheduleEnter(); /* not between visit and end */
    if (fn == NULL)
        return -EINVAL;
    if (scheduleInStep(here) || !scheduleMayWait())
        return -EPERM;
    int entered = startupVisit();
    if (entered != 0)
        return entered;
    bool outside = outsideStayHere();
    startupVisitEnd();
    int result = runNew(fn, env);
    if (outside)
        outsideStayOver();
    return result;
}
