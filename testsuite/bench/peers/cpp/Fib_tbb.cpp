/* Fib_tbb.cpp -- row 6 in oneTBB: fib(30), a task for every call with n > 1.
 *
 * A task has no stack of its own: the thread that waits for one runs it, or others, meanwhile.
 */
#include "Bench.hpp"

#include <tbb/global_control.h>
#include <tbb/task_group.h>

static long fib(int n)
{
    if (n < 2)
        return n;
    long forked;
    tbb::task_group children;
    children.run([&forked, n] { forked = fib(n - 1); });
    long called = fib(n - 2);
    children.wait();
    return forked + called;
}

int main(int argc, char **argv)
{
    auto cores = static_cast<std::size_t>(bench::argument(argc, argv, "--cores", 1));
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, cores);
    double best_ms = bench::bestMs([] {
        if (fib(30) != 832040) {
            std::fprintf(stderr, "fib(30) came out wrong\n");
            std::exit(1);
        }
    });
    std::printf("fib %.1f ms\n", best_ms);
}
