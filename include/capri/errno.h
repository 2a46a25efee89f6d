/* capri/errno.h -- an errno that survives a migration.
 *
 * A green thread may park on one OS thread and wake up on another.  Compilers fetch the address of
 * errno once per function and keep it, so code like
 *     r = read(fd, ...);  if (r < 0) { threadYield(); if (errno == EAGAIN) ... }
 * reads the wrong thread's errno.  Capri's own functions return negative errnos and never need it.
 * For the embedder's system calls include this header (after <errno.h>): errno then is fetched anew
 * at every
 * use.  It still belongs to the OS thread: read it before the next call that may park.
 */
#ifndef CAPRI_ERRNO_H
#define CAPRI_ERRNO_H

#include <capri/api.h>

#include <errno.h>

#ifdef __cplusplus
extern "C" {
#endif

/* errnoLocation -- the calling OS thread's errno, fetched anew each time; do not keep it. */
CAPRI_EXPORT int *errnoLocation(void) CAPRI_NAME(errnoLocation);

#ifdef __cplusplus
}
#endif

#undef errno
#define errno (*errnoLocation())

#endif
