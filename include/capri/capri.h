/* capri/capri.h -- everything. */
#ifndef CAPRI_CAPRI_H
#define CAPRI_CAPRI_H

#include <capri/address.h>
#include <capri/allocator.h>
#include <capri/chan.h>
#include <capri/event.h>
#include <capri/fd.h>
#include <capri/file.h>
#include <capri/foreign.h>
#include <capri/gather.h>
#include <capri/hooks.h>
#include <capri/interrupt.h>
#include <capri/lock.h>
#include <capri/mvar.h>
#include <capri/once.h>
#include <capri/pause.h>
#include <capri/process.h>
#include <capri/qsem.h>
#include <capri/rts.h>
#include <capri/scope.h>
#include <capri/signal.h>
#include <capri/slot.h>
#include <capri/step.h>
#include <capri/stm.h>
#include <capri/tarray.h>
#include <capri/task.h>
#include <capri/tchan.h>
#include <capri/thread.h>
#include <capri/timeout.h>
#include <capri/tmap.h>
#include <capri/tmvar.h>
#include <capri/tqueue.h>
#include <capri/tvar.h>
#include <capri/waker.h>

#endif
