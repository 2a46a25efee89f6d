"""process.py -- a child process on some cores: run to its end, or watched while it lives."""
import contextlib
import os
import pathlib
import re
import resource
import select
import signal
import subprocess
import time

from rows import ROOT

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
RUN_LIMIT_S = 120
READY_LIMIT_S = 60
STOP_LIMIT_S = 10


class Failure(Exception):
    """Why there is no figure."""


def core_list(cores):
    """Which cores `cores` of them are; one alone is the last: the first has most interrupts."""
    allowed = sorted(os.sched_getaffinity(0))
    if cores > len(allowed):
        raise Failure(f"{cores} cores asked for, {len(allowed)} there")
    return allowed[-1:] if cores == 1 else allowed[:cores]


def prepare(cores):
    """What the child does before exec: its cores, and as many descriptors as it may have."""
    allowed = core_list(cores)

    def set_up():
        os.sched_setaffinity(0, allowed)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return set_up


def start(command, cores, **pipes):
    """A Popen in a process group of its own, so that stop() reaches all of it."""
    try:
        return subprocess.Popen([str(word) for word in command], text=True, errors="replace",
                                start_new_session=True, preexec_fn=prepare(cores), **pipes)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from error


def stop(process, first=signal.SIGTERM):
    """Ends the process if it still runs, asked first and then killed, with its whole group."""
    if process.poll() is None:
        os.kill(process.pid, first)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def running(command, cores, **pipes):
    process = start(command, cores, **pipes)
    try:
        yield process
    finally:
        stop(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def last_line(text):
    lines = text.replace(f"{ROOT}/", "").strip().splitlines()
    return lines[-1][:200] if lines else "no message"


def run(command, cores):
    """{figure: (value, unit)} from a program that measures itself."""
    with running(command, cores, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE) as process:
        try:
            output, errors = process.communicate(timeout=RUN_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"ran for more than {RUN_LIMIT_S} s") from error
    if process.returncode != 0:
        raise Failure(f"exit {process.returncode}: {last_line(errors)}")
    return parse_figures(output)


def parse_figures(output):
    """{figure: (value, unit)} from lines "name value unit"."""
    figures = {}
    for line in output.splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or not NUMBER.fullmatch(words[1]):
            raise Failure(f"no figure: '{line[:100]}'")
        if words[0] in figures:
            raise Failure(f"{words[0]} twice")
        figures[words[0]] = (float(words[1]), words[2])
    return figures


# ---- What /proc says about a process -------------------------------------------------------------


def family(pid):
    """The processes of the session that a process leads: itself, and those it has started."""
    members = []
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = (folder / "stat").read_text().rpartition(")")[2].split()
                if words[0] not in "ZX" and int(words[3]) == pid:
                    members.append(int(folder.name))
    return members


def cpu_ns(pid):
    """CPU time of all its threads, living and ended, in nanoseconds: its CPU-time clock."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def family_cpu_ns(pid):
    return sum(cpu_ns(member) for member in family(pid))


def status_sum(pid, *fields):
    """The sum of some fields of /proc/PID/task/*/status."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += sum(parse_status((task / "status").read_text(), field) for field in fields)
    return total


def parse_status(text, field):
    match = re.search(rf"^{field}:\s+(\d+)", text, re.M)
    if not match:
        raise Failure(f"/proc says nothing about {field}")
    return int(match.group(1))


def rss_mib(pid):
    """Of all of its processes: what they share counts for each."""
    return sum(parse_status(pathlib.Path(f"/proc/{member}/status").read_text(), "VmRSS")
               for member in family(pid)) / 1024


WATCH_S = 10
SETTLE_S = 1.0  # GHC collects garbage when it has been idle for 0.3 s


def await_ready(process, limit_s=READY_LIMIT_S):
    """Until it has printed "ready", its first line, which it prints at once."""
    told, _, _ = select.select([process.stdout], [], [], limit_s)
    line = process.stdout.readline().strip() if told else ""
    if line != "ready":
        stop(process)
        raise Failure(f"not ready but '{line}': {last_line(process.stderr.read())}")


def watch(command, cores):
    """Row 21: what a process does in 10 s that has nothing to do."""
    switches = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    with running(command, cores, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE) as process:
        await_ready(process)
        time.sleep(SETTLE_S)
        wakes, cpu = status_sum(process.pid, *switches), cpu_ns(process.pid)
        time.sleep(WATCH_S)
        cpu = cpu_ns(process.pid) - cpu
        wakes = status_sum(process.pid, *switches) - wakes
        if process.poll() is not None:
            raise Failure(f"ended with {process.returncode} while it was watched")
    return {"wakes": (wakes, "switches"), "cpu": (cpu / 1000, "us")}
