/* Wakeup.h -- interrupting a sleeping poll: one eventfd, level-triggered, its owner drains it. */
#ifndef IOMGR_WAKEUP_H
#define IOMGR_WAKEUP_H

typedef struct Wakeup {
    int fd; /* set by wakeupOpen; constant while open */
} Wakeup;

/* wakeupOpen -- 0 or -EMFILE, -ENFILE, -ENOMEM. */
int wakeupOpen(Wakeup *wakeup);
void wakeupClose(Wakeup *wakeup);

/* wakeupSend -- from any OS thread and from a signal handler; keeps errno. */
void wakeupSend(Wakeup *wakeup);

/* wakeupDrain -- owner: swallow what was sent. */
void wakeupDrain(Wakeup *wakeup);

#endif
