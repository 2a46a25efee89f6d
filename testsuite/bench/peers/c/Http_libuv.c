/* Http_libuv.c -- rows 8 to 10 and 18: the HTTP server on libuv, one loop per core.
 *
 * libuv's loops are single-threaded, so a user who has two cores starts two, each with a listener
 * of its own.  All connections of a loop read into one buffer; answers are written at once
 * (uv_try_write), and only what the socket does not take waits in a uv_write: a request costs one
 * read, one write and a share of an epoll_wait.
 */
#include "Http.h"

#include <uv.h>

typedef struct Connection {
    uv_tcp_t tcp;
    size_t size; /* received, not yet answered */
    char *kept;  /* that, HTTP_INPUT bytes; usually NULL */
    uv_write_t write;
} Connection;

typedef struct Loop {
    uv_loop_t loop;
    char input[1 << 16];
} Loop;

static void onRead(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer);

static void onClosed(uv_handle_t *handle)
{
    Connection *connection = handle->data;
    free(connection->kept);
    free(connection);
}

static void closeConnection(Connection *connection)
{
    if (!uv_is_closing((uv_handle_t *)&connection->tcp))
        uv_close((uv_handle_t *)&connection->tcp, onClosed);
}

static void onRoomWanted(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    (void)size;
    Connection *connection = handle->data;
    Loop *loop = (Loop *)handle->loop;
    if (connection->kept != NULL)
        *buffer = uv_buf_init(connection->kept + connection->size,
                              (unsigned)(HTTP_INPUT - connection->size));
    else
        *buffer = uv_buf_init(loop->input, sizeof loop->input);
}

static void answerRequests(Connection *connection, const char *text, size_t size);

static void onWritten(uv_write_t *write, int status)
{
    Connection *connection = write->data;
    char *kept = connection->kept;
    connection->kept = NULL;
    if (status != 0)
        closeConnection(connection);
    else if (uv_read_start((uv_stream_t *)&connection->tcp, onRoomWanted, onRead) == 0)
        answerRequests(connection, kept, connection->size);
    free(kept);
}

/* Keeps requests for later. */
static bool keep(Connection *connection, const char *text, size_t size, size_t room)
{
    connection->size = size;
    if (size == 0)
        return true;
    connection->kept = malloc(room);
    if (connection->kept != NULL)
        memcpy(connection->kept, text, size);
    return connection->kept != NULL;
}

/* Answers what text has; what cannot be answered now is kept.  connection->kept is NULL. */
static void answerRequests(Connection *connection, const char *text, size_t size)
{
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    Answer answer;
    for (size_t used; (answer = takeRequests(text, size, &used)).size > 0;) {
        text += used;
        size -= used;
        uv_buf_t left = uv_buf_init((char *)(uintptr_t)answer.bytes, (unsigned)answer.size);
        int sent = uv_try_write(stream, &left, 1);
        if (sent == (int)answer.size)
            continue;
        if (sent < 0 && sent != UV_EAGAIN) {
            closeConnection(connection);
            return;
        }
        left.base += sent > 0 ? sent : 0;
        left.len -= sent > 0 ? (size_t)sent : 0;
        uv_read_stop(stream); /* until the client has taken its answers */
        connection->write.data = connection;
        if (!keep(connection, text, size, size > 0 ? size : 1) ||
            uv_write(&connection->write, stream, &left, 1, onWritten) != 0)
            closeConnection(connection);
        return;
    }
    if (size >= HTTP_INPUT || !keep(connection, text, size, HTTP_INPUT))
        closeConnection(connection);
}

static void onRead(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    Connection *connection = stream->data;
    char *kept = connection->kept;
    if (got < 0) {
        closeConnection(connection);
    } else if (got > 0 && kept == NULL) {
        answerRequests(connection, buffer->base, (size_t)got);
    } else if (got > 0) {
        connection->kept = NULL;
        answerRequests(connection, kept, connection->size + (size_t)got);
        free(kept);
    }
}

static void onConnection(uv_stream_t *listener, int status)
{
    Connection *connection = status == 0 ? calloc(1, sizeof *connection) : NULL;
    if (connection == NULL)
        return;
    uv_tcp_init(listener->loop, &connection->tcp);
    connection->tcp.data = connection;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&connection->tcp, onRoomWanted, onRead) != 0)
        closeConnection(connection);
}

static void *serve(void *env)
{
    uv_tcp_t listener;
    Loop *loop = malloc(sizeof *loop);
    if (loop == NULL)
        error(1, ENOMEM, "malloc");
    int failed = uv_loop_init(&loop->loop);
    if (failed == 0)
        failed = uv_tcp_init(&loop->loop, &listener);
    if (failed == 0)
        failed = uv_tcp_open(&listener, (int)(intptr_t)env);
    if (failed == 0)
        failed = uv_listen((uv_stream_t *)&listener, 1024, onConnection);
    if (failed != 0)
        error(1, -failed, "libuv");
    uv_run(&loop->loop, UV_RUN_DEFAULT);
    return NULL;
}

int main(int argc __attribute__((unused)), char **argv)
{
    return serveOnCores(argv, serve);
}
