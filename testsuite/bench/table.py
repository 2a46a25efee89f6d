"""table.py -- what was measured as lines: a figure, its peers, its target, and the verdict."""
import sample
from build import say
from rows import OURS


def judge(figure, by_peer, is_reference):
    """(the target as it stands here or None, "ok", "short" or why neither, Interval or None)."""
    if OURS not in by_peer:
        return figure.target and figure.target.here(is_reference), "missing", None
    if figure.target is None:
        return None, "-", sample.bootstrap_median(by_peer[OURS].values())
    wanted = figure.target.here(is_reference)
    if wanted.needs() is None:
        measured = list(by_peer[OURS].values())
    else:
        both = sample.pairs(by_peer[OURS], by_peer.get(wanted.needs(), {}))
        measured = [value for value in (wanted.measure(*pair) for pair in both)
                    if value is not None]
    interval = sample.bootstrap_median(measured)
    if interval is None:
        return wanted, f"no {wanted.needs()}", None
    return wanted, "ok" if wanted.met(interval.middle) else "short", interval


def is_way(peer, name):
    """Is the name the peer's own, or that of another way of it?"""
    return name == peer or name.startswith(peer + "_")


def compare_best(figure, by_peer, versions):
    """Ours against the best peer; a floor counts only where there is nobody else."""
    others = {peer: values for peer, values in by_peer.items() if not is_way(OURS, peer)}
    peers = {peer: values for peer, values in others.items() if not is_way("floor", peer)}
    best = sample.best(peers or others, figure.better)
    if best is None:
        return "-"
    ratio = sample.ratio(by_peer[OURS], by_peer[best]) if OURS in by_peer else None
    return f"{sample.show(ratio)} x {best} {versions.get(best.split('_')[0], '')}".rstrip()


def line_of(result, figure, versions, is_reference):
    """(the cells of a figure's line, its verdict)."""
    work, by_peer = result.work, result.rounds[figure.name]
    middles = {peer: sample.show(sample.median(values.values()))
               for peer, values in by_peer.items()}
    ours = f"{middles[OURS]} {figure.unit}" if OURS in middles else "-"
    ways = [name for peer in (OURS, *work.peers) for name in middles if name.startswith(peer + "_")]
    peers = [f"{peer}={middles.get(peer, '-')}" for peer in work.peers + ways]
    wanted, verdict, interval = judge(figure, by_peer, is_reference)
    told = "-"
    if interval:
        low, middle, high = map(sample.show, interval[:3])
        told = f"{middle} [{low}, {high}] of {interval.count}"
    cells = [str(work.row), f"{figure.name} {work.cores}c", ours, " ".join(peers) or "-",
             compare_best(figure, by_peer, versions), str(wanted or "-"), verdict, told]
    return cells, verdict


def count_verdicts(verdicts):
    """(a line that counts them, how many figures are without a judgement that they should have)."""
    alone = [verdict for verdict in verdicts if verdict.startswith("no ")]
    counts = {name: verdicts.count(name) for name in ("ok", "short", "missing")}
    counts["without the peer that judges"] = len(alone)
    return (", ".join(f"{count} {name}" for name, count in counts.items()),
            counts["missing"] + len(alone))


def print_table(results, versions, is_reference, output):
    """Prints each figure's line as soon as results gives it; returns the verdicts."""
    verdicts = []
    for result in results:
        for peer, why in result.missing.items():
            output(f"# {result.work.title()}: no {peer}: {why}")
        for figure in result.work.figures:
            cells, verdict = line_of(result, figure, versions, is_reference)
            output("\t".join(cells))
            verdicts.append(verdict)
        say(f"  {result.work.title()} took {result.seconds:.0f} s of {result.work.seconds:.0f}")
    return verdicts
