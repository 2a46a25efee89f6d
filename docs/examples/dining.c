/* dining.c -- philosophers who never starve each other: both forks are taken at once, or none.
 *
 *     dining [MEALS]     each of five eats so often; prints how often each had to wait
 *
 * A fork is a variable, NULL while it lies on the table.  Who finds one of his forks taken retries,
 * and sleeps until one of the two changes; nobody holds one fork and waits for the other.
 */
#include <capri/capri.h>

#include <stdio.h>
#include <stdlib.h>

enum { PHILOSOPHERS = 5 };

typedef struct Philosopher {
    TVar *left, *right;
    long meals, waits;
} Philosopher;

static void countWait(void *env)
{
    ((Philosopher *)env)->waits++;
}

static void *takeForks(Transaction *tx, void *env)
{
    Philosopher *me = env;
    stmOnAbort(tx, countWait, me);
    stmCheck(tx, tvarRead(tx, me->left) == NULL && tvarRead(tx, me->right) == NULL);
    tvarWrite(tx, me->left, me);
    tvarWrite(tx, me->right, me);
    return NULL;
}

static void *putForks(Transaction *tx, void *env)
{
    Philosopher *me = env;
    tvarWrite(tx, me->left, NULL);
    tvarWrite(tx, me->right, NULL);
    return NULL;
}

static void *dine(void *env)
{
    Philosopher *me = env;
    for (long i = 0; i < me->meals; i++) {
        if (stmAtomically(takeForks, me, NULL) != 0)
            return NULL; /* cancelled */
        threadYield();   /* eats */
        stmAtomically(putForks, me, NULL);
    }
    return NULL;
}

static void *table(void *env)
{
    TVar *forks[PHILOSOPHERS];
    Philosopher philosophers[PHILOSOPHERS];
    Thread *threads[PHILOSOPHERS];
    for (int i = 0; i < PHILOSOPHERS; i++) {
        if ((forks[i] = tvarNew(NULL)) == NULL)
            return env;
    }
    for (int i = 0; i < PHILOSOPHERS; i++) {
        philosophers[i] = (Philosopher){forks[i], forks[(i + 1) % PHILOSOPHERS], *(long *)env, 0};
        if (threadFork(&threads[i], dine, &philosophers[i]) != 0)
            abort();
    }
    for (int i = 0; i < PHILOSOPHERS; i++) {
        threadJoin(threads[i], NULL);
        threadRelease(threads[i]);
        printf("philosopher %d: %ld meals, %ld times not at once\n", i, philosophers[i].meals,
               philosophers[i].waits);
    }
    for (int i = 0; i < PHILOSOPHERS; i++)
        tvarFree(forks[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    long meals = argc > 1 ? atol(argv[1]) : 1000;
    void *failed = NULL;
    int result = rtsMain(NULL, table, &meals, &failed);
    return result != 0 || failed != NULL ? 1 : 0;
}
