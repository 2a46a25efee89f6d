/* FileRead_libuv.c -- row 25 with libuv: 32 uv_fs_read under way; each that ends begins the next.
 *
 * libuv reads files on its pool of 4 OS threads only, whatever the page cache has.
 */
#include "FileBlocks.h"

#include <uv.h>

typedef struct Reader {
    uv_fs_t request;
    uint64_t random;
    char block[BLOCK_BYTES];
} Reader;

static Reader readers[READS_AT_ONCE];
static int file;
static uint64_t start_ns, end_ns, reads;

static void onRead(uv_fs_t *request);

static void readNext(Reader *reader)
{
    uv_buf_t buffer = uv_buf_init(reader->block, BLOCK_BYTES);
    if (uv_fs_read(uv_default_loop(), &reader->request, file, &buffer, 1,
                   drawOffset(&reader->random), onRead) != 0)
        error(1, 0, "uv_fs_read");
}

static void onRead(uv_fs_t *request)
{
    Reader *reader = (Reader *)request;
    uint64_t now_ns = readNowNs();
    if (request->result != BLOCK_BYTES)
        error(1, 0, "a read failed");
    uv_fs_req_cleanup(request);
    reads += now_ns >= start_ns && now_ns < end_ns;
    if (now_ns < end_ns)
        readNext(reader);
}

int main(int count, char **words)
{
    parseCores(count, words, 64); /* its pool uses what there is */
    file = makeBlocks();
    start_ns = readNowNs() + WARM_UP_NS;
    end_ns = start_ns + MEASURE_NS;
    for (int i = 0; i < READS_AT_ONCE; i++) {
        readers[i].random = (uint64_t)i + 1;
        readNext(&readers[i]);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    printReads(reads, MEASURE_NS);
    return 0;
}
