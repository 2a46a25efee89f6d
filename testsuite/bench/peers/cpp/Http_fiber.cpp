// Http_fiber.cpp -- rows 8 to 10 and 18: the HTTP server on Boost.Fiber, a fiber per connection.
//
// Boost.Fiber has no I/O of its own: an expert writes the glue.  One scheduler per core, each with
// an epoll instance and a listener of its own; where the scheduler would sleep, it waits in
// epoll_wait and makes the fibers of the events ready.  Sockets are registered once, edge-triggered,
// and after a short read a fiber parks without trying again: one recv, one send and a share of an
// epoll_wait for each request.  Stacks of 16 KiB without guard pages.
#include "../c/Http.h"

#include <sys/epoll.h>

#include <boost/fiber/all.hpp>

namespace fibers = boost::fibers;

namespace {

// A descriptor that one fiber waits for.
struct Waiter {
    int fd;
    fibers::context *fiber = nullptr; // parked here
    bool ready = false;               // an event has come since the flag was cleared
    bool ended = false;               // the peer has sent its end: read on until it is seen

    void wait()
    {
        if (!ready && !ended) {
            fiber = fibers::context::active();
            fiber->suspend();
        }
        ready = false;
    }

    void wake(uint32_t events)
    {
        ready = true;
        ended = ended || (events & EPOLLRDHUP);
        if (fiber != nullptr) {
            fibers::context *woken = fiber;
            fiber = nullptr;
            fibers::context::active()->schedule(woken);
        }
    }
};

// First in, first out; sleeps in epoll_wait.  All fibers of the thread stay with it.
class EpollScheduler final : public fibers::algo::algorithm {
public:
    explicit EpollScheduler(int epoll_fd) : epoll(epoll_fd) {}

    void awakened(fibers::context *fiber) noexcept override
    {
        fiber->ready_link(queue);
    }

    fibers::context *pick_next() noexcept override
    {
        if (queue.empty())
            return nullptr;
        fibers::context *next = &queue.front();
        queue.pop_front();
        return next;
    }

    bool has_ready_fibers() const noexcept override
    {
        return !queue.empty();
    }

    // Nothing here sleeps or is woken from another thread: no deadline, no notify.
    void suspend_until(std::chrono::steady_clock::time_point const &) noexcept override
    {
        epoll_event events[256];
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++)
            static_cast<Waiter *>(events[i].data.ptr)->wake(events[i].events);
    }

    void notify() noexcept override {}

private:
    int epoll;
    fibers::scheduler::ready_queue_type queue;
};

bool add(int epoll, Waiter &waiter, uint32_t events)
{
    epoll_event event{};
    event.events = events | EPOLLET;
    event.data.ptr = &waiter;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, waiter.fd, &event) == 0;
}

bool sendAll(Waiter &waiter, Answer answer)
{
    while (answer.size > 0) {
        ssize_t sent = send(waiter.fd, answer.bytes, answer.size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0) {
            waiter.ended = false; // an end to read is no room to write
            waiter.wait();
            continue;
        }
        answer.bytes += sent;
        answer.size -= static_cast<size_t>(sent);
    }
    return true;
}

void serveConnection(int epoll, int fd)
{
    char input[HTTP_INPUT];
    size_t size = 0;
    Waiter waiter{fd};
    bool open = add(epoll, waiter, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    while (open && size < sizeof input) {
        waiter.ready = false;
        ssize_t got = recv(fd, input + size, sizeof input - size, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        bool drained = got < 0 || static_cast<size_t>(got) < sizeof input - size;
        size += got > 0 ? static_cast<size_t>(got) : 0;
        size_t at = 0, used;
        for (Answer answer; open && (answer = takeRequests(input + at, size - at, &used)).size > 0;
             at += used)
            open = sendAll(waiter, answer);
        memmove(input, input + at, size -= at);
        if (open && drained)
            waiter.wait();
    }
    close(fd);
}

void *serve(void *env)
{
    Waiter listener{static_cast<int>(reinterpret_cast<intptr_t>(env))};
    fibers::fixedsize_stack stacks(16 * 1024);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    fibers::use_scheduling_algorithm<EpollScheduler>(epoll);
    if (!add(epoll, listener, EPOLLIN))
        error(1, errno, "epoll");
    for (;;) {
        int fd = accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            fibers::fiber(fibers::launch::post, std::allocator_arg, stacks, serveConnection, epoll,
                          fd)
                .detach();
        else
            listener.wait();
    }
    return nullptr;
}

} // namespace

int main(int, char **argv)
{
    return serveOnCores(argv, serve);
}
