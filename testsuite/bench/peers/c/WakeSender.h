/* WakeSender.h -- row 12's other side for the peers in C: a thread that writes its clock to a pipe.
 *
 * Idle: a message every 500 us, the sender asleep between them.  Spinning: a message 3 us after the
 * receiver has said that it looked at its clock; the sender does not sleep.  Nobody is pinned.
 */
#ifndef WAKE_SENDER_H
#define WAKE_SENDER_H

#include "Bench.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { WAKE_WARM_UP = 100, WAKE_IDLE = 1500, WAKE_SPINNING = 15000, WAKE_MOST = 20000 };
enum { WAKE_IDLE_NS = 500 * 1000, WAKE_SPINNING_NS = 3000 };

typedef struct WakeSender {
    int read_fd, write_fd;         /* constant */
    uint32_t received;             /* the receiver counts; the sender reads it when spinning */
    pthread_t thread;              /* constant */
    uint64_t delays_ns[WAKE_MOST]; /* the receiver's, sorted by receiveClocks */
} WakeSender;

static inline void sendClock(const WakeSender *sender)
{
    uint64_t now_ns = readNowNs();
    if (write(sender->write_fd, &now_ns, sizeof now_ns) != sizeof now_ns)
        error(1, errno, "write");
}

static inline void *sendClocks(void *argument)
{
    const WakeSender *sender = argument;
    prctl(PR_SET_TIMERSLACK, 1);
    for (uint32_t i = 0; i < WAKE_WARM_UP + WAKE_IDLE; i++) {
        struct timespec pause = {.tv_nsec = WAKE_IDLE_NS};
        nanosleep(&pause, NULL);
        sendClock(sender);
    }
    for (uint32_t i = 0; i < WAKE_WARM_UP + WAKE_SPINNING; i++) {
        while (__atomic_load_n(&sender->received, __ATOMIC_ACQUIRE) < WAKE_WARM_UP + WAKE_IDLE + i)
            continue;
        spinUntilNs(readNowNs() + WAKE_SPINNING_NS);
        sendClock(sender);
    }
    return NULL;
}

static inline void openPipe(WakeSender *sender)
{
    int ends[2];
    demand(pipe2(ends, O_CLOEXEC), "pipe2");
    sender->read_fd = ends[0];
    sender->write_fd = ends[1];
}

static inline void startSender(WakeSender *sender)
{
    if (pthread_create(&sender->thread, NULL, sendClocks, sender) != 0)
        error(1, 0, "pthread_create");
}

/* Reads one message, which must be there or come, and says that it has. */
static inline uint64_t receiveClock(WakeSender *sender)
{
    uint64_t sent_ns;
    if (read(sender->read_fd, &sent_ns, sizeof sent_ns) != sizeof sent_ns)
        error(1, errno, "read");
    uint64_t delay_ns = readNowNs() - sent_ns;
    __atomic_store_n(&sender->received, sender->received + 1, __ATOMIC_RELEASE);
    return delay_ns;
}

/* Receives `count` messages, each when `await` has returned; the delays are then there, sorted. */
static inline __attribute__((always_inline)) void receiveClocks(WakeSender *sender, size_t count,
                                                                void (*await)(void))
{
    for (size_t i = 0; i < WAKE_WARM_UP + count; i++) {
        await();
        uint64_t delay_ns = receiveClock(sender);
        if (i >= WAKE_WARM_UP)
            sender->delays_ns[i - WAKE_WARM_UP] = delay_ns;
    }
    sortSamples(sender->delays_ns, count);
}

/* The whole row. */
static inline __attribute__((always_inline)) void receiveAll(WakeSender *sender,
                                                             void (*await)(void))
{
    startSender(sender);
    receiveClocks(sender, WAKE_IDLE, await);
    printPercentile("idle_p50", sender->delays_ns, WAKE_IDLE, 50);
    printPercentile("idle_p99", sender->delays_ns, WAKE_IDLE, 99);
    receiveClocks(sender, WAKE_SPINNING, await);
    printPercentile("spinning_p50", sender->delays_ns, WAKE_SPINNING, 50);
    pthread_join(sender->thread, NULL);
}

#endif
