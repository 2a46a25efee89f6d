/* capri/capri.h -- everything. */
#ifndef CAPRI_CAPRI_H
#define CAPRI_CAPRI_H

#include <capri/allocator.h>
#include <capri/event.h>
#include <capri/fd.h>
#include <capri/rts.h>
#include <capri/thread.h>
#include <capri/tvar.h>

#endif
