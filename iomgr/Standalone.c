/* Standalone.c -- a manager without capabilities: made, stepped, waited for and freed by its host.
 *
 * Owns    EventManager.exclusive, stepping, stopping, timer_fd, timer_ns.
 * Before  a host's own loop, or its main.   After  iomgr/EventManager.c.
 * Tests   testsuite/unit/StandaloneTest.c, testsuite/conformance/RegisterConformance.c
 *
 * Note [Stepping]
 *   stepping  0 -> 1 by exchange (acquire), 1 -> 0 by a release store: one OS thread at a time is
 *             the owner that the rest of iomgr/ speaks of, and it sees what the last one did.
 *   stopping  set by anyone (seq_cst), then a Wakeup; the runner takes it by exchange before each
 *             step.  A stop that comes after the exchange ends the sleep by its Wakeup.
 *
 * Note [Inherited managers]
 *   In the child of a fork the epoll instance, the ring, the eventfd and the timerfd are the same
 *   as the parent's: a change made by the child, a step or a wake would be made to the parent's
 *   manager.  What another OS thread was about when the process forked stays half done for ever.
 *   So a manager belongs to the process that made it; the child may free it, which closes the
 *   child's numbers and says nothing to the kernel about what is watched (Backend.close), and
 *   every other call says -ENOTRECOVERABLE.
 */
#include "iomgr/EventManager.h"
#include "iomgr/FdAwait.h"
#include "iomgr/HeapId.h"
#include "iomgr/Memory.h"

#include <errno.h>
#include <pthread.h>
#include <sys/timerfd.h>
#include <unistd.h>

typedef struct Standalone {
    EventManager manager; /* first: what the host holds */
    Allocator own;        /* constant: manager.allocator points here */
} Standalone;

uint32_t event_manager_process;

/* ---- making and freeing ---------------------------------------------------------------------- */

static int watch_result; /* constant once watched */

static pid_t counted; /* the child that was counted last; its only OS thread */

/* The runtime's handler tells as well, be it before or after this one. */
void eventManagerBecomeChild(void)
{
    if (counted == getpid())
        return;
    counted = getpid();
    RELAXED_STORE(&event_manager_process, RELAXED_LOAD(&event_manager_process) + 1);
    heapIdSurvive();
}

static void watchForks(void)
{
    watch_result = -pthread_atfork(NULL, NULL, eventManagerBecomeChild);
}

int eventManagerNew(const EventManagerConfig *config, EventManager **manager)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const EventManagerConfig defaults = {.backend = NULL};
    if (config == NULL)
        config = &defaults;
    const Backend *backend = backendByName(config->backend);
    if (manager == NULL || (backend == NULL && config->backend != NULL) ||
        (config->allocator.allocate == NULL) != (config->allocator.release == NULL))
        return -EINVAL;
    pthread_once(&once, watchForks);
    if (watch_result < 0)
        return watch_result;
    Standalone *made = memoryAllocate(&config->allocator, sizeof *made, CACHE_LINE);
    if (made == NULL)
        return -ENOMEM;
    made->own = config->allocator;
    ownerGateStart();
    int result = eventManagerOpen(&made->manager, backend, NULL, &made->own);
    if (result == 0) {
        made->manager.process = RELAXED_LOAD(&event_manager_process);
        made->manager.exclusive = true;
        *manager = &made->manager;
        return 0;
    }
    memoryRelease(&config->allocator, made, sizeof *made, CACHE_LINE);
    return result;
}

/* 0: the caller is the owner until it gives that back. */
static int beginStep(EventManager *manager)
{
    if (!manager->exclusive)
        return -EPERM;
    if (eventManagerIsInherited(manager))
        return -ENOTRECOVERABLE;
    if (XCHG_ACQUIRE(&manager->stepping, 1) != 0)
        return -EBUSY;
    timerManagerSettle(manager);
    if (manager->timer_fd >= 0) /* the foreign loop is awake */
        eventManagerReclaim(manager);
    return 0;
}

static void endStep(EventManager *manager)
{
    RELEASE_STORE(&manager->stepping, 0);
}

int eventManagerFree(EventManager *manager)
{
    int result = beginStep(manager);
    if (result == -ENOTRECOVERABLE && RELAXED_LOAD(&manager->stepping) != 0)
        return -EBUSY; /* the parent was inside, and so it is half done here */
    if (result < 0 && result != -ENOTRECOVERABLE)
        return result;
    Standalone *standalone = (Standalone *)manager;
    Allocator own = standalone->own;
    eventManagerClose(manager);
    memoryRelease(&own, standalone, sizeof *standalone, CACHE_LINE);
    return 0;
}

/* ---- the fd for foreign loops ---------------------------------------------------------------- */

static void setTimer(EventManager *manager, int64_t rest_ns)
{
    struct itimerspec setting = {{0, 0}, {0, 0}};
    if (rest_ns >= 0) {
        if (rest_ns == 0)
            rest_ns = 1; /* 0 would switch it off */
        setting.it_value.tv_sec = (time_t)(rest_ns / 1000000000);
        setting.it_value.tv_nsec = (long)(rest_ns % 1000000000);
    }
    if (timerfd_settime(manager->timer_fd, 0, &setting, NULL) < 0)
        barf("timerfd %d cannot be set", manager->timer_fd);
}

static int64_t restUntil(const EventManager *manager, int64_t deadline_ns)
{
    if (deadline_ns == DEADLINE_NEVER)
        return -1;
    int64_t rest_ns = deadline_ns - clockRead(manager->clock);
    return rest_ns < 0 ? 0 : rest_ns;
}

/* The timerfd tells of the earliest deadline, the Wakeup of one that is registered meanwhile and
 * earlier. */
void eventManagerLend(EventManager *manager, int64_t also_ns)
{
    int64_t earliest_ns = timerHeapEarliest(&manager->timers);
    int64_t known_ns = restUntil(manager, earliest_ns);
    int64_t rest_ns = timerManagerRest(manager, earliest_ns, known_ns);
    int64_t also_rest_ns = restUntil(manager, also_ns);
    if (rest_ns == 0 || rest_ns != known_ns) /* what was posted meanwhile, or has no memory */
        earliest_ns = 0;
    if (also_rest_ns >= 0 && (rest_ns < 0 || also_rest_ns < rest_ns)) {
        earliest_ns = also_ns;
        rest_ns = also_rest_ns;
    }
    if (manager->timer_fd >= 0 && (earliest_ns == 0 || earliest_ns != manager->timer_ns))
        setTimer(manager, rest_ns);
    manager->timer_ns = earliest_ns;
    eventManagerDoze(manager, true);
}

void eventManagerReclaim(EventManager *manager)
{
    timerManagerRise(manager);
    eventManagerDoze(manager, false);
}

static int openTimer(EventManager *manager)
{
    if (eventManagerPollable(manager) < 0)
        return -ENOTSUP;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* An edge: it need not be read, and setting it again makes it silent.  Without edges it is
     * armed again with each setting. */
    int result =
        manager->backend->add(manager->state, fd, manager->backend->edges ? WatchEdge : WatchLevel,
                              EventRead, BACKEND_TIMER_COOKIE);
    if (result < 0) {
        close(fd);
        return result;
    }
    manager->timer_fd = fd;
    manager->timer_ns = DEADLINE_NEVER;
    return 0;
}

int eventManagerLoopFd(EventManager *manager)
{
    int result = manager->timer_fd < 0 ? openTimer(manager) : 0;
    return result < 0 ? result : eventManagerPollable(manager);
}

int eventManagerFd(EventManager *manager)
{
    int result = beginStep(manager);
    if (result < 0)
        return result;
    result = eventManagerLoopFd(manager);
    if (result >= 0)
        eventManagerLend(manager, DEADLINE_NEVER);
    endStep(manager);
    return result;
}

/* ---- stepping -------------------------------------------------------------------------------- */

int eventManagerStep(EventManager *manager, int64_t timeout_ns)
{
    int64_t deadline_ns = timeout_ns < 0 ? DEADLINE_NEVER : 0;
    int result = beginStep(manager);
    if (result < 0)
        return result;
    if (timeout_ns > 0 &&
        __builtin_add_overflow(clockRead(manager->clock), timeout_ns, &deadline_ns))
        deadline_ns = DEADLINE_NEVER;
    uint32_t fired = eventManagerPoll(manager, deadline_ns, NULL);
    if (manager->timer_fd >= 0)
        eventManagerLend(manager, DEADLINE_NEVER);
    endStep(manager);
    return fired > INT32_MAX ? INT32_MAX : (int)fired;
}

int eventManagerRun(EventManager *manager)
{
    int result = beginStep(manager);
    if (result < 0)
        return result;
    while (XCHG_SEQ_CST(&manager->stopping, 0) == 0)
        eventManagerPoll(manager, DEADLINE_NEVER, NULL);
    if (manager->timer_fd >= 0)
        eventManagerLend(manager, DEADLINE_NEVER);
    endStep(manager);
    return 0;
}

void eventManagerStop(EventManager *manager)
{
    SEQ_CST_STORE(&manager->stopping, 1);
    eventManagerWake(manager);
}

/* ---- closing --------------------------------------------------------------------------------- */

int eventManagerCloseFd(EventManager *manager, int fd)
{
    if (!manager->exclusive)
        return -EPERM;
    if (eventManagerIsInherited(manager))
        return -ENOTRECOVERABLE;
    if (fd < 0)
        return -EBADF;
    eventManagerClosingFd(manager, fd, NULL);
    int result = close(fd) == 0 || errno == EINTR ? 0 : -errno;
    eventManagerClosedFd(manager, fd, NULL); /* who came to register meanwhile */
    return result;
}
