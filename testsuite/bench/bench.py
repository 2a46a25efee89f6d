#!/usr/bin/env python3
"""bench.py -- make bench: the rows of Rows.md, ours and the peers in turn, judged by rows.tsv.

    bench.py [--rows "2 3 8"] [--plot]     the table; all rows by default
    bench.py --rounds 1                    the same, only to see whether the programs work
    bench.py --cores "1 2 4 8"             how ours and the peers grow with the cores
    bench.py --plan                        which programs, how many rounds, how many seconds
    bench.py --self-test

One line per figure, its cells apart by tabs: row, name, ours, peers, ratio to the best of them,
target, "ok" or "short", and what was compared: the middle of the bootstrap interval of its median,
the interval, the rounds.  Every figure is a median of rounds, every ratio the median of the ratios
of each round; nothing is kept from another run.  What is going on goes to standard error.  Exit 1
where a figure is without ours, or without the peer that judges it.
"""
import argparse
import os
import signal
import sys
import time

import growth
import machine
import plot
import rows
import selftest
import table
from build import build, say
from measure import measure_work, measure_prices
from process import Failure
from rows import BUILT, ROOT


def print_plan(works):
    for work in works:
        programs = [f"{program.peer}{'' if program.source.exists() else ' (no program)'}"
                    for program in work.programs()]
        print(f"{work.title()}\tat most {work.rounds} rounds\t{work.seconds:.0f} s\t"
              f"{', '.join(programs)}")
    print(f"in all {sum(work.seconds for work in works) / 60:.1f} minutes beside building")


def needed_programs(works):
    programs = [program for work in works for program in work.programs()]
    if any(work.how in ("idle", "calls") for work in works):
        programs.append(rows.IDLE_CONNECTIONS)
    if any(program.is_script() for program in programs):
        programs.append(rows.LISTENERS)
    return [rows.PRICES, *programs]


class Output:
    """Lines to standard output and to a file of this run's own."""

    def __init__(self):
        BUILT.mkdir(parents=True, exist_ok=True)
        self.path = BUILT / time.strftime("table-%Y%m%d-%H%M%S.tsv")
        self.file = open(self.path, "w", encoding="utf-8")  # pylint: disable=consider-using-with

    def __call__(self, line):
        print(line, flush=True)
        print(line, file=self.file, flush=True)


def measure(works, reference, options):
    missing = build(needed_programs(works))
    versions = machine.peer_versions({peer for work in works for peer in work.peers})
    prices = measure_prices(missing)
    same = machine.is_reference(reference, prices)
    head = machine.head(versions, prices, same)
    output = Output()
    for line in head:
        output(line)
    if options.cores:
        return growth.measure(works, [int(word) for word in options.cores.split()], missing,
                              output)
    output("\t".join(["# row", "figure", "ours", "peers", "ratio to the best", "target", "verdict",
                      "compared [95 %] of rounds"]))
    done = []

    def results():
        for work in works:
            done.append(measure_work(work, missing))
            yield done[-1]

    verdicts = table.print_table(results(), versions, same, output)
    counts, lost = table.count_verdicts(verdicts)
    output(f"# {counts}")
    say(f"this table: {output.path.relative_to(ROOT)}")
    if options.plot:
        say(f"drawn: {plot.draw(done, head[:2])}")
    return 1 if lost else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", default="", help="numbers, as in Rows.md")
    parser.add_argument("--cores", default="", help="numbers of cores: how throughput grows")
    parser.add_argument("--rounds", type=int, default=1000, help="at most; to try the programs out")
    parser.add_argument("--plot", action="store_true", help="draw docs/performance.svg")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return selftest.run()
    works, reference = rows.read_rows()
    try:
        works = rows.select(works, options.rows)
    except ValueError as error:
        parser.error(str(error))
    for work in works:
        work.rounds = min(work.rounds, options.rounds)
    if options.plan:
        print_plan(works)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that children are stopped
    if os.getloadavg()[0] > 0.5:
        say(f"load {os.getloadavg()[0]:.2f}: others use this machine, the figures will be noisy")
    try:
        return measure(works, reference, options)
    except Failure as failure:
        say(f"bench.py: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
