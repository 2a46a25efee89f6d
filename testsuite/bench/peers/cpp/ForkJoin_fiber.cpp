/* ForkJoin_fiber.cpp -- row 3 in Boost.Fiber: start a fiber that returns at once, join it.
 *
 * Stacks come from a pool.  With launch::dispatch the child runs before its parent goes on, which
 * saves a turn through the run queue.
 */
#include "Bench.hpp"

namespace {

constexpr long PAIRS = 1'000'000;

double measure(boost::fibers::pooled_fixedsize_stack stacks, long pairs)
{
    auto start = bench::Clock::now();
    for (long i = 0; i < pairs; i++)
        boost::fibers::fiber(boost::fibers::launch::dispatch, std::allocator_arg, stacks, [] {})
            .join();
    return bench::nsEach(start, pairs);
}

} // namespace

int main()
{
    boost::fibers::pooled_fixedsize_stack stacks;
    measure(stacks, PAIRS / 10);
    std::printf("fork_join %.1f ns\n", measure(stacks, PAIRS));
}
