/* Wakeup.c -- interrupting a sleeping poll: one eventfd.
 *
 * Owns    Wakeup.fd.
 * Before  anybody with news for a sleeping owner.   After  iomgr/EventManager.c: drains it.
 * Tests   testsuite/unit/WakeupTest.c
 *
 * Level-triggered on purpose: a rescuer that polls in between sees it too and must not swallow it.
 */
#include "iomgr/Wakeup.h"

#include "internal/Assert.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int wakeupOpen(Wakeup *wakeup)
{
    wakeup->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return wakeup->fd < 0 ? -errno : 0;
}

void wakeupClose(Wakeup *wakeup)
{
    if (wakeup->fd >= 0)
        close(wakeup->fd);
    wakeup->fd = -1;
}

void wakeupSend(Wakeup *wakeup)
{
    const uint64_t one = 1;
    int saved = errno;
    while (write(wakeup->fd, &one, sizeof one) < 0) {
        if (errno == EAGAIN) /* the counter is full, so the fd is as readable as can be */
            break;
        if (errno != EINTR)
            barf("eventfd %d: a wake-up is lost: error %d", wakeup->fd, errno);
    }
    errno = saved;
}

void wakeupDrain(Wakeup *wakeup)
{
    uint64_t sent;
    int saved = errno;
    while (read(wakeup->fd, &sent, sizeof sent) < 0) {
        if (errno == EAGAIN) /* somebody else has */
            break;
        if (errno != EINTR)
            barf("eventfd %d: it stays readable: error %d", wakeup->fd, errno);
    }
    errno = saved;
}
