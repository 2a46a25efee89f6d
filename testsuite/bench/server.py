"""server.py -- an HTTP server under wrk: rates, CPU time, tails, memory, system calls."""
import contextlib
import functools
import itertools
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import process
import rows
from process import Failure

IDLE = 10000
START_LIMIT_S = 10
WARM_S = 0.3
MEASURE_S = 1.5
COUNT_S = 3
UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}

# Below the ports that connections come from; each server has one that none had before it.
PORTS = itertools.cycle(range(12000, 30000))

CALLS = {
    "recv": ["read", "readv", "recvfrom", "recvmsg"],
    "send": ["write", "writev", "sendto", "sendmsg"],
    "wait": ["epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "io_uring_enter"],
    "ctl": ["epoll_ctl"],
}


def free_port():
    for port in itertools.islice(PORTS, 1000):
        with socket.socket() as probe:
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise Failure("no free port")


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def await_server(server, port):
    end = time.monotonic() + START_LIMIT_S
    while not accepts(port):
        if server.poll() is not None:
            raise Failure(f"the server ended with {server.returncode} at its start")
        if time.monotonic() > end:
            raise Failure(f"accepts nothing for {START_LIMIT_S} s")
        time.sleep(0.02)


@contextlib.contextmanager
def serving(command, cores):
    """(the server's process, its port) once it accepts."""
    port = free_port()
    with process.running([*command, "--port", port], cores, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        await_server(server, port)
        yield server, port
        if server.poll() is not None:
            raise Failure(f"the server ended with {server.returncode} under load")


# ---- wrk -----------------------------------------------------------------------------------------


def load(port, connections, seconds, cores):
    """{"requests", "rate", "p99_us"} of wrk; SIGINT ends it, since it counts whole seconds only."""
    command = ["wrk", f"-t{cores}", f"-c{connections}", "-d60s", "--latency",
               f"http://127.0.0.1:{port}/"]
    with process.running(command, cores, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT) as wrk:
        time.sleep(seconds)
        if wrk.poll() is None:
            wrk.send_signal(signal.SIGINT)
        try:
            output, _ = wrk.communicate(timeout=process.STOP_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise Failure("wrk does not end") from error
    return parse_wrk(output)


def parse_wrk(output):
    counted = re.search(r"(\d+) requests in ", output)
    rate = re.search(r"^Requests/sec:\s+([\d.]+)", output, re.M)
    tail = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m)\s*$", output, re.M)
    if not counted or not rate or not tail or int(counted.group(1)) == 0:
        raise Failure(f"wrk: {process.last_line(output)}")
    for complaint in (r"Non-2xx or 3xx responses: \d+",
                      r"Socket errors: connect \d+, read \d+, write \d+"):
        match = re.search(complaint, output)
        if match and re.search(r"[1-9]", match.group(0).split(":")[1]):
            raise Failure(f"wrk: {match.group(0)}")
    return {"requests": int(counted.group(1)), "rate": float(rate.group(1)),
            "p99_us": float(tail.group(1)) * UNITS_US[tail.group(2)]}


def measure_load(server, port, connections, cores, end=""):
    before = process.family_cpu_ns(server.pid)
    result = load(port, connections, MEASURE_S, cores)
    cpu_us = (process.family_cpu_ns(server.pid) - before) / 1000 / result["requests"]
    return {"rate" + end: (result["rate"], "req/s"), "cpu" + end: (cpu_us, "us"),
            "p99" + end: (result["p99_us"], "us")}


def run_wrk(command, cores, connections):
    """Rows 8 and 9."""
    with serving(command, cores) as (server, port):
        load(port, connections, WARM_S, cores)
        return measure_load(server, port, connections, cores)


@contextlib.contextmanager
def opening(port, count, cores):
    """So many connections, each served once, and held by another process."""
    with process.running([rows.IDLE_CONNECTIONS.binary, "--port", port, "--count", count], cores,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE) as holder:
        process.await_ready(holder)
        yield


def run_idle(command, cores, *connections):
    """Row 10: the same beside 10,000 connections that say nothing, and the memory afterwards."""
    figures = {}
    with serving(command, cores) as (server, port):
        with opening(port, IDLE, cores):
            load(port, connections[0], WARM_S, cores)
            for count in connections:
                figures.update(measure_load(server, port, count, cores, f"_c{count}"))
            figures["rss"] = (process.rss_mib(server.pid), "MiB")
    return figures


# ---- System calls --------------------------------------------------------------------------------

ALL_CALLS = "raw_syscalls:sys_enter"


def perf_events():
    named = itertools.chain.from_iterable(CALLS.values())
    return [ALL_CALLS, *(f"syscalls:sys_enter_{name}" for name in named)]


@functools.cache
def perf_counts():
    """May perf count system calls here?  strace counts them too, but slows them down so much that
    what a server does by the clock weighs ten times as much."""
    with contextlib.suppress(OSError):
        return subprocess.run(["perf", "stat", "-e", ",".join(perf_events()), "true"], check=False,
                              capture_output=True).returncode == 0
    return False


def greet(port, connections, cores):
    """So many connections that are served once each: what a run costs before it is under way."""
    with opening(port, connections, cores):
        return connections


def count_calls(command, cores, client):
    """({system call: count}, requests) of one server's life; client(port) tells the requests."""
    with tempfile.TemporaryDirectory() as name:
        return count_calls_in(pathlib.Path(name), command, cores, client)


def count_calls_in(folder, command, cores, client):
    summary, pid_file = folder / "summary", folder / "pid"
    counter = (["perf", "stat", "-x,", "-o", summary, "-e", ",".join(perf_events()), "--"]
               if perf_counts() else ["strace", "-f", "-c", "-o", summary])
    traced = [*counter, "sh", "-c", 'echo $$ >"$0"; exec "$@"', pid_file, *command]
    port = free_port()
    with process.running([*traced, "--port", port], cores, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as tracer:
        await_server(tracer, port)
        requests = client(port)
        subprocess.run(["kill", pid_file.read_text().strip()], check=False)
        try:
            tracer.wait(process.STOP_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise Failure("does not end, its calls are not counted") from error
    parse = parse_perf if perf_counts() else parse_strace
    return parse(summary.read_text()), requests


def parse_perf(text):
    """{system call, or "all": count} of `perf stat -x,`."""
    calls = {}
    for line in text.splitlines():
        words = line.split(",")
        if len(words) >= 3 and words[0].isdigit():
            name = "all" if words[2] == ALL_CALLS else words[2].split("sys_enter_")[-1]
            calls[name] = int(words[0])
    if not calls:
        raise Failure("perf counted nothing")
    return calls


def parse_strace(text):
    """{system call: count}: the fourth column of strace -c, by the last."""
    calls = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
            calls[words[-1]] = int(words[3])
    if not calls:
        raise Failure("strace counted nothing")
    return {**calls, "all": sum(calls.values())}


def calls_per_request(short, long):
    """{figure: calls} from two (calls, requests): what the longer one has more."""
    requests = long[1] - short[1]
    if requests <= 0:
        raise Failure("while its calls were counted next to nothing was served")
    more = {name: count - short[0].get(name, 0) for name, count in long[0].items()}
    figures = {kind: sum(more.get(name, 0) for name in names) / requests
               for kind, names in CALLS.items()}
    return {**figures, "all": more["all"] / requests}


def run_calls(command, cores, *connections):
    """Row 18."""
    figures = {}
    for count in connections:
        short = count_calls(command, cores, lambda port, count=count: greet(port, count, cores))
        long = count_calls(command, cores, lambda port, count=count: load(
            port, count, COUNT_S, cores)["requests"])
        for kind, calls in calls_per_request(short, long).items():
            figures[f"{kind}_c{count}"] = (calls, "calls")
    return figures
