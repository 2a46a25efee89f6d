/* FdAdopt.h -- taking charge of an fd that was opened elsewhere. */
#ifndef RTS_FD_ADOPT_H
#define RTS_FD_ADOPT_H

#include <stdbool.h>
#include <stdint.h>

/* fdAdoptKind -- ask the kernel what an adopted fd is: FdKind bits and FD_KIND_.... */
uint32_t fdAdoptKind(int fd);

/* fdAdoptInMemory -- is it a file that lies in memory: no device is ever waited for? */
bool fdAdoptInMemory(int fd);

#endif
