/* Config.h -- what a configuration asks for. */
#ifndef RTS_CONFIG_H
#define RTS_CONFIG_H

#include <capri/rts.h>

/* configCapabilities -- how many to begin with: what it says, else CAPRI_CAPABILITIES in the
 * environment, else as many as there are processors.
 * configIsGood -- can there be such a runtime? */
uint32_t configCapabilities(const RtsConfig *config);
bool configIsGood(const RtsConfig *config);

#endif
