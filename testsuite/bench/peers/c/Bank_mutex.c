/* Bank_mutex.c -- rows 33 and 34 with a mutex per account, taken in order. */
#include "BankClerks.h"

static void moveOne(Account *accounts, unsigned from, unsigned to)
{
    unsigned first = from < to ? from : to, second = from < to ? to : from;
    pthread_mutex_lock(&accounts[first].lock);
    pthread_mutex_lock(&accounts[second].lock);
    accounts[from].balance--;
    accounts[to].balance++;
    pthread_mutex_unlock(&accounts[second].lock);
    pthread_mutex_unlock(&accounts[first].lock);
}
