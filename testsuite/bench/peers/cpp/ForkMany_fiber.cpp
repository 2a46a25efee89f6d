/* ForkMany_fiber.cpp -- row 4 in Boost.Fiber: start 1000 fibers that return at once, join them all.
 *
 * launch::post: all are ready before the first one runs, which is faster here than to dispatch
 * each at once.  On one core stacks come from a pool; on more, from malloc, as a pool must not be
 * used by two threads at once and a fiber may end on another thread than the one that started it.
 * All costs so much more there that fewer rounds are enough.
 */
#include "Bench.hpp"

namespace {

namespace fibers = boost::fibers;
constexpr long CHILDREN = 1000;
constexpr std::size_t STACK_BYTES = 16 * 1024;

template <typename Stacks>
double measure(Stacks stacks, long rounds)
{
    std::vector<fibers::fiber> children;
    children.reserve(CHILDREN);
    auto start = bench::Clock::now();
    for (long round = 0; round < rounds; round++) {
        for (long i = 0; i < CHILDREN; i++)
            children.emplace_back(fibers::launch::post, std::allocator_arg, stacks, [] {});
        for (auto &child : children)
            child.join();
        children.clear();
    }
    return bench::nsEach(start, rounds * CHILDREN);
}

template <typename Stacks>
void report(Stacks stacks, long rounds)
{
    measure(stacks, rounds / 10);
    std::printf("fork_many %.1f ns\n", measure(stacks, rounds));
}

} // namespace

int main(int argc, char **argv)
{
    int cores = bench::argument(argc, argv, "--cores", 1);
    bench::runOnCores(cores, [=] {
        if (cores == 1)
            report(fibers::pooled_fixedsize_stack(STACK_BYTES), 1000);
        else
            report(fibers::fixedsize_stack(STACK_BYTES), 200);
    });
}
