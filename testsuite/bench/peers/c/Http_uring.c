/* Http_uring.c -- rows 8 to 10 and 18: the HTTP server that an expert writes by hand on io_uring.
 *
 * One ring per core, made by the thread that uses it (SINGLE_ISSUER, DEFER_TASKRUN: completions are
 * worked off when we ask for them, no interrupt is sent).  Accepting and receiving are multishot:
 * submitted once, they complete again and again; what is received lies in a ring of buffers that
 * all connections share.  Connections are direct descriptors, numbers in a table of the ring, which
 * spares the process's file table on every call.  So a request costs one send submitted, two
 * completions and a share of an io_uring_enter, the only system call.
 *
 * A connection has at most one send under way, so that answers keep their order; requests that come
 * meanwhile are kept, and when these are many the receiving is cancelled for a while.  Built for
 * liburing 2.3 and a kernel from 6.1 on.
 */
#include "Http.h"

#include <liburing.h>

enum {
    ENTRIES = 4096,
    CONNECTIONS = 16384,
    BUFFERS = 1024, /* a power of two */
    KEPT = 1 << 14  /* bytes that a connection keeps before its receiving is cancelled */
};

enum Kind { ACCEPT, RECEIVE, SEND, OTHER };

/* By the descriptor's number in the ring's table. */
typedef struct Connection {
    bool sending, ended;     /* a send is under way; nothing more will be received */
    bool cancelled, stopped; /* the receiving is being cancelled; has to be started again */
    size_t size;             /* of what was received and is not yet answered, in kept */
    char *kept;              /* usually NULL */
} Connection;

typedef struct Loop {
    struct io_uring ring;
    struct io_uring_buf_ring *free_buffers;
    int listener;
    Connection connections[CONNECTIONS];
    char buffers[BUFFERS][HTTP_INPUT];
} Loop;

static struct io_uring_sqe *submission(Loop *loop)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);
    if (sqe == NULL) { /* the queue is full */
        io_uring_submit(&loop->ring);
        sqe = io_uring_get_sqe(&loop->ring);
    }
    return sqe;
}

static void setMark(struct io_uring_sqe *sqe, enum Kind kind, uint32_t index)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)index << 8 | kind);
}

static void startAccepting(Loop *loop)
{
    struct io_uring_sqe *sqe = submission(loop);
    io_uring_prep_multishot_accept_direct(sqe, loop->listener, NULL, NULL, 0);
    setMark(sqe, ACCEPT, 0);
}

static void startReceiving(Loop *loop, uint32_t index)
{
    struct io_uring_sqe *sqe = submission(loop);
    io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->buf_group = 0;
    setMark(sqe, RECEIVE, index);
    loop->connections[index].cancelled = false;
}

/* The receiving ends first, so nothing more will come for this number. */
static void closeConnection(Loop *loop, uint32_t index)
{
    struct io_uring_sqe *sqe = submission(loop);
    free(loop->connections[index].kept);
    loop->connections[index] = (Connection){0};
    io_uring_prep_close_direct(sqe, index);
    setMark(sqe, OTHER, index);
}

/* Too much is kept: it waits in the socket until answers have been sent, if there are any. */
static void stopReceiving(Loop *loop, uint32_t index)
{
    struct io_uring_sqe *sqe = submission(loop);
    if (loop->connections[index].sending) {
        io_uring_prep_cancel64(sqe, (uint64_t)index << 8 | RECEIVE, 0);
    } else {
        io_uring_prep_shutdown(sqe, (int)index, SHUT_RDWR);
        sqe->flags |= IOSQE_FIXED_FILE;
    }
    setMark(sqe, OTHER, index);
    loop->connections[index].cancelled = true;
}

/* Starts to send the first answers to text; returns how much of it they answer. */
static size_t answerFirst(Loop *loop, uint32_t index, const char *text, size_t size)
{
    size_t used;
    Answer answer = takeRequests(text, size, &used);
    if (used > 0) {
        struct io_uring_sqe *sqe = submission(loop);
        io_uring_prep_send(sqe, (int)index, answer.bytes, answer.size, MSG_WAITALL | MSG_NOSIGNAL);
        sqe->flags |= IOSQE_FIXED_FILE;
        setMark(sqe, SEND, index);
        loop->connections[index].sending = true;
    }
    return used;
}

static void keep(Connection *connection, const char *text, size_t size)
{
    connection->kept = realloc(connection->kept, connection->size + size);
    if (connection->kept == NULL)
        error(1, ENOMEM, "realloc");
    memcpy(connection->kept + connection->size, text, size);
    connection->size += size;
}

static void answerKept(Loop *loop, uint32_t index)
{
    Connection *connection = &loop->connections[index];
    size_t used = answerFirst(loop, index, connection->kept, connection->size);
    memmove(connection->kept, connection->kept + used, connection->size -= used);
    if (connection->size == 0) {
        free(connection->kept);
        connection->kept = NULL;
    }
}

static void onReceived(Loop *loop, uint32_t index, const struct io_uring_cqe *cqe)
{
    Connection *connection = &loop->connections[index];
    if (cqe->res > 0) {
        uint16_t number = (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
        char *text = loop->buffers[number];
        size_t size = (size_t)cqe->res, used = 0;
        if (connection->kept == NULL && !connection->sending)
            used = answerFirst(loop, index, text, size);
        if (used < size)
            keep(connection, text + used, size - used);
        io_uring_buf_ring_add(loop->free_buffers, text, HTTP_INPUT, number, BUFFERS - 1, 0);
        io_uring_buf_ring_advance(loop->free_buffers, 1);
        if (connection->kept != NULL && !connection->sending)
            answerKept(loop, index);
        if (connection->size > KEPT && !connection->cancelled)
            stopReceiving(loop, index);
    }
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res > 0 || cqe->res == -ENOBUFS || cqe->res == -ECANCELED) {
        connection->stopped = connection->cancelled && connection->sending;
        if (!connection->stopped)
            startReceiving(loop, index);
    } else {
        connection->ended = true;
        if (!connection->sending)
            closeConnection(loop, index);
    }
}

static void onSent(Loop *loop, uint32_t index, int sent)
{
    Connection *connection = &loop->connections[index];
    connection->sending = false;
    if (connection->kept != NULL && sent > 0)
        answerKept(loop, index);
    if (connection->sending)
        return;
    if (connection->ended) {
        closeConnection(loop, index);
    } else if (connection->stopped) {
        connection->stopped = false;
        startReceiving(loop, index);
    }
}

static void onCompletion(Loop *loop, const struct io_uring_cqe *cqe)
{
    uint32_t index = (uint32_t)(cqe->user_data >> 8);
    switch ((enum Kind)(cqe->user_data & 255)) {
    case ACCEPT:
        if (cqe->res >= 0)
            startReceiving(loop, (uint32_t)cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            startAccepting(loop);
        break;
    case RECEIVE:
        onReceived(loop, index, cqe);
        break;
    case SEND:
        onSent(loop, index, cqe->res);
        break;
    case OTHER:
        break;
    }
}

static void openRing(Loop *loop)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 4 * ENTRIES};
    size_t size = BUFFERS * sizeof(struct io_uring_buf);
    int failed = io_uring_queue_init_params(ENTRIES, &loop->ring, &params);
    if (failed == 0)
        failed = io_uring_register_files_sparse(&loop->ring, CONNECTIONS);
    if (failed == 0 && io_uring_register_ring_fd(&loop->ring) != 1)
        failed = -EINVAL;
    if (failed == 0 && posix_memalign((void **)&loop->free_buffers, 4096, size) != 0)
        failed = -ENOMEM;
    if (failed == 0) {
        struct io_uring_buf_reg group = {.ring_addr = (uint64_t)(uintptr_t)loop->free_buffers,
                                         .ring_entries = BUFFERS};
        failed = io_uring_register_buf_ring(&loop->ring, &group, 0);
    }
    if (failed != 0)
        error(1, -failed, "io_uring");
    io_uring_buf_ring_init(loop->free_buffers);
    for (uint16_t i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(loop->free_buffers, loop->buffers[i], HTTP_INPUT, i, BUFFERS - 1, i);
    io_uring_buf_ring_advance(loop->free_buffers, BUFFERS);
}

static void *serve(void *env)
{
    Loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        error(1, ENOMEM, "calloc");
    loop->listener = (int)(intptr_t)env;
    openRing(loop);
    startAccepting(loop);
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        int failed = io_uring_submit_and_wait(&loop->ring, 1);
        if (failed < 0 && failed != -EINTR)
            error(1, -failed, "io_uring_enter");
        io_uring_for_each_cqe(&loop->ring, head, cqe)
        {
            onCompletion(loop, cqe);
            count++;
        }
        io_uring_cq_advance(&loop->ring, count);
    }
    return NULL;
}

int main(int argc __attribute__((unused)), char **argv)
{
    return serveOnCores(argv, serve);
}
