/* Bank_itm.c -- rows 33 and 34 with gcc's transactional memory. */
#include "BankClerks.h"

static void moveOne(Account *accounts, unsigned from, unsigned to)
{
    __transaction_atomic
    {
        accounts[from].balance--;
        accounts[to].balance++;
    }
}
