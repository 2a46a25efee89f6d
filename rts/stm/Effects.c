/* Effects.c -- what a transaction wants done when it commits or is undone.
 *
 * Owns    Effects.  One transaction's, never shared.
 * Before  rts/stm/STM.c.   After  rts/stm/Reclaim.c: what was retired.
 * Tests   testsuite/unit/STMHooksTest.c
 *
 * See Note [Effects].
 */
#include "rts/stm/Effects.h"

#include "iomgr/Memory.h"
#include "rts/Startup.h"

static void releaseItems(const Effects *effects)
{
    if (effects->items != effects->here)
        memoryRelease(startupAllocator(), effects->items, effects->room * sizeof(Effect),
                      CACHE_LINE);
}

static bool growItems(Effects *effects)
{
    uint32_t room = effects->room * 2;
    Effect *items = effects->here;
    if (effects->room == 0) {
        room = EFFECTS_HERE;
    } else {
        items = memoryAllocate(startupAllocator(), room * sizeof(Effect), CACHE_LINE);
        if (items == NULL)
            return false;
        memcpy(items, effects->items, effects->count * sizeof(Effect));
        releaseItems(effects);
    }
    effects->items = items;
    effects->room = room;
    return true;
}

bool effectsAdd(Effects *effects, EffectKind kind, StmHook *hook, void *env)
{
    if (effects->count == effects->room && !growItems(effects))
        return false;
    effects->items[effects->count++] = (Effect){kind, hook, env};
    return true;
}

void effectsDrop(Effects *effects, uint32_t mark)
{
    uint32_t kept = mark;
    for (uint32_t i = effects->count; i-- > mark;) {
        Effect *effect = &effects->items[i];
        if (effect->kind == EffectAbort)
            effect->hook(effect->env);
        else if (effect->kind == EffectRetire)
            reclaimForget(effect->env);
    }
    for (uint32_t i = mark; i < effects->count; i++) {
        Effect effect = effects->items[i];
        if (effect.kind == EffectNew || effect.kind == EffectDropped)
            effects->items[kept++] = (Effect){EffectDropped, effect.hook, effect.env};
    }
    effects->count = kept;
}

void effectsUndo(Effects *effects)
{
    if (effects->count != 0)
        effectsDrop(effects, 0);
}

void effectsForgetMoved(const Effect *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].kind == EffectDropped)
            items[i].hook(items[i].env);
    }
}

void effectsForget(Effects *effects)
{
    effectsForgetMoved(effects->items, effects->count);
    effects->count = 0;
}

void effectsMove(Effects *effects, Effect *into)
{
    for (uint32_t i = 0; i < effects->count; i++)
        into[i] = effects->items[i];
    effects->count = 0;
}

void effectsCommit(Effects *effects, StmShare *share)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        Effect *effect = &effects->items[i];
        if (effect->kind == EffectRetire)
            reclaimLater(share, effect->env);
    }
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->items[i].kind == EffectCommit)
            effects->items[i].hook(effects->items[i].env);
    }
    effectsForget(effects);
}

void effectsClose(Effects *effects)
{
    releaseItems(effects);
    effectsOpen(effects);
}
