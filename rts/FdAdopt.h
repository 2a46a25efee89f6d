/* FdAdopt.h -- taking charge of an fd that was opened elsewhere. */
#ifndef RTS_FD_ADOPT_H
#define RTS_FD_ADOPT_H

#include <stdint.h>

/* fdAdoptKind -- ask the kernel what an adopted fd is: FdKind bits and FD_KIND_SOCKET. */
uint32_t fdAdoptKind(int fd);

#endif
