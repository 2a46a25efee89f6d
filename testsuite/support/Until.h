/* Until.h -- trying a form with a deadline: past, soon, and in time. */
#ifndef TESTSUITE_UNTIL_H
#define TESTSUITE_UNTIL_H

#include "testsuite/support/Runtime.h"

#include <string.h>

/* One form.  make: nothing is to be had; provide: once from now on; unmake: as if never made. */
typedef struct Form {
    const char *name;
    void (*make)(void);
    int64_t (*call)(int64_t deadline_ns);
    void (*provide)(void);
    void (*unmake)(void);
    bool keeps; /* what was provided before the call is had by it at once */
} Form;

static int64_t until_ns; /* of what is under way on another thread */

static inline void *provideLater(void *env)
{
    const Form *form = env;
    CHECK_EQ(threadDelay(1000), 0);
    form->provide();
    return NULL;
}

static inline void tryForm(const Form *form)
{
    form->make();
    CHECK_EQ(form->call(0), -ETIMEDOUT);
    CHECK_EQ(form->call(INT64_MIN), -ETIMEDOUT);
    int64_t soon_ns = rtsNow() + 2 * MS_NS;
    CHECK_EQ(form->call(soon_ns), -ETIMEDOUT);
    CHECK_GE(rtsNow(), soon_ns);
    until_ns = rtsNow() + 60000 * MS_NS;
    if (form->keeps) {
        form->provide();
        CHECK_GE(form->call(0), 0);
        form->unmake();
        form->make();
    }
    Thread *provider = greenFork(provideLater, (void *)form);
    CHECK_GE(form->call(until_ns), 0);
    greenJoin(provider);
    form->unmake();
}

/* env: forms, the last one without a name.  --form NAME: only that one. */
static inline void *tryForms(void *env)
{
    const char *only = testArg("--form");
    for (const Form *form = env; form->name != NULL; form++) {
        if (only == NULL || strcmp(only, form->name) == 0)
            tryForm(form);
    }
    return NULL;
}

#endif
