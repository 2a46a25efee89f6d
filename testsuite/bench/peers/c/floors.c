/* floors.c -- the kernel's price list of this machine: what no program can do without paying.
 *
 * Not a row: printed beside the rows, so that a figure from another machine can be read as a
 * multiple of what the machine itself costs.  One line per price, `name value unit`.  A price is
 * the best of several short rounds; those of a wake between two cores are medians.  All together
 * take less than two seconds.
 */
#include "Bench.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum { ROUNDS = 7, TIMES = 3000, PAGES = 512, WAKES = 400, PAGE = 4096 };

/* What the prices work on: set up once. */
static int epoll_empty, epoll_one, event_fd, pipe_fds[2], unix_fds[2], tcp_fds[2];
static uint64_t word;

/* ---- One system call or two, again and again ------------------------------------------------- */

static void callNothing(void)
{
    syscall(SYS_getppid);
}

static void readTheClock(void)
{
    readNowNs();
}

static void waitEmpty(void)
{
    struct epoll_event events[16];
    epoll_wait(epoll_empty, events, 16, 0);
}

static void waitOne(void)
{
    struct epoll_event events[16];
    if (epoll_wait(epoll_one, events, 16, 0) != 1)
        error(1, 0, "an event was expected");
}

static void modify(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    demand(epoll_ctl(epoll_one, EPOLL_CTL_MOD, event_fd, &event), "epoll_ctl");
}

static void addAndDelete(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    demand(epoll_ctl(epoll_empty, EPOLL_CTL_ADD, pipe_fds[0], &event), "epoll_ctl");
    demand(epoll_ctl(epoll_empty, EPOLL_CTL_DEL, pipe_fds[0], NULL), "epoll_ctl");
}

static void armOneShot(void)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    demand(epoll_ctl(epoll_one, EPOLL_CTL_MOD, event_fd, &event), "epoll_ctl");
    waitOne();
}

static void pollOne(void)
{
    struct pollfd fd = {.fd = pipe_fds[0], .events = POLLIN};
    demand(poll(&fd, 1, 0), "poll");
}

static void receiveNothing(void)
{
    char byte;
    if (recv(tcp_fds[0], &byte, 1, MSG_DONTWAIT) != -1 || errno != EAGAIN)
        error(1, 0, "EAGAIN was expected");
}

static void moveByte(int from, int to)
{
    char byte = 0;
    if (write(from, &byte, 1) != 1 || read(to, &byte, 1) != 1)
        error(1, errno, "write and read");
}

static void movePipe(void)
{
    moveByte(pipe_fds[1], pipe_fds[0]);
}

static void moveUnix(void)
{
    moveByte(unix_fds[0], unix_fds[1]);
}

static void moveTcp(void)
{
    moveByte(tcp_fds[0], tcp_fds[1]);
}

static void moveEvent(void)
{
    static int fd;
    eventfd_t value = 1;
    fd = fd > 0 ? fd : demand(eventfd(0, EFD_CLOEXEC), "eventfd");
    if (eventfd_write(fd, value) != 0 || eventfd_read(fd, &value) != 0)
        error(1, errno, "eventfd");
}

static void wakeNobody(void)
{
    static uint32_t futex;
    syscall(SYS_futex, &futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void addLocked(void)
{
    __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
}

static void compareAndSwap(void)
{
    uint64_t old = word;
    __atomic_compare_exchange_n(&word, &old, old + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static const struct {
    const char *name;
    void (*work)(void);
} prices[] = {
    {"null_call", callNothing},        {"clock_gettime", readTheClock},
    {"epoll_wait_empty", waitEmpty},   {"epoll_wait_one", waitOne},
    {"epoll_ctl_mod", modify},         {"epoll_ctl_add_del", addAndDelete},
    {"epoll_one_shot", armOneShot},    {"poll_one", pollOne},
    {"recv_eagain", receiveNothing},   {"pipe_write_read", movePipe},
    {"unix_send_recv", moveUnix},      {"tcp_send_recv", moveTcp},
    {"eventfd_write_read", moveEvent}, {"futex_wake_nobody", wakeNobody},
    {"locked_add", addLocked},         {"compare_and_swap", compareAndSwap},
};

static void openTcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int yes = 1, listener = demand(socket(AF_INET, SOCK_STREAM, 0), "socket");
    demand(bind(listener, (struct sockaddr *)&address, size), "bind");
    demand(listen(listener, 1), "listen");
    demand(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    tcp_fds[0] = demand(socket(AF_INET, SOCK_STREAM, 0), "socket");
    demand(connect(tcp_fds[0], (struct sockaddr *)&address, size), "connect");
    tcp_fds[1] = demand(accept(listener, NULL, NULL), "accept");
    for (int i = 0; i < 2; i++)
        setsockopt(tcp_fds[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    close(listener);
}

static void openAll(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    epoll_empty = demand(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    epoll_one = demand(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    event_fd = demand(eventfd(1, EFD_CLOEXEC), "eventfd"); /* ready for ever */
    demand(epoll_ctl(epoll_one, EPOLL_CTL_ADD, event_fd, &event), "epoll_ctl");
    demand(pipe2(pipe_fds, O_CLOEXEC), "pipe2");
    demand(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, unix_fds), "socketpair");
    openTcp();
}

static void printPrices(void)
{
    for (size_t i = 0; i < sizeof prices / sizeof prices[0]; i++) {
        uint64_t best_ns = UINT64_MAX;
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t start_ns = readNowNs();
            for (int n = 0; n < TIMES; n++)
                prices[i].work();
            uint64_t spent_ns = readNowNs() - start_ns;
            best_ns = spent_ns < best_ns ? spent_ns : best_ns;
        }
        printPerUnit(prices[i].name, best_ns, TIMES);
    }
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void printMemory(void)
{
    uint64_t touch_ns = UINT64_MAX, guard_ns = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        char *pages = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED)
            error(1, errno, "mmap");
        madvise(pages, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE);
        uint64_t start_ns = readNowNs();
        for (int i = 0; i < PAGES; i++)
            pages[(size_t)i * PAGE] = 1;
        uint64_t touched_ns = readNowNs();
        int refused = 0;
        for (int i = 0; i < PAGES; i += 4)
            refused |= madvise(pages + (size_t)i * PAGE, PAGE, MADV_GUARD_INSTALL);
        uint64_t guarded_ns = readNowNs();
        touch_ns = touched_ns - start_ns < touch_ns ? touched_ns - start_ns : touch_ns;
        if (!refused)
            guard_ns = guarded_ns - touched_ns < guard_ns ? guarded_ns - touched_ns : guard_ns;
        munmap(pages, (size_t)PAGES * PAGE);
    }
    printPerUnit("page_first_touch", touch_ns, PAGES);
    if (guard_ns != UINT64_MAX)
        printPerUnit("guard_install", guard_ns, PAGES / 4);
}

/* ---- Two threads ----------------------------------------------------------------------------- */

typedef struct Pair {
    _Alignas(64) uint32_t turn; /* a futex: odd while it is the second thread's turn */
    _Alignas(64) uint64_t awake_ns;
    int core;
    bool spin;
    uint32_t turns;
} Pair;

/* The first two cores that this process may use; -1 stays where there is no second one. */
static void findCores(int cores[2])
{
    cpu_set_t set;
    demand(sched_getaffinity(0, sizeof set, &set), "sched_getaffinity");
    for (int core = 0, found = 0; core < CPU_SETSIZE && found < 2; core++)
        if (CPU_ISSET((unsigned)core, &set))
            cores[found++] = core;
}

static void pinTo(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)core, &set);
    demand(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

static void awaitTurn(Pair *pair, uint32_t turn)
{
    uint32_t seen;
    while ((seen = __atomic_load_n(&pair->turn, __ATOMIC_ACQUIRE)) != turn)
        if (!pair->spin)
            syscall(SYS_futex, &pair->turn, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void passTurn(Pair *pair, uint32_t turn)
{
    __atomic_store_n(&pair->turn, turn, __ATOMIC_RELEASE);
    if (!pair->spin)
        syscall(SYS_futex, &pair->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *answer(void *argument)
{
    Pair *pair = argument;
    pinTo(pair->core);
    for (uint32_t turn = 1; turn < pair->turns; turn += 2) {
        awaitTurn(pair, turn);
        pair->awake_ns = readNowNs();
        passTurn(pair, turn + 1);
    }
    return NULL;
}

/* Ping-pong on one word: a futex on one core, or two cores that spin.  Per hand-over. */
static void printHandOver(const char *name, int core, bool spin, uint32_t turns)
{
    Pair pair = {.core = core, .spin = spin, .turns = turns};
    pthread_t thread;
    if (pthread_create(&thread, NULL, answer, &pair) != 0)
        error(1, 0, "pthread_create");
    uint64_t best_ns = UINT64_MAX, start_ns = readNowNs();
    for (uint32_t turn = 0; turn < turns; turn += 2) {
        passTurn(&pair, turn + 1);
        awaitTurn(&pair, turn + 2);
        if (turn % 1000 == 998) { /* the best 500 there and back */
            uint64_t now_ns = readNowNs();
            best_ns = now_ns - start_ns < best_ns ? now_ns - start_ns : best_ns;
            start_ns = now_ns;
        }
    }
    pthread_join(thread, NULL);
    printPerUnit(name, best_ns, 1000);
}

/* A sleeper on another core: what its waker pays, and when it runs. */
static void printWake(int core)
{
    static uint64_t call_ns[WAKES], delay_ns[WAKES];
    Pair pair = {.core = core, .turns = 2 * WAKES};
    pthread_t thread;
    if (pthread_create(&thread, NULL, answer, &pair) != 0)
        error(1, 0, "pthread_create");
    for (uint32_t i = 0; i < WAKES; i++) {
        spinUntilNs(readNowNs() + 100 * 1000); /* by now it sleeps, and its core too */
        uint64_t start_ns = readNowNs();
        passTurn(&pair, 2 * i + 1);
        uint64_t end_ns = readNowNs();
        while (__atomic_load_n(&pair.turn, __ATOMIC_ACQUIRE) != 2 * i + 2)
            continue;
        call_ns[i] = end_ns - start_ns;
        delay_ns[i] = pair.awake_ns - start_ns;
    }
    pthread_join(thread, NULL);
    sortSamples(call_ns, WAKES);
    sortSamples(delay_ns, WAKES);
    printPerUnit("futex_wake_sleeper", call_ns[WAKES / 2], 1);
    printPerUnit("futex_wake_until_runs", delay_ns[WAKES / 2], 1);
}

int main(int count, char **words)
{
    parseCores(count, words, 1024);
    int cores[2] = {-1, -1};
    findCores(cores);
    openAll();
    printPrices();
    printMemory();
    pinTo(cores[0]);
    printHandOver("futex_switch", cores[0], false, 20 * 1000);
    if (cores[1] < 0)
        return 0; /* bound to one core: what follows needs two */
    printHandOver("line_hand_over", cores[1], true, 100 * 1000);
    printWake(cores[1]);
    return 0;
}
