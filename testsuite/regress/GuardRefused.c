/* GuardRefused.c -- a stack whose guard cannot be made must not cost address space.
 *
 * Bug     Where neither advice nor protection of a page could be had (the process has no mapping
 *         left to split), each request for a stack mapped one more slab, of 64 MiB, and left it.
 * Tests   rts/context/Slab.c: slabTake.
 *
 * not-under: qemu valgrind asan tsan
 */
#include "rts/context/Slab.h"
#include "testsuite/support/Test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { REQUESTS = 100 };

static size_t pagesMapped(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages;
}

/* From now on both ways of making a guard say ENOMEM. */
static bool refuseGuards(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

TEST(GuardRefused, mapsNoMoreSlabs)
{
    CHECK_EQ(slabStart(0), 0);
    Stack *stack = slabTake(0);
    CHECK(stack != NULL);
    size_t before = pagesMapped();
    if (!refuseGuards())
        SKIP("no seccomp here");
    for (int i = 0; i < REQUESTS; i++)
        CHECK_EQ(slabTake(0), NULL);
    CHECK_LE(pagesMapped() - before, (1 << 20) / (size_t)sysconf(_SC_PAGESIZE));
    slabGive(stack);
    CHECK_EQ(slabTake(0), stack); /* it has its guard already */
    slabEnd();
}
