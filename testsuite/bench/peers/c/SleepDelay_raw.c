/* SleepDelay_raw.c -- row 13 by hand: epoll_pwait2 takes its time-out in ns; 1 ns of timer slack.
 *
 * Without PR_SET_TIMERSLACK the kernel may be 50 us late on purpose, and epoll_wait's whole
 * milliseconds would be 900 us late.  The epoll instance is empty: only time can end the wait.
 */
#include "Bench.h"
#include <sys/epoll.h>
#include <sys/prctl.h>

enum { SLEEPS = 5000, WARM_UP = 200, SLEEP_NS = 100 * 1000 };

int main(int count, char **words)
{
    static uint64_t late_ns[SLEEPS];
    const struct timespec pause = {.tv_nsec = SLEEP_NS};
    struct epoll_event event;
    parseCores(count, words, 1024);
    demand(prctl(PR_SET_TIMERSLACK, 1), "prctl");
    int epoll = demand(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    for (int i = -WARM_UP; i < SLEEPS; i++) {
        uint64_t start_ns = readNowNs();
        demand(epoll_pwait2(epoll, &event, 1, &pause, NULL), "epoll_pwait2");
        uint64_t slept_ns = readNowNs() - start_ns;
        if (slept_ns < SLEEP_NS)
            error(1, 0, "woken too early");
        if (i >= 0)
            late_ns[i] = slept_ns - SLEEP_NS;
    }
    sortSamples(late_ns, SLEEPS);
    printPercentile("late_p50", late_ns, SLEEPS, 50);
    printPercentile("late_p99", late_ns, SLEEPS, 99);
    return 0;
}
