/* SystemCall.h -- the frequent system calls, straight: the kernel's answer, a count or -errno.
 *
 * Note [No errno on the way]
 *   The C library's recv and its kin are cancellation points, which costs two locked operations a
 *   call in a process of several OS threads, and they answer through errno, whose address belongs
 *   to an OS thread.  A green thread is never cancelled by pthread_cancel and may wake up on
 *   another OS thread, so both are in the way: these enter the kernel themselves.  Where a
 *   sanitizer wants to see the calls, and on other machines, they go through the C library, each
 *   in a function that is not inlined and cannot park.
 */
#ifndef INTERNAL_SYSTEM_CALL_H
#define INTERNAL_SYSTEM_CALL_H

#include "internal/Sanitize.h"

#include <stddef.h>
#include <sys/types.h>

#if !defined(SANITIZE_ADDRESS) && !defined(SANITIZE_THREAD) &&                                     \
    (defined(__x86_64__) || defined(__aarch64__))

#include <sys/syscall.h>

/* Up to six words in, one out: a result, or -4095 to -1, an -errno. */
static inline long systemCall(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = 0, r9 __asm__("r9") = 0;
    long result = number;
    __asm__ __volatile__("syscall"
                         : "+a"(result)
                         : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory", "cc");
    return result;
#else
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = 0, x5 __asm__("x5") = 0;
    __asm__ __volatile__("svc 0"
                         : "+r"(x0)
                         : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                         : "memory", "cc");
    return x0;
#endif
}

static inline ssize_t systemRead(int fd, void *buffer, size_t size)
{
    return systemCall(SYS_read, fd, (long)buffer, (long)size, 0);
}

static inline ssize_t systemWrite(int fd, const void *buffer, size_t size)
{
    return systemCall(SYS_write, fd, (long)buffer, (long)size, 0);
}

static inline ssize_t systemRecv(int fd, void *buffer, size_t size, int flags)
{
    return systemCall(SYS_recvfrom, fd, (long)buffer, (long)size, flags);
}

static inline ssize_t systemSend(int fd, const void *buffer, size_t size, int flags)
{
    return systemCall(SYS_sendto, fd, (long)buffer, (long)size, flags);
}

#else

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define VIA_LIBRARY static __attribute__((noinline, unused))

VIA_LIBRARY ssize_t systemRead(int fd, void *buffer, size_t size)
{
    ssize_t n = read(fd, buffer, size);
    return n < 0 ? -errno : n;
}

VIA_LIBRARY ssize_t systemWrite(int fd, const void *buffer, size_t size)
{
    ssize_t n = write(fd, buffer, size);
    return n < 0 ? -errno : n;
}

VIA_LIBRARY ssize_t systemRecv(int fd, void *buffer, size_t size, int flags)
{
    ssize_t n = recv(fd, buffer, size, flags);
    return n < 0 ? -errno : n;
}

VIA_LIBRARY ssize_t systemSend(int fd, const void *buffer, size_t size, int flags)
{
    ssize_t n = send(fd, buffer, size, flags);
    return n < 0 ? -errno : n;
}

#endif

#endif
