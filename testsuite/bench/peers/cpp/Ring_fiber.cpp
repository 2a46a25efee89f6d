/* Ring_fiber.cpp -- row 5 in Boost.Fiber: 503 fibers in a ring pass one number, less one each hop.
 *
 * A cell is an unbuffered channel, whose slot is one atomic word: the fastest of Boost.Fiber's
 * means here (a buffered channel takes four times as long).  Its sender waits until the number has
 * been taken, as well.
 */
#include "Bench.hpp"

namespace {

namespace fibers = boost::fibers;
using Cell = fibers::unbuffered_channel<long>;
constexpr std::size_t FIBERS = 503;
constexpr long HOPS = 2'000'000;

/* Passes the number on until it is 0, then closes the neighbour's cell, to end that one as well. */
void passOn(Cell &own, Cell &next)
{
    long number;
    while (own.pop(number) == fibers::channel_op_status::success) {
        if (number == 0)
            break;
        next.push(number - 1);
    }
    next.close();
}

double measure(long hops)
{
    std::vector<Cell> ring(FIBERS);
    std::vector<fibers::fiber> threads;
    for (std::size_t i = 0; i < FIBERS; i++)
        threads.emplace_back(
            [&own = ring[i], &next = ring[(i + 1) % FIBERS]] { passOn(own, next); });
    auto start = bench::Clock::now();
    ring[0].push(hops);
    for (auto &thread : threads)
        thread.join();
    return bench::nsEach(start, hops);
}

} // namespace

int main(int argc, char **argv)
{
    int cores = bench::argument(argc, argv, "--cores", 1);
    bench::runOnCores<bench::WorkStealing>(cores, [] {
        measure(HOPS / 10);
        std::printf("ring %.1f ns\n", measure(HOPS));
    });
}
