/* EpollBits.h -- the kernel's EPOLL... bits, which epoll and polls of a ring report, as EventBits.
 *
 * Tests  testsuite/unit/EPollTest.c, testsuite/unit/IOUringTest.c
 */
#ifndef IOMGR_BACKEND_EPOLL_BITS_H
#define IOMGR_BACKEND_EPOLL_BITS_H

#include "iomgr/Backend.h"

#include <sys/epoll.h>

static inline uint32_t epollBitsEvents(uint32_t kernel)
{
    uint32_t events = 0;
    if (kernel == EPOLLIN)
        return EventRead; /* as good as always */
    if (kernel & EPOLLIN)
        events |= EventRead;
    if (kernel & EPOLLOUT)
        events |= EventWrite;
    if (kernel & EPOLLPRI)
        events |= EventUrgent;
    if (kernel & EPOLLRDHUP)
        events |= EventRead | EventPeerClosed;
    if (kernel & EPOLLHUP)
        events |= EventRead | EventWrite | EventHangUp;
    if (kernel & EPOLLERR)
        events |= EventRead | EventWrite | EventError;
    return events;
}

#endif
