"""measure.py -- runs a work round by round, A B C A B C, and keeps what each program told."""
import os
import subprocess
import time

import process
import sample
import server
from build import say
from rows import ALONE, LISTENERS, OURS, PRICES

HOW = {
    "run": process.run,
    "watch": process.watch,
    "wrk": server.run_wrk,
    "idle": server.run_idle,
    "calls": server.run_calls,
}
SERVERS = {"wrk", "idle", "calls"}
# What a program that fails, or that ends while it is watched, may lead to here.
FAULTS = (process.Failure, OSError, subprocess.SubprocessError, LookupError, ValueError)


# Ours allocates from jemalloc; Rust's programs often do, and are up to a tenth faster on two cores;
# so that Lua's do not differ from ours by their allocator, they do, too.
JEMALLOC = ["env", "LD_PRELOAD=libjemalloc.so.2"]


def start_words(work, program, cores):
    """What starts a program; an interpreter has one core: a server of it is started on each."""
    words = program.command(cores)
    if program.is_script() and program.peer != OURS and work.how in SERVERS:
        words = [LISTENERS.binary, *words]
    if program.language in ("tokio", "lua") and program.peer != OURS:
        words = [*JEMALLOC, *words]
    return [*words, "--cores", 1 if program.peer in ALONE else cores]


def measure_once(work, program, cores):
    """{figure: {name: value}} of one run, the name being the peer's; Failure: why there is none."""
    command = start_words(work, program, cores)
    if program.peer == OURS and work.backend:
        command += ["--backend", work.backend]
    arguments = [int(word) for word in work.arguments]
    return sort_figures(work, program.peer, HOW[work.how](command, cores, *arguments))


def sort_figures(work, peer, told):
    """A peer may lack a figure; FIGURE_WAY, which is no figure, is another way of its to do FIGURE:
    peer_way's."""
    values = {}
    for figure in work.figures:
        wanted = figure.name if peer == OURS else figure.told or figure.name
        ways = {name: peer + name[len(wanted):] for name in told
                if name == wanted or (name.startswith(wanted + "_") and name not in work.names)}
        for name, shown in ways.items():
            value, unit = told[name]
            if unit != figure.unit:
                raise process.Failure(f"tells {name} in {unit}, not in {figure.unit}")
            values.setdefault(figure.name, {})[shown] = value
        if wanted not in ways and (peer == OURS or not told):
            raise process.Failure(f"does not tell {wanted}")
    return values


def measure_prices(missing):
    """What the kernel and the machine cost: {name: (value, unit)}; some need a second core."""
    cores = min(2, len(os.sched_getaffinity(0)))
    return {} if PRICES in missing else process.run([PRICES.binary, "--cores", cores], cores)


class Result:
    """What was measured of one work: figures by peer and round, and why others are missing."""

    def __init__(self, work, missing):
        self.work = work
        self.missing = dict(missing)  # peer -> why
        self.seconds = 0.0
        self.rounds = {figure.name: {} for figure in work.figures}  # figure -> peer -> round

    def add(self, number, values):
        """values is {figure: {name: value}} of a program's run in round `number`."""
        for figure, by_name in values.items():
            for name, value in by_name.items():
                self.rounds[figure].setdefault(name, {})[number] = value

    def drop(self, peer, why):
        """A program that fails once is not to be trusted: all of its figures go."""
        self.missing[peer] = why
        for by_peer in self.rounds.values():
            for name in [name for name in by_peer if name == peer or
                         name.startswith(peer + "_")]:
                del by_peer[name]


def run_round(result, number, programs, cores):
    """{peer: seconds} of the programs of one round; those that fail are dropped.  Each round begins
    with another one, so that nobody always follows the same neighbour's heat, or cache."""
    durations_s, shown = {}, {}
    begin = number % len(programs) if programs else 0
    programs = programs[begin:] + programs[:begin]
    figure = result.work.figures[0].name
    for program in programs:
        begin = time.monotonic()
        try:
            values = measure_once(result.work, program, cores)
            result.add(number, values)
            shown[program.peer] = sample.show(values.get(figure, {}).get(program.peer))
        except FAULTS as fault:
            why = str(fault) if isinstance(fault, process.Failure) else repr(fault)
            result.drop(program.peer, why)
            shown[program.peer] = f"FAILED ({why})"
        durations_s[program.peer] = time.monotonic() - begin
    told = ", ".join(f"{peer} {text} [{durations_s[peer]:.1f} s]" for peer, text in shown.items())
    say(f"  round {number + 1}: {figure}: {told}")
    return durations_s


def measure_work(work, missing, cores=None):
    """The Result of a work; missing is {Program: why}."""
    begin = time.monotonic()
    cores = cores or work.cores
    programs = work.programs()
    result = Result(work, {program.peer: missing[program] for program in programs
                           if program in missing})
    there = [program for program in programs if program not in missing]
    say(f"{work.title()}: {', '.join(program.peer for program in there) or 'no program'}")
    durations_s = run_round(result, 0, there, cores)
    durations_s = {peer: duration_s for peer, duration_s in durations_s.items()
                   if peer not in result.missing}
    count, parts = sample.plan_rounds(durations_s, work.always(), work.rounds, work.seconds)
    for number in range(1, count):
        run_round(result, number, [program for program in there if program.peer not in
                                   result.missing and number in parts[program.peer]], cores)
    result.seconds = time.monotonic() - begin
    return result
