/* FileRequest.h -- a call on a file or a socket, as data: whoever can make it, makes it. */
#ifndef IOMGR_FILE_REQUEST_H
#define IOMGR_FILE_REQUEST_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef enum FileOperation {
    FileRead,
    FileWrite,
    FileSync,
    FileStat,
    FileOpen,
    FileReceive, /* of a stream socket: what there is, waiting for the first byte */
    FileSend     /* likewise: what there is room for, waiting for some */
} FileOperation;

enum { FILE_POSITION = -1 };

typedef struct FileRequest {
    FileOperation operation;
    int fd;                    /* all but FileOpen */
    const struct iovec *parts; /* FileRead, FileWrite; FileReceive, FileSend: one */
    int count;                 /* likewise */
    int64_t offset;            /* FileRead, FileWrite; FILE_POSITION: the file's own, not for a
                                * submission */
    struct stat *about;        /* FileStat */
    const char *path;          /* FileOpen; opened with O_CLOEXEC */
    int flags;                 /* FileOpen */
    mode_t mode;               /* FileOpen */
} FileRequest;

#endif
