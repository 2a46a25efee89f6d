/* Bench.hpp -- what the C++ peers share: arguments, clock, repetition, Boost.Fiber's schedulers.
 *
 * On one core fibers run under Boost.Fiber's default, round robin on the calling thread.  On more
 * the threads share their work, which is faster here than that they steal it.  An idle thread
 * sleeps, it does not spin.
 */
#pragma once
#include <boost/fiber/all.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

/* The whole number that follows `name` on the command line, or `otherwise`. */
inline int argument(int argc, char **argv, char const *name, int otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (std::strcmp(argv[i], name) == 0)
            return std::atoi(argv[i + 1]);
    return otherwise;
}

/* Nanoseconds per piece of work, when `pieces` of it began at `start` and have just ended. */
inline double nsEach(Clock::time_point start, long pieces)
{
    std::chrono::duration<double, std::nano> took = Clock::now() - start;
    return took.count() / static_cast<double>(pieces);
}

/* Runs `round` once to warm up, then until half a second is over (three times at least); gives the
 * milliseconds of the shortest run. */
template <typename Round>
double bestMs(Round round)
{
    round();
    double best_ms = std::numeric_limits<double>::max();
    auto begin = Clock::now();
    for (int runs = 0; runs < 3 || Clock::now() - begin < std::chrono::milliseconds(500); runs++) {
        auto start = Clock::now();
        round();
        best_ms = std::min(best_ms, nsEach(start, 1) / 1e6);
    }
    return best_ms;
}

inline void shareWork()
{
    boost::fibers::use_scheduling_algorithm<boost::fibers::algo::shared_work>(true);
}

/* Calls `body` on the calling thread; it and `cores` - 1 more run the fibers that `body` starts. */
template <typename Body>
void runOnCores(int cores, Body body)
{
    if (cores <= 1) {
        body();
        return;
    }
    boost::fibers::mutex mutex;
    boost::fibers::condition_variable over;
    bool is_over = false;
    std::vector<std::thread> helpers;
    for (int i = 1; i < cores; i++)
        helpers.emplace_back([&] { // it runs others' fibers while its own main fiber waits
            shareWork();
            std::unique_lock<boost::fibers::mutex> lock(mutex);
            over.wait(lock, [&] { return is_over; });
        });
    shareWork();
    body();
    {
        std::unique_lock<boost::fibers::mutex> lock(mutex);
        is_over = true;
    }
    over.notify_all();
    for (auto &helper : helpers)
        helper.join();
}

} // namespace bench
