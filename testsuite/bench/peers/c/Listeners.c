/* Listeners.c -- for rows 43 and 44: starts an interpreter on each core, with a listener as fd 3.
 *
 *     Listeners COMMAND... --cores N --port P      (the command is given the options, too)
 *
 * All listeners share the port (SO_REUSEPORT), as systemd's ReusePort= has it; none listens before
 * the interpreter does.  With one core it becomes the command.  Else it ends its children when it
 * is told to, and ends when one of them has.
 */
#include "Http.h"

#include <sys/wait.h>

enum { LISTENER = 3 };

static void become(char **command, int listener)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (listener == LISTENER ? fcntl(LISTENER, F_SETFD, 0) != 0 : dup2(listener, LISTENER) < 0)
        error(1, errno, "fd %d", LISTENER);
    execvp(command[0], command);
    error(1, errno, "%s", command[0]);
}

int main(int argc, char **argv)
{
    int port = option(argv, "--port", 8080), cores = option(argv, "--cores", 2), signal;
    pid_t children[HTTP_CORES];
    sigset_t ends;
    if (argc < 2 || cores < 1 || cores > HTTP_CORES)
        error(1, 0, "usage: Listeners COMMAND... --cores 1 to %d --port P", HTTP_CORES);
    if (cores == 1)
        become(argv + 1, bindListener(port));
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    for (int i = 0; i < cores; i++) {
        int listener = bindListener(port);
        if ((children[i] = fork()) < 0)
            error(1, errno, "fork");
        if (children[i] == 0)
            become(argv + 1, listener);
        close(listener);
    }
    sigwait(&ends, &signal);
    for (int i = 0; i < cores; i++)
        kill(children[i], SIGTERM);
    return signal == SIGCHLD ? 1 : 0;
}
