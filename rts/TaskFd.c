/* TaskFd.c -- a task waits for an fd: arming, and what came of it.
 *
 * Owns    Thread.wait of a task that waits for an fd.
 * Before  rts/TaskWait.c.   After  iomgr/FdAwait.c: publish.   rts/Park.h: commit.
 * Tests   testsuite/unit/TaskWaitTest.c, testsuite/conformance/TaskConformance.c,
 *         testsuite/model/TaskFdModel.c (every interleaving)
 *
 * The two halves of rts/ThreadWait.c, without a stack in between.  See Note [Task waits], Note [Fd
 * home] and Note [Fd slot states].
 */
#include "rts/Park.h"
#include "rts/TaskWait.h"
#include "rts/ThreadWait.h"

#include <errno.h>

static uint32_t whoIs(const Thread *task)
{
    uint32_t who = (uint32_t)RELAXED_LOAD(&task->id);
    return who == 0 ? 1 : who;
}

static ThreadState stateFor(FdDirection direction)
{
    return direction == FdRead ? ThreadBlockedOnRead : ThreadBlockedOnWrite;
}

static void note(Thread *task, uint32_t home, uint16_t generation, FdDirection direction,
                 uint8_t flags)
{
    uint8_t way = direction == FdWrite ? TASK_WRITE : 0;
    task->wait = (TaskWait){home, generation, TaskWaitFd, (uint8_t)(flags | way)};
}

/* See Note [Listed waits].  FD_ASK_KERNEL: cannot tell, the long way; 1: ready; 0: see *waits. */
static int armListed(TaskContext *context, FdSeen seen, bool *waits)
{
    const FdView *view = &context->view;
    Thread *task = context->task;
    FdSlot *slot = view->slot;
    FdDirection direction = context->direction;
    uint32_t edges;
    uint16_t generation;
    int result = eventManagerWarm(slot, direction, seen, &generation, &edges);
    if (result != 0)
        return result;
    ListedWait wait = {.list = &slot->waiters[direction],
                       .watched = &slot->edges,
                       .seen = (uint64_t)edges << 32 * direction,
                       .bits = UINT64_C(0xffffffff) << 32 * direction,
                       .home = fdHomeWord(context->fd),
                       .word = view->home,
                       .generation = generation};
    note(task, view->home, generation, direction, TASK_LISTED);
    parkList(task, &wait, stateFor(direction), context->fd);
    *waits = parkPublish(task, &wait);
    return 0;
}

/* One wait in the home that `word` names.  -EAGAIN: the home moved meanwhile, start over. */
static int armAtHome(TaskContext *context, Capability *here, uint32_t word, uint32_t flags,
                     FdSeen seen, bool *waits)
{
    Thread *task = context->task;
    EventManager *manager = fdHomeManager(word);
    uint64_t number = parkBegin(task);
    int fd = context->fd;
    int result = eventManagerAwait(manager, fd, fdHomeKind(word) | flags, context->direction, seen,
                                   &task->node, here);
    if (result != 0) {
        claimTry(&task->claim, number, result == 1 ? 0 : result);
        task->wait = (TaskWait){.kind = TaskWaitSettled};
        return 0;
    }
    uint16_t generation = eventManagerGeneration(manager, fd); /* before the look, as there */
    if (UNLIKELY(fdHomeLook(fd) != word)) {
        eventManagerForget(manager, fd, context->direction, &task->node, here);
        task->wait = (TaskWait){.kind = TaskWaitSettled};
        return parkAbandon(task) < 0 ? 0 : -EAGAIN;
    }
    note(task, word, generation, context->direction, seen.edges == 0 ? TASK_BARE : 0);
    threadSetStatus(task, stateFor(context->direction), fd);
    *waits = taskWaitPark(task, here, context->deadline_ns);
    return 0;
}

static bool armBare(TaskContext *context, Capability *here, FdSeen seen, uint32_t home)
{
    bool waits = false;
    for (;;) {
        uint32_t word = fdHomeLook(context->fd), flags = 0;
        if (UNLIKELY(!fdHomeIsSettled(word))) {
            if (seen.edges == 0 || fdHomeManager(word) != NULL)
                flags = FdNewHome;
            word = fdHomeSettleSlow(context->fd, here);
            if (word == 0) {
                taskWaitSettle(context->task, threadWaitHomeless(context->fd));
                return false;
            }
        }
        if (UNLIKELY(home != word))
            seen.edges = 0;
        if (LIKELY(armAtHome(context, here, word, flags, seen, &waits) != -EAGAIN))
            return waits;
        seen.edges = 0;
    }
}

bool taskFdArm(TaskContext *context, Capability *here)
{
    const FdView *view = &context->view;
    bool seen_before = context->view_fd >= 0 && context->view_fd == context->fd &&
                       context->view_direction == context->direction;
    FdSeen seen = {.edges = seen_before ? view->edges : 0, .who = whoIs(context->task)};
    if (LIKELY(seen.edges != 0 && context->deadline_ns == DEADLINE_NEVER &&
               (view->kind & FdAdopted) != 0 && fdHomeIsSettled(view->home))) {
        bool waits = false;
        int result = armListed(context, seen, &waits);
        if (LIKELY(result == 0))
            return waits;
        if (result != FD_ASK_KERNEL) {
            taskWaitSettle(context->task, result == 1 ? 0 : result);
            return false;
        }
    }
    return armBare(context, here, seen, seen_before ? view->home : 0);
}

int taskFdFinish(Thread *task, Capability *here)
{
    TaskWait wait = task->wait;
    FdDirection direction = (wait.flags & TASK_WRITE) != 0 ? FdWrite : FdRead;
    EventManager *manager = fdHomeManager(wait.home);
    int fd = (int)(RELAXED_LOAD(&task->status) >> 8);
    int result = claimResult(RELAXED_LOAD(&task->claim));
    bool listed = (wait.flags & TASK_LISTED) != 0;
    if (!listed && parkLinked(task))
        eventManagerForget(manager, fd, direction, &task->node, here);
    if (UNLIKELY(result == FD_LOOK_AGAIN))
        return 0;
    if (UNLIKELY(result == -ETIMEDOUT && (wait.flags & TASK_BARE) != 0))
        return threadWaitLookLast(fd, direction);
    FdSlot *slot = fdTableFind(&manager->table, fd);
    if ((listed && result == -EALREADY) ||
        (result == 0 &&
         UNLIKELY(fdControlGeneration(ACQUIRE_LOAD(&slot->control)) != wait.generation)))
        return fdSlotHasMoved(slot, wait.generation) ? 0 : -EBADF;
    if (result == 0 && (wait.flags & TASK_BARE) != 0)
        eventManagerWoken(manager, fd, direction, whoIs(task));
    return result;
}
