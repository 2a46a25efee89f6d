/* WakeDelay_read.c -- row 12's least: an OS thread blocked in read is woken by the writer itself.
 *
 * What is left is the kernel's: its wake, and the way out of an idle core's sleep.
 */
#include "WakeSender.h"

static WakeSender sender;

static void awaitNothing(void)
{
}

int main(int count, char **words)
{
    parseCores(count, words, 1024);
    openPipe(&sender);
    receiveAll(&sender, awaitNothing);
    return 0;
}
