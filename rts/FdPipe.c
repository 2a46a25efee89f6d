/* FdPipe.c -- making a pipe.
 *
 * Owns    nothing.
 * Tests   testsuite/unit/FdSocketTest.c
 */
#include "rts/FdCall.h"

#include <capri/fd.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int fdPipe(int ends[2])
{
    int made[2];
    if (pipe2(made, O_CLOEXEC | O_NONBLOCK) != 0)
        return -errno;
    int in = fdCallRegister(made[0], FdAdopted | FdStream);
    int out = fdCallRegister(made[1], FdAdopted);
    if (in < 0 || out < 0) {
        if (in >= 0)
            closeFd(in);
        if (out >= 0)
            closeFd(out);
        return in < 0 ? in : out;
    }
    ends[0] = in;
    ends[1] = out;
    return 0;
}
