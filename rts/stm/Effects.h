/* Effects.h -- what a transaction wants done when it commits or is undone.
 *
 * Note [Effects]
 *   kind     given up with its branch       the attempt is undone      commit
 *   abort    runs at once                   runs                       -
 *   commit   forgotten                      forgotten                  runs
 *   retire   forgotten                      forgotten                  waits for quiescence
 *   new      freed when the attempt is over freed                      -
 *   A variable of a dropped branch may be in the log still, so what is new (a variable, memory, a
 *   container) is kept until the log is empty.
 */
#ifndef RTS_EFFECTS_H
#define RTS_EFFECTS_H

#include "rts/stm/Reclaim.h"

#include <capri/stm.h>

typedef enum EffectKind {
    EffectAbort,
    EffectCommit,
    EffectRetire,
    EffectNew,
    EffectDropped
} EffectKind;

typedef struct Effect {
    EffectKind kind;
    StmHook *hook;
    void *env; /* EffectRetire: Retired *; EffectNew, EffectDropped: what `hook` frees */
} Effect;

enum { EFFECTS_HERE = 8 };

typedef struct Effects {
    Effect *items; /* NULL until the first one; `here` until there are more */
    uint32_t count, room;
    Effect here[EFFECTS_HERE];
} Effects;

/* effectsOpen -- none. */
static inline void effectsOpen(Effects *effects)
{
    effects->items = NULL;
    effects->count = effects->room = 0;
}

/* effectsAdd -- false: out of memory. */
bool effectsAdd(Effects *effects, EffectKind kind, StmHook *hook, void *env);

/* effectsDrop -- a branch is given up: what came since `mark`. */
void effectsDrop(Effects *effects, uint32_t mark);

/* effectsUndo -- the attempt is undone: hooks run, newest first; what is new stays.
 * effectsForget -- and now what was new is freed; the list is empty.
 * effectsMove -- likewise, but it is kept in `into`, with room for all of them, until
 * effectsForgetMoved.
 * effectsCommit -- all is visible: hooks run, oldest first; the list is empty. */
void effectsUndo(Effects *effects);
void effectsForget(Effects *effects);
void effectsMove(Effects *effects, Effect *into);
void effectsForgetMoved(const Effect *items, uint32_t count);
void effectsCommit(Effects *effects, StmShare *share);

/* effectsClose -- memory goes back. */
void effectsClose(Effects *effects);

#endif
