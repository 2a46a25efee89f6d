/* Ring_fiber.cpp -- row 5 in Boost.Fiber: 503 fibers in a ring pass one number, less one each hop.
 *
 * A cell is a flag, a number and the fiber that waits: suspend and schedule are Boost.Fiber's least
 * means, and an unbuffered channel switches twice a hop.  One core only: the flag is no atomic.
 */
#include "Bench.hpp"

namespace {

namespace fibers = boost::fibers;
constexpr std::size_t FIBERS = 503;
constexpr long HOPS = 2'000'000;

struct Cell {
    long number = 0;
    bool full = false;
    fibers::context *waiter = nullptr;

    long take()
    {
        while (!full) {
            waiter = fibers::context::active();
            waiter->suspend();
        }
        full = false;
        return number;
    }

    void put(long filled)
    {
        number = filled;
        full = true;
        if (waiter != nullptr) {
            fibers::context *woken = waiter;
            waiter = nullptr;
            fibers::context::active()->schedule(woken);
        }
    }
};

/* Passes the number on until it is negative: once round the ring, then all have ended. */
void passOn(Cell &own, Cell &next)
{
    long number;
    do {
        number = own.take();
        next.put(number > 0 ? number - 1 : -1);
    } while (number > 0);
}

double measure(long hops)
{
    std::vector<Cell> ring(FIBERS);
    std::vector<fibers::fiber> threads;
    for (std::size_t i = 0; i < FIBERS; i++)
        threads.emplace_back(
            [&own = ring[i], &next = ring[(i + 1) % FIBERS]] { passOn(own, next); });
    auto start = bench::Clock::now();
    ring[0].put(hops);
    for (auto &thread : threads)
        thread.join();
    return bench::nsEach(start, hops);
}

} // namespace

int main(int argc, char **argv)
{
    if (bench::argument(argc, argv, "--cores", 1) != 1) {
        std::fputs("Ring_fiber: one core only\n", stderr);
        return 1;
    }
    measure(HOPS / 10);
    std::printf("ring %.1f ns\n", measure(HOPS));
}
