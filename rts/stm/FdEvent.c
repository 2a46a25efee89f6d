/* FdEvent.c -- a transaction's look at an fd.
 *
 * Owns    nothing: the slot's words and the Event's are others'.
 * Before  rts/stm/ThreadSTM.c: a transaction waits for an fd.   After  iomgr/FdAwait.c: publish.
 * Tests   testsuite/unit/EventTest.c, testsuite/model/EventModel.c (every interleaving)
 *
 * See Note [Events in transactions], Note [Fd home] and Note [Fd slot states].
 *
 * Note [Looking in a transaction]
 *   An attempt needs an answer, so it asks the kernel by poll(2), whatever kind of fd it is; the
 *   caller need not have met EAGAIN before.  If the fd is not ready it is published with the count
 *   of edges that was read before the poll: an edge since is found there as by a plain wait, and an
 *   fd that is not adopted is armed by a change, which is a look as well.
 */
#include "rts/stm/Event.h"

#include "capability/FdHome.h"

#include <errno.h>
#include <poll.h>

/* See Note [Looking in a transaction].  1: ready, in that it would not block; 0: not; -EBADF,
 * -ENOMEM. */
static __attribute__((noinline)) int lookNow(int fd, FdDirection direction)
{
    struct pollfd look = {.fd = fd, .events = direction == FdRead ? POLLIN : POLLOUT};
    int found;
    if (fd < 0)
        return -EBADF;
    do
        found = poll(&look, 1, 0);
    while (found < 0 && errno == EINTR);
    if (found < 0)
        return -errno;
    return found > 0 && (look.revents & POLLNVAL) != 0 ? -EBADF : found;
}

/* Nothing rides on it: a home that has changed is seen by its word, a close by the node. */
static uint16_t generationOf(const FdSlot *slot, FdDirection direction)
{
    return watchListGeneration(RELAXED_LOAD(&slot->waiters[direction]));
}

/* Publish it in the home that `word` names.  0: published; 1: ready; -EAGAIN: somebody changed the
 * number's home or file meanwhile, start over; -E.... */
static int publish(Event *event, FdDirection direction, uint32_t word, uint32_t flags,
                   Capability *here)
{
    EventManager *manager = fdHomeManager(word);
    FdSlot *slot = fdTableGet(&manager->table, event->fd);
    if (slot == NULL)
        return -ENOMEM;
    uint16_t generation = generationOf(slot, direction);
    uint32_t edges = fdSlotEdges(slot, direction);
    bool drained = direction == FdRead && fdSlotIsDrained(slot, edges);
    RELEASE_STORE(&event->subject, (void *)slot); /* See Note [What a transaction waits for] */
    event->home = word;
    event->node.tag = generation;
    int result = drained ? 0 : lookNow(event->fd, direction);
    if (result != 0)
        return result;
    eventArm(event);
    result = eventManagerAwait(manager, event->fd, fdHomeKind(word) | flags, direction,
                               (FdSeen){.edges = edges, .who = 1}, &event->node, here);
    bool same = fdHomeLook(event->fd) == word && generationOf(slot, direction) == generation;
    if (result != 0)
        eventDisarm(event);
    else if (UNLIKELY(!same))
        eventTakeBack(event);
    return LIKELY(same) || result < 0 ? result : -EAGAIN;
}

static int askFd(Event *event, FdDirection direction, Capability *here)
{
    for (;;) {
        uint32_t word = fdHomeLook(event->fd), flags = 0;
        if (UNLIKELY(!fdHomeIsSettled(word))) {
            int result = lookNow(event->fd, direction);
            if (result != 0)
                return result;
            flags = FdNewHome;
            word = fdHomeSettleSlow(event->fd, here);
            if (word == 0)
                return event->fd >= FD_MAX ? -EMFILE : -ENOMEM;
        }
        int result = publish(event, direction, word, flags, here);
        if (LIKELY(result != -EAGAIN))
            return result;
    }
}

void eventAskFd(Event *event, FdDirection direction, Capability *here)
{
    int result = askFd(event, direction, here);
    if (result != 0)
        eventSet(event, result < 0 ? result : 0);
}

/* The word moves on after all else of the slot, and before the number is free. */
bool eventIsStale(const Event *event, FdDirection direction)
{
    const FdSlot *slot = event->subject;
    uint16_t then = (uint16_t)event->node.tag;
    return slot != NULL && watchListGeneration(ACQUIRE_LOAD(&slot->waiters[direction])) != then &&
           !fdSlotHasMoved(slot, then);
}
