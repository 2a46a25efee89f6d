/* MarkGivenUp.c -- the version that a reader takes beside a commit which gives up.
 *
 * Such a commit marks the variable (an odd version), then puts the version back and unlocks; the
 * next one marks it the same way.  A reader that looks at the version at both marks and at the lock
 * in between has the old value, and has to have the old version with it: with the odd one it would
 * be told of a write that there never was.  testsuite/model/CommitModel.c (putBack) shows how it
 * comes to that; here the mark is set by hand, as the reader finds it.
 */
#include "rts/stm/TVar.h"
#include "testsuite/support/Runtime.h"

static int value;
static int attempts; /* of a transaction */

static void setMark(TVar *tvar, uint64_t mark)
{
    RELAXED_STORE(&tvar->version, tvarEven(RELAXED_LOAD(&tvar->version)) + mark);
}

/* Its read was not spoilt by anybody. */
static void *addInTransaction(Transaction *tx, void *env)
{
    TVar *tvar = env;
    setMark(tvar, attempts == 0 ? 1 : 0);
    void *read = tvarRead(tx, tvar);
    setMark(tvar, 0);
    attempts++;
    tvarWrite(tx, tvar, read);
    return NULL;
}

static void *awaitBesideMark(void *env)
{
    uint64_t before, seen;
    TVar *tvar = env;
    CHECK_EQ(tvarReadVersionIO(tvar, &before), (void *)&value);
    setMark(tvar, 1);
    CHECK_EQ(tvarReadVersionIO(tvar, &seen), (void *)&value);
    setMark(tvar, 0);
    CHECK_EQ(seen, before);
    CHECK_EQ(tvarAwaitUntil(tvar, seen, INT64_MIN), -ETIMEDOUT);
    attempts = 0;
    CHECK_EQ(stmAtomically(addInTransaction, tvar, NULL), 0);
    CHECK_EQ(attempts, 1);
    return NULL;
}

TEST(MarkGivenUp, noWriteIsNoNews)
{
    greenStart(1);
    TVar *tvar = tvarNew(NULL);
    CHECK_EQ(tvarWriteIO(tvar, &value), 0);
    awaitBesideMark(tvar); /* a plain OS thread */
    greenJoin(greenFork(awaitBesideMark, tvar));
    tvarFree(tvar);
    greenStop();
}
