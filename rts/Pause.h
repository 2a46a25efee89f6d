/* Pause.h -- stopping the world for a host's collector, and showing it all stacks.
 *
 * Note [Pausing]
 *   Who pauses holds the world's lock from rtsPause to rtsResume, so pauses, forks and changes of
 *   the number of capabilities come one after the other; `pauser` says who.  A green thread's own
 *   capability does not halt: it goes on below the thread, which must not leave it.  To that end it
 *   is marked as one that calls back (EventManager.polling): its safepoints do nothing, and waiting
 *   is an assertion.
 *
 * Note [Paused stacks]
 *   A thread that was switched away from has its callee-saved registers at its sp; the others its
 *   caller has saved, as for any call.  One that stands still because its own call waits for the
 *   world's lock has not switched: worldHalt spills its registers into its frame and stores a sp
 *   below that.  The pauser's own are spilled by rtsPausedThreads, those of a thread in a foreign
 *   call into foreignCall's frame, those at the beginning of a region into its BlockingRegion.  A
 *   newborn has no stack: its env is the only word of its, and lies in the descriptor; so does the
 *   result of one that has ended.
 *   A task never has one: its two words are in its body.  It may be in the middle of a step that
 *   waits for its turn to pause; the host sees to what that step has in C variables.
 */
#ifndef RTS_PAUSE_H
#define RTS_PAUSE_H

#include <capri/pause.h>

#include <stdbool.h>

/* pauseIsOthers -- has somebody else paused the world?  Over as soon as it is said.
 * pauseIsMine -- has the caller? */
bool pauseIsOthers(void);
bool pauseIsMine(void);

#endif
