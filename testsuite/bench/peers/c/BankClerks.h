/* BankClerks.h -- rows 33 and 34: an OS thread per core moves between two of 16 accounts at random;
 * the including file says how: moveOne(accounts, from, to).  All share the accounts, or none.
 */
#ifndef BANK_CLERKS_H
#define BANK_CLERKS_H

#include "Bench.h"

#include <pthread.h>
#include <stdbool.h>

enum { ACCOUNTS = 16, CORES_MOST = 64, COUNT = 4000000 };

typedef struct Account {
    long balance;
    pthread_mutex_t lock;
} __attribute__((aligned(64))) Account;

typedef struct Clerk {
    Account *accounts;
    uint64_t random, count;
} __attribute__((aligned(64))) Clerk;

static Account all_accounts[CORES_MOST][ACCOUNTS];

static void moveOne(Account *accounts, unsigned from, unsigned to);

static void *serve(void *env)
{
    Clerk *clerk = env;
    for (uint64_t i = 0; i < clerk->count; i++) {
        uint64_t draw = drawRandom(&clerk->random);
        moveOne(clerk->accounts, (unsigned)(draw % ACCOUNTS),
                (unsigned)((draw + 1 + (draw >> 32) % (ACCOUNTS - 1)) % ACCOUNTS));
    }
    return NULL;
}

static void serveAll(unsigned cores, bool disjoint, const char *name)
{
    static Clerk clerks[CORES_MOST];
    pthread_t threads[CORES_MOST];
    uint64_t start_ns = readNowNs();
    for (unsigned i = 0; i < cores; i++) {
        clerks[i] = (Clerk){all_accounts[disjoint ? i : 0], i + 1, COUNT / cores};
        demand(-pthread_create(&threads[i], NULL, serve, &clerks[i]), "pthread_create");
    }
    for (unsigned i = 0; i < cores; i++)
        pthread_join(threads[i], NULL);
    printPerUnit(name, readNowNs() - start_ns, COUNT);
}

int main(int count, char **words)
{
    unsigned cores = parseCores(count, words, CORES_MOST);
    for (unsigned i = 0; i < cores; i++) {
        for (int k = 0; k < ACCOUNTS; k++)
            pthread_mutex_init(&all_accounts[i][k].lock, NULL);
    }
    serveAll(cores, false, "bank");
    serveAll(cores, true, "bank_disjoint");
    return 0;
}

#endif
