/* InboxTest.c -- arrivals: their order, two lists, nothing lost among senders and takers. */
#include "capability/Inbox.h"

#include "testsuite/support/Test.h"

#include <pthread.h>
#include <string.h>

TEST(Inbox, isTakenOldestFirst)
{
    Inbox inbox;
    Runnable items[3];
    inboxInit(&inbox);
    CHECK(inboxIsEmpty(&inbox));
    CHECK_EQ(inboxTakeOpen(&inbox), NULL);
    for (int i = 0; i < 3; i++)
        inboxPut(&inbox, &items[i], false);
    CHECK(!inboxIsEmpty(&inbox));
    Runnable *taken = inboxTakeOpen(&inbox);
    for (int i = 0; i < 3; i++, taken = taken->next)
        CHECK_EQ(taken, &items[i]);
    CHECK_EQ(taken, NULL);
    CHECK(inboxIsEmpty(&inbox));
}

TEST(Inbox, keepsPinnedOnesApart)
{
    Inbox inbox;
    Runnable pinned, open;
    inboxInit(&inbox);
    inboxPut(&inbox, &pinned, true);
    CHECK(!inboxIsEmpty(&inbox));
    inboxPut(&inbox, &open, false);
    CHECK_EQ(inboxTakeOpen(&inbox), &open);
    CHECK_EQ(inboxTakeOpen(&inbox), NULL);
    CHECK(!inboxIsEmpty(&inbox));
    CHECK_EQ(inboxTakePinned(&inbox), &pinned);
    CHECK_EQ(pinned.next, NULL);
    CHECK(inboxIsEmpty(&inbox));
}

/* ---- Two senders, two takers. ---- */

enum { SENDERS = 2, SENT = 20000 };

typedef struct Letter {
    Runnable runnable;
    uint32_t sender, number;
    uint32_t seen; /* takers add */
} Letter;

static Inbox shared;
static Letter letters[SENDERS][SENT];
static uint32_t received; /* takers add */

static void *sendAll(void *argument)
{
    Letter *mine = argument;
    for (uint32_t i = 0; i < SENT; i++)
        inboxPut(&shared, &mine[i].runnable, false);
    return NULL;
}

/* Within one taken list the letters of one sender are in the order they were sent. */
static void *takeAllOpen(void *unused)
{
    (void)unused;
    while (RELAXED_LOAD(&received) < SENDERS * SENT) {
        uint32_t next[SENDERS] = {0}, count = 0;
        for (Runnable *at = inboxTakeOpen(&shared); at != NULL; at = at->next, count++) {
            Letter *letter = (Letter *)(void *)at;
            CHECK_GE(letter->number, next[letter->sender]);
            next[letter->sender] = letter->number + 1;
            ADD_RELAXED(&letter->seen, 1);
        }
        ADD_RELAXED(&received, count);
        if (count == 0)
            SMP_PAUSE();
    }
    return NULL;
}

TEST(Inbox, losesNothingAmongSendersAndTakers)
{
    pthread_t senders[SENDERS], taker;
    inboxInit(&shared);
    for (uint32_t s = 0; s < SENDERS; s++)
        for (uint32_t i = 0; i < SENT; i++)
            letters[s][i] = (Letter){.sender = s, .number = i};
    for (uint32_t s = 0; s < SENDERS; s++)
        CHECK_EQ(pthread_create(&senders[s], NULL, sendAll, letters[s]), 0);
    CHECK_EQ(pthread_create(&taker, NULL, takeAllOpen, NULL), 0);
    takeAllOpen(NULL);
    for (uint32_t s = 0; s < SENDERS; s++)
        CHECK_EQ(pthread_join(senders[s], NULL), 0);
    CHECK_EQ(pthread_join(taker, NULL), 0);
    for (uint32_t s = 0; s < SENDERS; s++)
        for (uint32_t i = 0; i < SENT; i++)
            CHECK_EQ(letters[s][i].seen, 1);
    CHECK(inboxIsEmpty(&shared));
}
