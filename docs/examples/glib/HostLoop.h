/* HostLoop.h -- the main loop of a program that is not Capri's: glib's, or a bare epoll. */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

/* hostRun -- until hostStop: call ready() whenever fd is readable, and tick() every tick_ms.
 * Returns 0, or -1: it cannot.   hostStop -- out of one of these.   hostName -- what it is. */
int hostRun(int fd, void (*ready)(void), void (*tick)(void), unsigned tick_ms);
void hostStop(void);
const char *hostName(void);

#endif
