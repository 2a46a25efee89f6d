/* Yield_fiber.cpp -- row 2 in Boost.Fiber: two fibers yield to each other. */
#include "Bench.hpp"

namespace {

constexpr long SWITCHES = 4'000'000;

void yieldOften(long times)
{
    for (long i = 0; i < times; i++)
        boost::this_fiber::yield();
}

double measure(long switches)
{
    boost::fibers::fiber one(yieldOften, switches / 2), other(yieldOften, switches / 2);
    auto start = bench::Clock::now();
    one.join();
    other.join();
    return bench::nsEach(start, switches);
}

} // namespace

int main()
{
    measure(SWITCHES / 10);
    std::printf("yield %.1f ns\n", measure(SWITCHES));
}
