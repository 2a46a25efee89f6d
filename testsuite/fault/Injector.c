/* Injector.c -- stops a child at each call of one number and decides what becomes of it.
 *
 * Owns   see Injector.h.
 * Tests  testsuite/fault/InjectorFault.c
 */
#include "testsuite/fault/Injector.h"

#include "testsuite/support/Test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the child sends over `control`. */
enum { MessageBegin = 'b', MessageEnd = 'e', MessageReport = 'r' };

typedef struct Message {
    char kind;
    FaultReport report;
} Message;

static int control = -1; /* the child's end */
static long watched;     /* in the child: the number */

/* ---- in the child -------------------------------------------------------------------------- */

static void sendMessage(const Message *message, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } extra = {.bytes = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof *message};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        header.msg_control = extra.bytes;
        header.msg_controllen = sizeof extra.bytes;
        struct cmsghdr *at = CMSG_FIRSTHDR(&header);
        at->cmsg_level = SOL_SOCKET;
        at->cmsg_type = SCM_RIGHTS;
        at->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(at), &fd, sizeof fd);
    }
    CHECK_EQ(sendmsg(control, &header, MSG_NOSIGNAL), sizeof *message);
}

static void awaitAnswer(void)
{
    char answer;
    CHECK_EQ(recv(control, &answer, 1, 0), 1);
}

/* The listener, or -1 and errno. */
static int installFilter(long call)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    const unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    /* With the second flag (Linux 5.19) no signal makes a call be asked about twice. */
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &filter);
    if (fd < 0)
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
    return (int)fd;
}

void faultBegin(void)
{
    Message message = {.kind = MessageBegin};
    int listener = installFilter(watched);
    CHECK_GE(listener, 0);
    sendMessage(&message, listener);
    awaitAnswer();
    close(listener);
}

void faultEnd(void)
{
    Message message = {.kind = MessageEnd};
    sendMessage(&message, -1);
    awaitAnswer();
}

void faultReport(const FaultReport *report)
{
    Message message = {.kind = MessageReport, .report = *report};
    sendMessage(&message, -1);
    _exit(0);
}

static _Noreturn void runChild(const int output[2], const int sockets[2], long call,
                               void (*body)(void *env), void *env)
{
    FaultReport nothing = {0};
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    close(output[0]);
    close(output[1]);
    close(sockets[0]);
    control = sockets[1];
    watched = call;
    mallopt(M_ARENA_MAX, 1); /* its mappings are no leaks */
    body(env);
    faultReport(&nothing);
}

/* ---- in the parent ------------------------------------------------------------------------- */

typedef struct Supervisor {
    const Fault *fault;
    FaultRun *run;
    pid_t child;
    int control, output, listener; /* -1: not there (any more) */
    size_t used;                   /* of run->output */
    bool ended;                    /* nothing fails any more */
} Supervisor;

/* Not a child's of the child. */
static bool isOfChild(const Supervisor *at, pid_t thread)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d", (int)at->child, (int)thread);
    return access(path, F_OK) == 0;
}

static bool isInjected(Supervisor *at, const struct seccomp_notif *asked)
{
    FaultCall call = {(pid_t)asked->pid, (const uint64_t *)asked->data.args};
    const Fault *fault = at->fault;
    if (at->ended || !isOfChild(at, call.thread) ||
        (fault->concerns != NULL && !fault->concerns(&call)))
        return false;
    uint32_t number = ++at->run->seen;
    return fault->error != 0 && number >= fault->first &&
           (fault->count == (uint32_t)FAULT_FOR_EVER || number - fault->first < fault->count);
}

static void answerKernel(Supervisor *at)
{
    struct seccomp_notif asked;
    struct seccomp_notif_resp answer;
    memset(&asked, 0, sizeof asked);
    memset(&answer, 0, sizeof answer);
    if (ioctl(at->listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0)
        return; /* whoever called was interrupted or is gone */
    bool inject = isInjected(at, &asked);
    answer.id = asked.id;
    answer.error = inject ? -at->fault->error : 0;
    answer.flags = inject ? 0u : (uint32_t)SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (ioctl(at->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0)
        at->run->injected += inject;
}

static void takeMessage(Supervisor *at)
{
    Message message;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } extra;
    struct iovec part = {&message, sizeof message};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = extra.bytes,
                            .msg_controllen = sizeof extra.bytes};
    if (recvmsg(at->control, &header, MSG_CMSG_CLOEXEC) != sizeof message) {
        close(at->control); /* it has ended */
        at->control = -1;
        return;
    }
    const struct cmsghdr *sent = CMSG_FIRSTHDR(&header);
    if (message.kind == MessageBegin && sent != NULL)
        memcpy(&at->listener, CMSG_DATA(sent), sizeof at->listener);
    at->ended = at->ended || message.kind == MessageEnd;
    at->run->told = at->run->told || message.kind == MessageReport;
    if (message.kind == MessageReport)
        at->run->report = message.report;
    else
        CHECK_EQ(send(at->control, "", 1, MSG_NOSIGNAL), 1);
}

static void takeOutput(Supervisor *at)
{
    char piece[256];
    ssize_t size = read(at->output, piece, sizeof piece);
    if (size <= 0) {
        close(at->output);
        at->output = -1;
        return;
    }
    size_t room = sizeof at->run->output - 1 - at->used;
    size_t kept = (size_t)size < room ? (size_t)size : room;
    memcpy(at->run->output + at->used, piece, kept);
    at->used += kept;
}

static int64_t nowMs(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void superviseChild(Supervisor *at)
{
    int64_t end_ms = nowMs() + FAULT_HANG_S * INT64_C(1000);
    while (at->control >= 0 || at->output >= 0) {
        struct pollfd fds[] = {{.fd = at->listener, .events = POLLIN},
                               {.fd = at->control, .events = POLLIN},
                               {.fd = at->output, .events = POLLIN}};
        int64_t rest_ms = end_ms - nowMs();
        if (rest_ms <= 0 && !at->run->hung) {
            at->run->hung = true;
            kill(at->child, SIGKILL);
        }
        if (poll(fds, 3, rest_ms > 0 ? (int)rest_ms : -1) < 0)
            continue;
        if (fds[0].revents & POLLIN) {
            answerKernel(at);
        } else if (fds[0].revents != 0) {
            close(at->listener); /* nobody is left who could be asked about */
            at->listener = -1;
        }
        if (fds[1].revents != 0)
            takeMessage(at);
        if (fds[2].revents != 0)
            takeOutput(at);
    }
    if (at->listener >= 0)
        close(at->listener);
}

FaultRun faultRun(const Fault *fault, void (*body)(void *env), void *env)
{
    FaultRun run = {.status = 0};
    int output[2], sockets[2];
    CHECK_EQ(pipe(output), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0)
        runChild(output, sockets, fault->call, body, env);
    close(output[1]);
    close(sockets[1]);
    Supervisor supervisor = {.fault = fault,
                             .run = &run,
                             .child = child,
                             .control = sockets[0],
                             .output = output[0],
                             .listener = -1};
    superviseChild(&supervisor);
    CHECK_EQ(TEMP_FAILURE_RETRY(waitpid(child, &run.status, 0)), child);
    return run;
}

static void doNothing(void *env)
{
    (void)env;
    _exit(installFilter(SYS_getppid) >= 0 ? 0 : 1);
}

bool faultPossible(void)
{
    const Fault none = {.call = SYS_getppid};
    FaultRun run = faultRun(&none, doNothing, NULL);
    return WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0;
}
