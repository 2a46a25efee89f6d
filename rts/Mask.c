/* Mask.c -- when a thread may be interrupted: its masking state.
 *
 * Owns    the masking bits of Thread.node.tag.
 * After   rts/Interrupt.c: raising what is pending.
 * Tests   testsuite/unit/MaskTest.c
 */
#include "rts/Interrupt.h"

#include <errno.h>

static MaskingState stateOf(const Thread *self)
{
    return (MaskingState)((self->node.tag & TAG_MASKING) >> TAG_MASKING_SHIFT);
}

MaskingState interruptMask(Thread *self, MaskingState state)
{
    MaskingState before = stateOf(self);
    uint32_t rest = self->node.tag & ~(uint32_t)TAG_MASKING;
    RELAXED_STORE(&self->node.tag, rest | (uint32_t)state << TAG_MASKING_SHIFT);
    return before;
}

static MaskingState maskAtLeast(MaskingState state)
{
    Thread *self = scheduleSelfHere();
    if (self == NULL)
        return Unmasked;
    MaskingState before = stateOf(self);
    return before >= state ? before : interruptMask(self, state);
}

MaskingState threadMask(void)
{
    return maskAtLeast(MaskedInterruptible);
}

MaskingState threadMaskUninterruptible(void)
{
    return maskAtLeast(MaskedUninterruptible);
}

int threadRestore(MaskingState state)
{
    Thread *self = scheduleSelfHere();
    if ((unsigned)state > MaskedUninterruptible)
        return -EINVAL;
    if (self == NULL)
        return 0;
    interruptMask(self, state);
    return interruptPoint(self);
}

MaskingState threadMaskingState(void)
{
    Thread *self = scheduleSelfHere();
    return self == NULL ? Unmasked : stateOf(self);
}

int threadAllowInterrupt(void)
{
    Thread *self = scheduleSelfHere();
    if (self == NULL || RELAXED_LOAD(&self->interrupts) == 0 || threadIsDeaf(self))
        return 0;
    return interruptRaise(self) ? -ECANCELED : 0;
}

void *threadInterruptible(ThreadFn *fn, void *env)
{
    Thread *self = scheduleSelfHere();
    if (self == NULL || stateOf(self) != MaskedInterruptible)
        return fn(env);
    interruptMask(self, Unmasked);
    void *result = fn(env);
    interruptMask(self, MaskedInterruptible);
    return result;
}
