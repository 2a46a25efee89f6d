/* Check.h -- clients that try the server they share the process with. */
#ifndef CHAT_CHECK_H
#define CHAT_CHECK_H

#include <stdint.h>

/* checkRun -- `count` clients talk to each other over TCP: everyone hears everything that the
 * others say, in order; then a SIGINT, and everyone is told of the end.  0, or how many were
 * wrong.  Returns when the server has begun to end. */
int checkRun(uint16_t port, int count);

/* checkRude -- `count` clients speak and do not read, until all of them but one were sent away;
 * then a SIGINT.  0, or 1: more are still there. */
int checkRude(uint16_t port, int count);

#endif
