/* Report.h -- showing an execution step by step. */
#ifndef MODEL_REPORT_H
#define MODEL_REPORT_H

#include "testsuite/model/Step.h"

#include <stddef.h>

/* Print the steps so far; addresses inside the state are shown as offsets. */
void reportTrace(const void *state, size_t state_size);

/* Print where an unfinished thread waits. */
void reportWaiting(int thread, const Op *op, const void *state, size_t state_size);

#endif
