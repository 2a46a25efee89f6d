/* cat.c -- cat(1), all files at once: each is read ahead by a green thread while others are copied.
 *
 *     cat FILE...         (what is not in memory is read by the pool; nobody waits for one disk)
 */
#include <capri/capri.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct File {
    const char *name;
    Thread *opener;
    int fd; /* or -E... */
} File;

/* Opens the file and touches its beginning. */
static void *openFile(void *env)
{
    File *file = env;
    char byte;
    file->fd = fdOpen(file->name, O_RDONLY, 0);
    if (file->fd >= 0)
        fdPread(file->fd, &byte, 1, 0);
    return NULL;
}

/* From the file to standard output: inside the kernel where that can be, else through a buffer. */
static ssize_t copyFile(int fd)
{
    char buffer[16 * 1024];
    struct stat about;
    ssize_t size = fdStat(fd, &about);
    if (size == 0 && S_ISREG(about.st_mode)) {
        while ((size = fdSendFile(STDOUT_FILENO, fd, NULL, 1 << 20)) > 0)
            continue;
        if (size == 0)
            return 0; /* -EINVAL: standard output appends, say */
    }
    while ((size = fdRead(fd, buffer, sizeof buffer)) > 0)
        if ((size = fdWriteAll(STDOUT_FILENO, buffer, (size_t)size)) < 0)
            break;
    return size;
}

static void *copyAll(void *env)
{
    intptr_t failures = 0;
    for (File *file = env; file->name != NULL; file++) {
        if (file->opener == NULL || threadJoin(file->opener, NULL) == -ENOMEM)
            openFile(file); /* there was no stack for another thread */
        threadRelease(file->opener);
        ssize_t result = file->fd < 0 ? file->fd : copyFile(file->fd);
        if (file->fd >= 0)
            closeFd(file->fd);
        if (result < 0) {
            fprintf(stderr, "%s: %s\n", file->name, strerror((int)-result));
            failures++;
        }
    }
    return (void *)failures;
}

static void *openAll(void *env)
{
    for (File *file = env; file->name != NULL; file++)
        threadFork(&file->opener, openFile, file); /* NULL: no memory */
    return copyAll(env);
}

int main(int argc, char **argv)
{
    File *files = calloc((size_t)argc, sizeof *files);
    void *failures = NULL;
    for (int i = 1; files != NULL && i < argc; i++)
        files[i - 1].name = argv[i];
    int failed = files == NULL ? -1 : rtsMain(NULL, openAll, files, &failures);
    free(files);
    return failed != 0 || failures != NULL;
}
