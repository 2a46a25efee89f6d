/* Blocked_fiber.cpp -- row 17 in Boost.Fiber: memory per fiber, 100,000 and 1,000,000 blocked.
 *
 * Stacks of 16 KiB from malloc, which share their pages; stacks with guard pages would be mappings
 * of their own, of which Linux allows 65,530.  Each fiber waits for a channel of its own.
 */
#include "Bench.hpp"

#include <deque>

namespace {

namespace fibers = boost::fibers;
using Cell = fibers::unbuffered_channel<long>;
constexpr long FEW = 100'000, MANY = 1'000'000;
constexpr std::size_t STACK_BYTES = 16 * 1024;

long rssBytes()
{
    char line[256];
    long kib = 0;
    std::FILE *status = std::fopen("/proc/self/status", "r");
    while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr)
        if (std::sscanf(line, "VmRSS: %ld kB", &kib) == 1)
            break;
    if (status == nullptr || kib == 0) {
        std::fprintf(stderr, "/proc/self/status: no VmRSS\n");
        std::exit(1);
    }
    std::fclose(status);
    return kib * 1024;
}

/* With launch::dispatch each runs at once, and blocks. */
void block(std::deque<Cell> &cells, long count)
{
    for (long i = 0; i < count; i++) {
        cells.emplace_back();
        fibers::fiber(fibers::launch::dispatch, std::allocator_arg,
                      fibers::fixedsize_stack(STACK_BYTES), [&cell = cells.back()] {
                          long number;
                          cell.pop(number);
                      })
            .detach();
    }
}

} // namespace

int main()
{
    std::deque<Cell> cells;
    block(cells, FEW / 100);
    long before = rssBytes();
    block(cells, FEW);
    std::printf("rss_100k %ld B\n", (rssBytes() - before) / FEW);
    block(cells, MANY - FEW);
    std::printf("rss_1m %ld B\n", (rssBytes() - before) / MANY);
    std::fflush(stdout);
    std::_Exit(0); // without waking a million fibers first
}
