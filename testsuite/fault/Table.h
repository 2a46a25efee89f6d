/* Table.h -- which system call may fail with what, and what is to happen then.
 *
 * docs/Faults.md shows it; SystemCallFault compares.
 *
 * Tests  testsuite/fault/SystemCallFault.c
 */
#ifndef TESTSUITE_FAULT_TABLE_H
#define TESTSUITE_FAULT_TABLE_H

#include "testsuite/fault/Injector.h"

enum { ROW_ERRORS = 10, ROW_ALSO = 3 };

/* What may become of a run. */
typedef enum FaultOutcome {
    Completes = 1, /* everything works */
    Reports = 2,   /* a call returned the errno (or one of `also`), the rest works */
    Stops = 4      /* one line on stderr, abort */
} FaultOutcome;

typedef struct FaultRow {
    const char *call;
    const char *which; /* NULL: each of that name */
    long number;
    bool (*concerns)(const FaultCall *call);
    int errors[ROW_ERRORS]; /* ended by 0 */
    int also[ROW_ALSO];     /* errnos it may be told as */
    unsigned outcomes;      /* FaultOutcomes */
    bool lasts;             /* it also fails for ever from some call on */
    bool cold;              /* made once a process: not tried before the faults begin */
    bool native;            /* not under a sanitizer, which makes such calls itself */
    const char *says;       /* Stops: part of the line */
    const char *happens;
} FaultRow;

extern const FaultRow fault_rows[];
extern const int fault_row_count;

#endif
