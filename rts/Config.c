/* Config.c -- what a configuration asks for.
 *
 * Owns    nothing.
 * Before  rts/Startup.c: rtsInit.   After  capability/, iomgr/: what there may be.
 * Tests   testsuite/unit/StartupTest.c
 */
#include "rts/Config.h"

#include "capability/CapabilityTable.h"
#include "capability/Processors.h"
#include "iomgr/Backend.h"

#include <stdlib.h>

uint32_t configCapabilities(const RtsConfig *config)
{
    const char *text = getenv("CAPRI_CAPABILITIES");
    if (config->capabilities != 0 || config->stepped)
        return config->stepped ? 1 : config->capabilities;
    uint32_t wanted = text != NULL && atoi(text) > 0 ? (uint32_t)atoi(text) : processorsUsable();
    return wanted > CAPABILITY_MOST ? CAPABILITY_MOST : wanted;
}

bool configIsGood(const RtsConfig *config)
{
    if (config->stepped && (config->capabilities > 1 || config->hand_over))
        return false;
    if ((config->allocator.allocate == NULL) != (config->allocator.release == NULL))
        return false;
    return configCapabilities(config) <= CAPABILITY_MOST && backendByName(config->backend) != NULL;
}
