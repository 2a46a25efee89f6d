/* FdSpliceTest.c -- FdSplice.c, FdSendFile.c, Transfer.c of rts/: what is refused, what is told. */
#include "testsuite/support/Green.h"

#include "internal/SMP.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int newFile(const char *text, size_t size)
{
    char name[] = "/tmp/capri-file-XXXXXX";
    int fd = mkstemp(name);
    CHECK_GE(fd, 0);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(fdWrite(fd, text, size), (ssize_t)size);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

GREEN_TEST(FdSendFile, movesTheOffset)
{
    int ends[2], file = newFile("abcdefgh", 8);
    int64_t offset = 2;
    char bytes[16];
    greenLocalPair(SOCK_STREAM, ends);
    CHECK_EQ(fdSendFile(ends[0], file, &offset, 3), 3);
    CHECK_EQ(offset, 5);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 0);
    CHECK_EQ(fdSendFile(ends[0], file, &offset, 100), 3); /* its end */
    CHECK_EQ(offset, 8);
    CHECK_EQ(fdSendFile(ends[0], file, &offset, 100), 0);
    CHECK_EQ(fdSendFile(ends[0], file, NULL, 2), 2); /* its own position */
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 2);
    CHECK_EQ(fdSendFile(ends[0], file, NULL, 0), 0);
    CHECK_EQ(fdRead(ends[1], bytes, sizeof bytes), 8);
    CHECK_EQ(memcmp(bytes, "cdefghab", 8), 0);
    CHECK_EQ(close(file), 0);
    greenClosePair(ends);
}

GREEN_TEST(FdSendFile, copiesToAFile)
{
    int from = newFile("abcdef", 6), to = newFile("", 0);
    char bytes[16];
    CHECK_EQ(fdSendFile(to, from, NULL, 100), 6);
    CHECK_EQ(fdPread(to, bytes, sizeof bytes, 0), 6);
    CHECK_EQ(memcmp(bytes, "abcdef", 6), 0);
    CHECK_EQ(close(from) + close(to), 0);
}

GREEN_TEST(FdSendFile, refusesWhatIsBad)
{
    int ends[2], file = newFile("abc", 3);
    int64_t offset = -1;
    greenLocalPair(SOCK_STREAM, ends);
    CHECK_EQ(fdSendFile(ends[0], file, &offset, 1), -EINVAL);
    CHECK_EQ(fdSendFile(-1, file, NULL, 1), -EBADF);
    CHECK_EQ(fdSendFile(ends[0], -1, NULL, 1), -EBADF);
    CHECK_EQ(fdSendFileUntil(ends[0], ends[0], NULL, 1, 0), -EINVAL); /* not a file */
    CHECK_EQ(fdSplice(file, NULL, ends[0], NULL, 1), -EINVAL);        /* no pipe */
    CHECK_EQ(close(file), 0);
    greenClosePair(ends);
}

/* SIGPIPE is not ignored here: it would end the program. */
GREEN_TEST(FdSendFile, raisesNoSignal)
{
    int local[2], ends[2], file = newFile("abc", 3);
    int64_t offset = 0;
    sigset_t pending;
    greenLocalPair(SOCK_STREAM, local);
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(closeFd(local[1]) + closeFd(ends[0]), 0);
    CHECK_EQ(fdSendFile(local[0], file, &offset, 3), -EPIPE);
    CHECK_EQ(offset, 0);
    CHECK_EQ(fdSplice(file, &offset, ends[1], NULL, 3), -EPIPE);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    CHECK_EQ(closeFd(local[0]) + closeFd(ends[1]) + close(file), 0);
}

static uint32_t pipe_signals; /* the handler's OS thread */

static void countSignal(int number)
{
    (void)number;
    RELAXED_STORE(&pipe_signals, RELAXED_LOAD(&pipe_signals) + 1);
}

/* Goal: what went well does not let the signal through.  Method: the first piece makes the peer,
 * who has gone, answer with a reset; so the kernel says how much it has sent, and signals. */
GREEN_TEST(FdSendFile, raisesNoSignalAfterSomeBytes)
{
    enum { SIZE = 256 * 1024 };
    struct sigaction counting = {.sa_handler = countSignal}, before;
    char *text = calloc(1, SIZE), byte;
    int ends[2];
    CHECK(text != NULL);
    int file = newFile(text, SIZE);
    int64_t offset = 0;
    CHECK_EQ(sigaction(SIGPIPE, &counting, &before), 0);
    greenTcpPair(ends);
    CHECK_EQ(closeFd(ends[0]), 0);
    CHECK_EQ(fdRead(ends[1], &byte, 1), 0); /* it knows */
    ssize_t n = fdSendFile(ends[1], file, &offset, SIZE);
    CHECK(n == -EPIPE || n == -ECONNRESET || n > 0);
    CHECK_EQ(RELAXED_LOAD(&pipe_signals), 0);
    CHECK_EQ(sigaction(SIGPIPE, &before, NULL), 0);
    CHECK_EQ(closeFd(ends[1]) + close(file), 0);
    free(text);
}

/* One that was pending and blocked before is the host's, and stays.  On a plain OS thread, because
 * masks are OS threads'. */
TEST(FdSendFile, leavesAPendingSignal)
{
    int local[2], file = newFile("abc", 3);
    sigset_t wanted, before, pending;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGPIPE);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, local), 0);
    CHECK_EQ(close(local[1]), 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &wanted, &before), 0);
    CHECK_EQ(pthread_kill(pthread_self(), SIGPIPE), 0);
    ssize_t n = fdSendFile(local[0], file, NULL, 3);
    CHECK_EQ(sigpending(&pending), 0);
    int found = sigismember(&pending, SIGPIPE);
    struct timespec at_once = {0, 0};
    sigtimedwait(&wanted, NULL, &at_once);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    CHECK_EQ(n, -EPIPE);
    CHECK_EQ(found, 1);
    CHECK_EQ(close(local[0]) + close(file), 0);
}

GREEN_TEST(FdSplice, movesBetweenFileAndPipe)
{
    int ends[2], from = newFile("abcdef", 6), to = newFile("......", 6);
    int64_t in = 1, out = 2;
    char bytes[8];
    CHECK_EQ(fdPipe(ends), 0);
    CHECK_EQ(fdSplice(from, &in, ends[1], NULL, 4), 4);
    CHECK_EQ(in, 5);
    CHECK_EQ(fdSplice(ends[0], NULL, to, &out, 100), 4);
    CHECK_EQ(out, 6);
    CHECK_EQ(fdPread(to, bytes, sizeof bytes, 0), 6);
    CHECK_EQ(memcmp(bytes, "..bcde", 6), 0);
    in = 6;
    CHECK_EQ(fdSplice(from, &in, ends[1], NULL, 4), 0); /* the end */
    CHECK_EQ(closeFd(ends[1]), 0);
    CHECK_EQ(fdSplice(ends[0], NULL, to, &out, 4), 0);
    CHECK_EQ(closeFd(ends[0]) + close(from) + close(to), 0);
}
