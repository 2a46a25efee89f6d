/* capri/jemalloc.h -- jemalloc as the runtime's allocator, one arena per capability.
 *
 * Part of Capri::jemalloc, not of libcapri: the library itself never links jemalloc, since that
 * would replace its host's malloc and could not be loaded by dlopen.
 */
#ifndef CAPRI_JEMALLOC_H
#define CAPRI_JEMALLOC_H

#include <capri/allocator.h>
#include <capri/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* jemallocAllocator -- for RtsConfig.allocator.
 *
 * Memory comes from the arena of the capability that asks (made when it first asks), plain OS
 * threads use jemalloc's own choice.  Any thread may release.  Link jemalloc as a shared library,
 * or built without link-time optimisation: inlined, its thread-local addresses would survive a
 * thread's migration. */
CAPRI_EXPORT Allocator jemallocAllocator(void) CAPRI_NAME(jemallocAllocator);

#ifdef __cplusplus
}
#endif

#endif
