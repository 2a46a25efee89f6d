/* Signal.c -- watches of signals, and the OS thread that reads them.
 *
 * Owns    the OS thread "capri/signals", its signalfd; SignalWatch; dispositions of watched
 *         signals.
 * After   rts/stm/TVar.c: waiters watch a variable that is written with each signal.
 * Tests   testsuite/unit/SignalTest.c, testsuite/stress/SignalStorm.c
 *
 * Note [Signals]
 *   The kernel gives a signal of the process to any OS thread that does not block it, and a library
 *   cannot make its host's OS threads block one.  So a handler, for the life of the watches, passes
 *   what it gets on to the reader (rt_tgsigqueueinfo), an OS thread of ours that blocks everything,
 *   and whose signalfd finds it, as it finds what every other OS thread blocks as well.
 *   The kernel lets nobody forge a siginfo with si_code >= 0, or SI_TKILL, for another OS thread.
 *   Such a one travels with the code PASSED_ON, its own code and status in si_value.
 *   A handler counts in `passing` while it does so, and signalEnd waits for it (See Note
 *   [StoreLoad]); one that has not begun by then gives the signal to the host's disposition, which
 *   is back.
 *   Where the kernel keeps no more siginfos (RLIMIT_SIGPENDING) a signal is counted in `bare`, and
 *   the reader is woken by its eventfd.
 *   A mask of the signalfd holds watched signals only: others may be a host's, who waits for them
 *   with sigwait.  The mask changes first, then the disposition, when watches come as when they go:
 *   with the host's disposition back, the signalfd must not take what is the host's.  One that is
 *   passed on in between stays pending for the reader, and is told to the next watch of it.
 */
#include "rts/Signal.h"

#include "internal/SMP.h"
#include "iomgr/Memory.h"
#include "iomgr/Wakeup.h"
#include "rts/Outside.h"
#include "rts/Schedule.h"
#include "rts/Startup.h"
#include "rts/stm/TVar.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIGNALS = 64, PASSED_ON = -1000, BATCH = 16 };

struct SignalWatch {
    SignalWatch *next;
    TVar *told;                /* constant: written whenever one of those below changes */
    uint64_t wanted;           /* constant: bit number - 1 */
    uint64_t pending;          /* told and not taken */
    SignalInfo infos[SIGNALS]; /* of the pending ones */
    uint32_t inside;           /* threads in signalWait */
    bool released;             /* the last of them frees it */
};

static struct {
    pthread_mutex_t lock; /* over all below and everything in watches but `told` */
    SignalWatch *watches;
    uint32_t wanted[SIGNALS];         /* by how many watches */
    struct sigaction before[SIGNALS]; /* dispositions of the wanted ones */
    sigset_t mask;                    /* the signalfd's */
    bool running;                     /* the reader lives, both fds are open */
    int signal_fd;                    /* constant while running */
    Wakeup wake;                      /* likewise */
    uint32_t stopping;                /* signalEnd stores (release), the reader loads (acquire) */
    uint32_t bare[SIGNALS];           /* handlers add, the reader takes: both relaxed */
    pthread_t thread;
    pid_t reader;     /* its thread id, 0: none.  It stores (release), signalEnd 0 (seq_cst) */
    uint32_t passing; /* handlers: they add, then load `reader`; signalEnd waits: all seq_cst */
} signals = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- from the kernel to the watches ---- */

static void passTo(pid_t reader, int number, const siginfo_t *info)
{
    siginfo_t passed = *info;
    if (info->si_code >= 0 || info->si_code == SI_TKILL) {
        uint32_t status = number == SIGCHLD ? (uint32_t)info->si_status : 0;
        uint64_t both = (uint64_t)(uint32_t)info->si_code << 32 | status;
        memset(&passed, 0, sizeof passed);
        passed.si_signo = number;
        passed.si_code = PASSED_ON;
        passed.si_pid = info->si_pid;
        passed.si_uid = info->si_uid;
        passed.si_value.sival_ptr = (void *)(uintptr_t)both;
    }
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), reader, number, &passed) != 0) {
        ADD_RELAXED(&signals.bare[number - 1], 1);
        wakeupSend(&signals.wake);
    }
}

/* On whatever stack and OS thread; See Note [Signals]. */
static void passOn(int number, siginfo_t *info, void *context)
{
    int kept = errno;
    (void)context;
    ADD_SEQ_CST(&signals.passing, 1);
    pid_t reader = SEQ_CST_LOAD(&signals.reader);
    if (reader != 0)
        passTo(reader, number, info);
    else /* it was held up until the watches had gone: it is the host's */
        syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info);
    ADD_SEQ_CST(&signals.passing, (uint32_t)-1);
    errno = kept;
}

static SignalInfo readInfo(const struct signalfd_siginfo *from)
{
    SignalInfo info = {.number = (int)from->ssi_signo,
                       .code = from->ssi_code,
                       .sender = (pid_t)from->ssi_pid,
                       .user = (uid_t)from->ssi_uid,
                       .count = 1};
    if (from->ssi_code == PASSED_ON) {
        info.code = (int32_t)(uint32_t)(from->ssi_ptr >> 32);
        info.status = (int32_t)(uint32_t)from->ssi_ptr;
    } else if (from->ssi_code < 0) {
        info.value = (int64_t)from->ssi_ptr;
    } else if (info.number == SIGCHLD) {
        info.status = from->ssi_status;
    }
    return info;
}

/* Under the lock. */
static void tellAll(const SignalInfo *info)
{
    uint64_t bit = UINT64_C(1) << (info->number - 1);
    for (SignalWatch *watch = signals.watches; watch != NULL; watch = watch->next) {
        if ((watch->wanted & bit) == 0)
            continue;
        SignalInfo *kept = &watch->infos[info->number - 1];
        uint32_t count = (watch->pending & bit) != 0 ? kept->count : 0;
        *kept = *info;
        kept->count = count + info->count;
        watch->pending |= bit;
        tvarPut(watch->told, NULL, NULL);
    }
}

/* Under the lock: those of which nothing but the number is known. */
static void tellBare(void)
{
    wakeupDrain(&signals.wake);
    for (int i = 0; i < SIGNALS; i++) {
        SignalInfo info = {.number = i + 1, .count = XCHG_RELAXED(&signals.bare[i], 0)};
        if (info.count != 0)
            tellAll(&info);
    }
}

static void *readSignals(void *env)
{
    struct signalfd_siginfo batch[BATCH];
    struct pollfd ready[2] = {{.fd = signals.signal_fd, .events = POLLIN},
                              {.fd = signals.wake.fd, .events = POLLIN}};
    (void)env;
    prctl(PR_SET_NAME, "capri/signals", 0, 0, 0);
    RELEASE_STORE(&signals.reader, (pid_t)syscall(SYS_gettid));
    for (;;) {
        poll(ready, 2, -1); /* nothing interrupts it: all is blocked */
        ssize_t size = read(ready[0].fd, batch, sizeof batch);
        pthread_mutex_lock(&signals.lock);
        tellBare();
        for (ssize_t i = 0; i < size / (ssize_t)sizeof batch[0]; i++) {
            SignalInfo info = readInfo(&batch[i]);
            tellAll(&info);
        }
        pthread_mutex_unlock(&signals.lock);
        if (ACQUIRE_LOAD(&signals.stopping) != 0) /* after the wake was taken */
            return NULL;
    }
}

/* ---- the reader's life, under the lock ---- */

static int makeReader(void)
{
    sigset_t all, before;
    sigfillset(&all);
    RELAXED_STORE(&signals.reader, 0);
    RELAXED_STORE(&signals.stopping, 0);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&signals.thread, NULL, readSignals, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? 0 : -EAGAIN;
}

static __attribute__((noinline)) int openFds(void)
{
    sigemptyset(&signals.mask);
    signals.signal_fd = signalfd(-1, &signals.mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals.signal_fd < 0)
        return -errno;
    int failed = wakeupOpen(&signals.wake);
    if (failed != 0)
        close(signals.signal_fd);
    return failed;
}

static int startReader(void)
{
    if (signals.running)
        return 0;
    int failed = openFds();
    if (failed != 0)
        return failed;
    failed = makeReader();
    if (failed != 0) {
        close(signals.signal_fd);
        wakeupClose(&signals.wake);
        return failed;
    }
    while (ACQUIRE_LOAD(&signals.reader) == 0) /* handlers need it */
        sched_yield();
    signals.running = true;
    return 0;
}

/* By the bare system call: ThreadSanitizer takes signalfd(3) for the opening of an fd. */
static __attribute__((noinline)) int setMask(int number, bool wanted)
{
    if (wanted)
        sigaddset(&signals.mask, number);
    else
        sigdelset(&signals.mask, number);
    if (syscall(SYS_signalfd4, signals.signal_fd, &signals.mask, SIGNALS / 8, 0) >= 0)
        return 0;
    int failed = -errno;
    if (!wanted) /* it would go on to take what is the host's */
        barf("signalfd: signal %d cannot be taken out of the mask: error %d", number, -failed);
    sigdelset(&signals.mask, number);
    return failed;
}

/* ---- watches ---- */

static __attribute__((noinline)) int wantOne(int number)
{
    struct sigaction action = {.sa_sigaction = passOn,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    if (signals.wanted[number - 1] == 0) {
        sigfillset(&action.sa_mask);
        int failed = setMask(number, true);
        if (failed != 0)
            return failed;
        if (sigaction(number, &action, &signals.before[number - 1]) != 0) {
            setMask(number, false);
            return -EINVAL; /* one that the C library keeps for itself */
        }
    }
    signals.wanted[number - 1]++;
    return 0;
}

static void wantNone(uint64_t set)
{
    for (int number = 1; number <= SIGNALS; number++) {
        if ((set >> (number - 1) & 1) == 0 || --signals.wanted[number - 1] != 0)
            continue;
        if (!signals.running) /* See signalSurvive: it failed */
            continue;
        setMask(number, false);
        sigaction(number, &signals.before[number - 1], NULL);
    }
}

/* SIGURG is the runtime's: who takes its action from rts/ForeignInterrupt.c ends interrupts of
 * calls, and the hand-over of runaways.
 * The watch's signals as bits; 0: a bad one. */
static uint64_t readSet(const int *numbers, size_t count)
{
    uint64_t set = 0;
    for (size_t i = 0; i < count; i++) {
        int number = numbers[i];
        bool is_fault =
            number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL;
        bool is_taken = number == SIGKILL || number == SIGSTOP || number == SIGURG;
        if (number < 1 || number > SIGNALS || is_fault || is_taken)
            return 0;
        set |= UINT64_C(1) << (number - 1);
    }
    return set;
}

static void freeWatch(SignalWatch *watch)
{
    tvarFree(watch->told);
    memoryRelease(startupAllocator(), watch, sizeof *watch, CACHE_LINE);
}

/* Under the lock.  0: it is in the list, and all its signals come. */
static int begin(SignalWatch *watch, uint64_t set)
{
    int failed = startReader();
    for (int number = 1; number <= SIGNALS && failed == 0; number++) {
        uint64_t bit = UINT64_C(1) << (number - 1);
        if ((set & bit) == 0)
            continue;
        failed = wantOne(number);
        if (failed == 0)
            watch->wanted |= bit;
    }
    if (failed != 0) {
        wantNone(watch->wanted);
        return failed;
    }
    watch->next = signals.watches;
    signals.watches = watch;
    return 0;
}

static int makeWatch(uint64_t set, SignalWatch **watch)
{
    SignalWatch *fresh = memoryAllocateZeroed(startupAllocator(), sizeof *fresh, CACHE_LINE);
    TVar *told = fresh == NULL ? NULL : tvarNew(NULL);
    if (told == NULL) {
        memoryRelease(startupAllocator(), fresh, sizeof *fresh, CACHE_LINE);
        return -ENOMEM;
    }
    fresh->told = told;
    pthread_mutex_lock(&signals.lock);
    int failed = begin(fresh, set);
    pthread_mutex_unlock(&signals.lock);
    if (failed == 0)
        *watch = fresh;
    else
        freeWatch(fresh);
    return failed;
}

int signalWatch(const int *numbers, size_t count, SignalWatch **watch)
{
    uint64_t set = numbers == NULL ? 0 : readSet(numbers, count);
    if (set == 0 || watch == NULL)
        return -EINVAL;
    bool outside = scheduleHere() == NULL;
    int failed = outside ? startupEnter() : 0;
    if (failed != 0)
        return failed;
    failed = makeWatch(set, watch);
    if (outside)
        startupLeave();
    return failed;
}

/* Under the lock; at least one is pending. */
static void takeLowest(SignalWatch *watch, SignalInfo *info)
{
    int index = __builtin_ctzll(watch->pending);
    watch->pending &= ~(UINT64_C(1) << index);
    if (info != NULL)
        *info = watch->infos[index];
}

int signalWaitUntil(SignalWatch *watch, SignalInfo *info, int64_t deadline_ns)
{
    int result = 0;
    bool outside = outsideStayHere(); /* it works on the watch before and after each wait */
    pthread_mutex_lock(&signals.lock);
    watch->inside++;
    while (result == 0 && !watch->released && watch->pending == 0) {
        uint64_t version;
        tvarReadVersionIO(watch->told, &version);
        pthread_mutex_unlock(&signals.lock);
        result = tvarAwaitUntil(watch->told, version, deadline_ns);
        pthread_mutex_lock(&signals.lock);
    }
    if (watch->released)
        result = -EINVAL;
    else if (result == 0)
        takeLowest(watch, info);
    bool last = --watch->inside == 0 && watch->released;
    pthread_mutex_unlock(&signals.lock);
    if (last)
        freeWatch(watch);
    if (outside)
        outsideStayOver();
    return result;
}

int signalWait(SignalWatch *watch, SignalInfo *info)
{
    return signalWaitUntil(watch, info, DEADLINE_NEVER);
}

/* Under the lock. */
static void leaveList(const SignalWatch *watch)
{
    SignalWatch **at = &signals.watches;
    while (*at != watch)
        at = &(*at)->next;
    *at = watch->next;
}

void signalRelease(SignalWatch *watch)
{
    if (watch == NULL)
        return;
    pthread_mutex_lock(&signals.lock);
    ASSERT(!watch->released);
    leaveList(watch);
    wantNone(watch->wanted);
    watch->released = true;
    bool last = watch->inside == 0;
    if (!last)
        tvarPut(watch->told, NULL, scheduleHere());
    pthread_mutex_unlock(&signals.lock);
    if (last)
        freeWatch(watch);
}

/* The eventfd is the parent's as well: never touched, only closed. */
int signalSurvive(void)
{
    int failed = 0;
    sigset_t all, before;
    signals.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    SEQ_CST_STORE(&signals.passing, 0);
    for (SignalWatch *watch = signals.watches; watch != NULL; watch = watch->next)
        watch->inside = 0;
    if (!signals.running)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* handlers need what changes now */
    close(signals.signal_fd);
    wakeupClose(&signals.wake);
    signals.running = false;
    failed = startReader();
    for (int number = 1; number <= SIGNALS; number++) {
        if (signals.wanted[number - 1] == 0)
            continue;
        if (failed == 0)
            failed = setMask(number, true);
        if (failed != 0)
            sigaction(number, &signals.before[number - 1], NULL);
    }
    if (failed == 0)
        wakeupSend(&signals.wake); /* see `bare` */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

bool signalIsWatched(void)
{
    pthread_mutex_lock(&signals.lock);
    bool watched = signals.watches != NULL;
    pthread_mutex_unlock(&signals.lock);
    return watched;
}

void signalEnd(void)
{
    while (signals.watches != NULL)
        signalRelease(signals.watches);
    if (!signals.running)
        return;
    SEQ_CST_STORE(&signals.reader, 0);
    while (SEQ_CST_LOAD(&signals.passing) != 0)
        sched_yield();
    RELEASE_STORE(&signals.stopping, 1);
    wakeupSend(&signals.wake);
    pthread_join(signals.thread, NULL);
    close(signals.signal_fd);
    wakeupClose(&signals.wake);
    signals.running = false;
}
