"""growth.py -- how throughput grows with the cores: each number of them against one."""
import copy
import os

import sample
from measure import measure_work

ROWS = {*range(4, 12), 27, 33, 34}
LEFT_OUT = {"idle", "calls", "watch"}


def grow(figure, values):
    """{cores: throughput against one core} from {cores: figure}."""
    if 1 not in values:
        return {}
    return {cores: (value / values[1] if figure.better == "higher" else values[1] / value)
            for cores, value in values.items() if value != 0 and values[1] != 0}


def choose(works):
    """One work per row that can run on any number of cores, without what is no throughput."""
    chosen = {}
    for work in works:
        if work.row in ROWS and work.how not in LEFT_OUT:
            kept = chosen.setdefault(work.row, copy.copy(work))
            kept.figures = [work.figures[0]._replace(target=None)]
            kept.peers += [peer for peer in work.peers if peer not in kept.peers]
    return list(chosen.values())


def measure(works, counts, missing, output):
    """Prints a line for each program of each row: its figure by cores, and throughput ratios."""
    there = len(os.sched_getaffinity(0))
    if any(cores > there for cores in counts):
        output(f"# more than {there} cores are not there: "
               f"{' '.join(str(cores) for cores in counts if cores > there)} left out")
    counts = sorted({1, *(cores for cores in counts if 0 < cores <= there)})
    output("\t".join(["# row", "figure", "program", *[f"{cores}c" for cores in counts],
                      *[f"{cores}c against 1c" for cores in counts[1:]]]))
    for work in choose(works):
        figure = work.figures[0]
        values = {}
        for cores in counts:
            work.cores, work.rounds = cores, min(work.rounds, 5)
            by_peer = measure_work(work, missing, cores).rounds[figure.name]
            for peer, rounds in by_peer.items():
                values.setdefault(peer, {})[cores] = sample.median(rounds.values())
        for peer, by_cores in values.items():
            ratios = grow(figure, by_cores)
            output("\t".join([str(work.row), f"{figure.name} {figure.unit}", peer,
                              *[sample.show(by_cores.get(cores)) for cores in counts],
                              *[sample.show(ratios.get(cores)) for cores in counts[1:]]]))
    return 0
