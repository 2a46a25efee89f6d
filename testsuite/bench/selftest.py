"""selftest.py -- the driver's statistics, targets, parsing and rounds; its programs pretend."""
import contextlib
import io
import pathlib
import re
import subprocess
import tempfile
import unittest.mock

import growth
import machine
import measure
import plot
import process
import rows
import sample
import server
import table
import target
from process import Failure
from rows import OURS


def equal(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


def refused(kind, part, call, *arguments):
    """The call must fail, and say why."""
    try:
        found = call(*arguments)
    except kind as error:
        assert part in str(error), f"'{error}' does not say '{part}'"
        return
    raise AssertionError(f"{call.__name__}{arguments} gave {found!r}")


# ---- Targets -------------------------------------------------------------------------------------


def test_target_forms():
    parse = target.parse_target
    equal(parse("-"), None)
    equal(parse("<= 6 ns"), target.Target("figure", "<=", 6.0, "ns", None, None))
    equal(parse("<= 6 ns (st 21)"), target.Target("figure", "<=", 6.0, "ns", "st", 21.0))
    equal(parse(">= 0.98 x raw"), target.Target("multiple", ">=", 0.98, None, "raw", None))
    equal(parse("<= raw + 1 us"), target.Target("offset", "<=", 1.0, "us", "raw", None))
    for text in ("<= 6 ns", ">= 0.98 x raw", "<= raw + 0.05 calls"):
        equal(str(parse(text)), text)
    for text in ("", "< 6 ns", "<= 6", "<= six ns", "<= 1.04 x", "<= raw", "<= raw + 1",
                 "<= 6 ns (st)", "<= 6 ns (21 st)", "== 6 ns", "<= 6 ns ", "<= 1e3 ns"):
        refused(ValueError, "not a target", parse, text)


def test_target_elsewhere():
    named, alone = target.parse_target("<= 6 ns (st 24)"), target.parse_target("<= 50 MiB")
    equal(str(named.here(True)), "<= 6 ns")
    equal(named.here(True).needs(), None)
    equal(str(named.here(False)), "<= 0.25 x st")
    equal(named.here(False).needs(), "st")
    equal(alone.here(False), alone)


def test_target_met():
    for text, ours, peer, met in [
            ("<= 6 ns", 6.0, 0, True), ("<= 6 ns", 6.01, 0, False),
            ("<= 1.04 x raw", 4.16, 4.0, True), ("<= 1.04 x raw", 4.17, 4.0, False),
            (">= 0.98 x raw", 98.0, 100.0, True), (">= 0.98 x raw", 97.9, 100.0, False),
            ("<= raw + 1 us", 26.0, 25.0, True), ("<= raw + 1 us", 26.5, 25.0, False)]:
        wanted = target.parse_target(text)
        equal((text, ours, wanted.met(wanted.measure(ours, peer))), (text, ours, met))
    equal(target.parse_target("<= 2 x raw").measure(1.0, 0.0), None)


# ---- Statistics ----------------------------------------------------------------------------------


def test_intervals():
    equal(sample.bootstrap_median([]), None)
    equal(sample.bootstrap_median([7.0]), sample.Interval(7.0, 7.0, 7.0, 1))
    values = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.02, 0.98, 9.0, 1.0, 1.01, 0.99, 1.0, 1.0]
    low, middle, high, count = sample.bootstrap_median(values)
    assert 0.95 <= low <= middle <= high <= 1.05, (low, middle, high)  # 9.0 moves nothing
    equal((middle, count), (1.0, 15))
    equal(sample.bootstrap_median(values), sample.bootstrap_median(values))
    wide = sample.bootstrap_median([1.0, 5.0, 9.0])
    equal((wide.low, wide.middle, wide.high), (1.0, 5.0, 9.0))


def test_ratios():
    ours, peer = {0: 2.0, 1: 4.0, 2: 30.0, 3: 5.0}, {0: 4.0, 2: 10.0, 3: 10.0, 4: 1.0}
    equal(sample.pairs(ours, peer), [(2.0, 4.0), (30.0, 10.0), (5.0, 10.0)])
    equal(sample.ratio(ours, peer), 0.5)  # by round; the medians' ratio would be 0.64
    equal(sample.ratio(ours, {}), None)
    equal(sample.ratio({0: 1.0}, {0: 0.0}), None)
    peers = {"a": {0: 3.0, 1: 3.0}, "b": {0: 1.0, 1: 9.0, 2: 2.0}, "c": {}}
    equal(sample.best(peers, "lower"), "b")
    equal(sample.best(peers, "higher"), "a")
    equal(sample.best({"c": {}}, "lower"), None)


def test_rounds():
    count, parts = sample.plan_rounds({OURS: 1.0, "st": 1.0, "ghc": 5.0}, {OURS}, 9, 29)
    equal((count, parts["ghc"], parts["st"]), (7, {0, 3, 6}, set(range(7))))
    count, parts = sample.plan_rounds({OURS: 9.0, "st": 1.0}, {OURS}, 9, 20)
    equal((count, parts[OURS]), (3, {0, 1, 2}))  # no fewer, however slow
    for most_s, some in [(70, {0, 7, 14}), (10, {0})]:  # all rounds, however long; the others fewer
        count, parts = sample.plan_rounds({OURS: 2.0, "raw": 2.0, "go": 2.0}, {OURS, "raw"}, 15,
                                          most_s)
        equal((count, len(parts["raw"]), parts["go"]), (15, 15, some))
    count, parts = sample.plan_rounds({OURS: 1.0, "st": 1.0, "ghc": 9.0}, {OURS, "st"}, 9, 25)
    equal((count, parts["ghc"]), (8, {0}))
    equal(sample.plan_rounds({OURS: 0.1}, {OURS}, 7, 60), (7, {OURS: set(range(7))}))
    equal(sample.plan_rounds({OURS: 10.0}, {OURS}, 1, 60), (1, {OURS: {0}}))
    equal(sample.plan_rounds({}, {OURS}, 7, 60), (3, {}))


def test_numbers():
    for value, text in [(None, "-"), (0, "0"), (0.0, "0"), (222123.4, "222123"), (4.3, "4.3"),
                        (0.98312, "0.9831"), (15.0, "15"), (0.0002, "0.0002"), (-0.00001, "0"),
                        (-0.5, "-0.5")]:
        equal(sample.show(value), text)


def test_growth():
    lower, higher = (rows.Figure("f", "ns", better, None) for better in ("lower", "higher"))
    equal(growth.grow(lower, {1: 10.0, 2: 5.0, 4: 20.0}), {1: 1.0, 2: 2.0, 4: 0.5})
    equal(growth.grow(higher, {1: 10.0, 2: 18.0}), {1: 1.0, 2: 1.8})
    equal(growth.grow(higher, {2: 18.0}), {})
    chosen = growth.choose(rows.read_rows()[0])
    equal([work.row for work in chosen], [4, 5, 6, 7, 8, 9, 11, 27, 33, 34])


# ---- What programs, wrk, perf, strace and /proc say ----------------------------------------------

WRK = """Running 1m test @ http://127.0.0.1:21001/
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   624.00us    0.90ms   9.81ms   88.27%
  Latency Distribution
     50%  266.00us
     99%    {tail}
  {requests} requests in 1.50s, 32.53MB read
{more}Requests/sec: 104964.87
Transfer/sec:     21.62MB
"""
STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.600000           6     {send}           sendto
 30.00    0.300000           3     {recv}        64 recvfrom
 10.00    0.100000           1        {wait}           epoll_wait
  0.00    0.000000           0        64           epoll_ctl
------ ----------- ----------- --------- --------- ----------------
100.00    1.000000           4    999999        64 total
"""


def test_figures():
    equal(process.parse_figures("fib 12.5 ms\n\nfib_rss 3 MiB\n"),
          {"fib": (12.5, "ms"), "fib_rss": (3.0, "MiB")})
    for text, part in [("fib ms", "no figure"), ("fib x ms", "no figure"), ("fib nan ms", "no"),
                       ("fib 1 ms\nfib 2 ms", "twice"), ("hello", "no figure")]:
        refused(Failure, part, process.parse_figures, text)
    equal(process.parse_status("VmRSS:\t  2048 kB\nThreads:\t3\n", "VmRSS"), 2048)
    refused(Failure, "VmRSS", process.parse_status, "Threads:\t3\n", "VmRSS")


def test_wrk():
    told = server.parse_wrk(WRK.format(tail="4.23ms", requests=157908, more=""))
    equal(told, {"requests": 157908, "rate": 104964.87, "p99_us": 4230.0})
    late = "  Socket errors: connect 0, read 0, write 0, timeout 3\n"
    told = server.parse_wrk(WRK.format(tail="1.02s", requests=5, more=late))
    equal(told["p99_us"], 1.02e6)
    for requests, more, part in [
            (0, "", "wrk"), (5, "  Non-2xx or 3xx responses: 5\n", "Non-2xx"),
            (5, "  Socket errors: connect 0, read 7, write 0, timeout 0\n", "read 7")]:
        refused(Failure, part, server.parse_wrk,
                WRK.format(tail="9.00us", requests=requests, more=more))
    refused(Failure, "unable", server.parse_wrk, "unable to connect to 127.0.0.1\n")


def test_calls():
    short = server.parse_strace(STRACE.format(send=1000, recv=1064, wait=100))
    equal(short, {"sendto": 1000, "recvfrom": 1064, "epoll_wait": 100, "epoll_ctl": 64,
                  "all": 2228})
    long = server.parse_strace(STRACE.format(send=5000, recv=5064, wait=900))
    equal(server.calls_per_request((short, 1000), (long, 5000)),
          {"recv": 1.0, "send": 1.0, "wait": 0.2, "ctl": 0.0, "all": 2.2})
    refused(Failure, "nothing", server.calls_per_request, (short, 1000), (long, 900))
    refused(Failure, "nothing", server.parse_strace, "")
    equal(server.parse_perf("# started\n\n193,,raw_syscalls:sys_enter,17,100.00,,\n"
                            "6,,syscalls:sys_enter_read,17,100.00,,\n"),
          {"all": 193, "read": 6})
    refused(Failure, "nothing", server.parse_perf, "# started\n")


def test_families():
    script = "sleep 60 & echo ready; wait"
    with process.running(["sh", "-c", script], 1, stdout=subprocess.PIPE) as shell:
        equal(shell.stdout.readline(), "ready\n")
        members = process.family(shell.pid)
        assert shell.pid in members and len(members) == 2, members
        assert process.family_cpu_ns(shell.pid) >= process.cpu_ns(shell.pid) > 0
        assert process.rss_mib(shell.pid) > 0


def test_ready():
    for script, limit_s, part in [("echo out of luck >&2", 30, "out of luck"),
                                  ("echo hello", 30, "'hello'"), ("sleep 60", 0.1, "no message")]:
        with process.running(["sh", "-c", script], 1, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE) as shell:
            refused(Failure, part, process.await_ready, shell, limit_s)


def test_scripts():
    ours, luv, c = (rows.find_program(name, peer) for name, peer in [
        ("HttpLua", OURS), ("HttpLua", "luv"), ("Http", OURS)])
    equal(ours.command(2), [rows.CAPRI_LUA, "--cpus", 2, rows.HERE / "HttpLua.lua"])
    equal(luv.command(2), ["lua5.4", rows.HERE / "peers/lua/HttpLua_luv.lua"])
    work = rows.Work({"row": "43", "program": "HttpLua", "how": "wrk 64", "cores": "2",
                      "rounds": "1", "seconds": "1", "peers": "luv"})
    equal(measure.start_words(work, luv, 2),
          [*measure.JEMALLOC, rows.LISTENERS.binary, *luv.command(2), "--cores", 2])
    equal(measure.start_words(work, ours, 2), [*ours.command(2), "--cores", 2])
    equal(measure.start_words(work, c, 2), [c.binary, "--cores", 2])


def test_versions():
    for debian, version in [("1:4.33-1", "4.33"), ("2:1.19~1", "1.19"), ("1.9-3.2", "1.9"),
                            ("2.1.12-stable-8+deb12u1", "2.1.12"), ("9.0.2-4", "9.0.2"),
                            ("1.63.0+dfsg1-2", "1.63.0"), ("1.74.0.3", "1.74.0.3")]:
        equal(machine.upstream(debian), version)


def test_reference():
    cores = len(machine.os.sched_getaffinity(0))
    told = f"{cores} cores, null_call 100 ns, clock_gettime 20 ns"
    prices = {"null_call": (120.0, "ns"), "clock_gettime": (19.0, "ns"), "poll": (1.0, "ns")}
    equal(machine.is_reference(told, prices), True)
    equal(machine.is_reference(told, {**prices, "null_call": (700.0, "ns")}), False)
    equal(machine.is_reference(told, {**prices, "clock_gettime": (19.0, "us")}), False)
    equal(machine.is_reference(told, {}), False)
    equal(machine.is_reference(told.replace(str(cores), str(cores + 1), 1), prices), False)
    equal(machine.is_reference(rows.read_rows()[1], {}), False)


# ---- Rows ----------------------------------------------------------------------------------------

HEAD = "row program how cores rounds seconds peers figure unit better target".replace(" ", "\t")


def tsv(*lines):
    return "\n".join(["# machine: M, 2 cores", HEAD, *(line.replace("|", "\t") for line in lines)])


def test_rows():
    works, name = rows.parse_rows(tsv(
        "2|Yield|run|1|9|50|st go|yield|ns|lower|<= 6 ns (st 21)",
        "|||||||worst|us||-", "|||2|||go|yield|ns||-",
        "8|Http|wrk 64|2|15|110|raw|rate|req/s|higher|>= 0.98 x raw"))
    equal(name, "M, 2 cores")
    equal([work.title() for work in works],
          ["row 2 Yield 1c", "row 2 Yield 2c", "row 8 Http wrk 64 2c"])
    equal([[figure.name for figure in work.figures] for work in works],
          [["yield", "worst"], ["yield"], ["rate"]])
    equal([work.always() for work in works], [{OURS, "st"}, {OURS}, {OURS, "raw"}])
    equal([work.row for work in rows.select(works, "8, 2")], [2, 2, 8])
    equal(len(rows.select(works, "  ")), 3)
    refused(ValueError, "no such row: 3", rows.select, works, "2 3")
    named = rows.parse_rows(tsv("2|Yield|run|1|9|50|st|yield|ns|lower|<= 1.1 x ours_apart"))[0]
    equal(named[0].figures[0].target.needs(), "ours_apart")
    equal(named[0].always(), {OURS})
    (alone,), _ = rows.parse_rows(tsv("2|Yield|run|1|9|50|-|yield_apart=yield|ns|lower|-"))
    equal((alone.peers, alone.figures[0].name, alone.figures[0].told), ([], "yield_apart", "yield"))
    for target_text, part in [("<= 6 us", "in us"), ("<= 2 x ghc", "ghc"), ("<= 6", "not a t"),
                              (">= 6 ns", "wrong way"), ("<= 6 ns (tokio 2)", "tokio")]:
        refused(ValueError, part, rows.parse_rows,
                tsv(f"2|Yield|run|1|9|50|st go|yield|ns|lower|{target_text}"))
    refused(ValueError, "cells", rows.parse_rows, tsv("2|Yield"))


def test_table_agrees():
    """rows.tsv is well formed, and Rows.md tells the same rows, programs and figures."""
    works, _ = rows.read_rows()
    told = {}
    for line in (rows.HERE / "Rows.md").read_text().splitlines():
        if match := re.match(r"\| (\d+) \| (\w+) \|", line):
            told[(int(match.group(1)), match.group(2))] = line
    equal(sorted({(work.row, work.program) for work in works}), sorted(told))
    for work in works:
        line = told[(work.row, work.program)]
        for figure in work.figures:
            name = re.sub(r"_c\d+$", "", figure.name)
            assert "the same |" in line or "the same, and" in line or f"`{name}" in line, (
                f"{work.title()}: no {name} in Rows.md")


def test_servers_have_rounds():
    """Who is judged by a few per cent of a server's rate takes part in 15 rounds."""
    works, _ = rows.read_rows()
    for work in works:
        if work.row in (8, 9, 10, 18, 22):
            assert work.rounds >= (3 if work.how == "calls" else 15), f"{work.title()}: few rounds"


def test_peers_have_rows():
    """No program of a peer is forgotten."""
    works, _ = rows.read_rows()
    known = {program.source for work in works for program in work.programs()}
    known |= {rows.IDLE_CONNECTIONS.source, rows.LISTENERS.source, rows.PRICES.source}
    for language, suffix in rows.SUFFIX.items():
        folder = rows.HERE / "peers" / language / ("src/bin" if language == "tokio" else "")
        for source in folder.glob(f"*.{suffix}"):
            assert source in known or source.stem == "Bench", f"{source.name} stands in no row"


# ---- Rounds and verdicts -------------------------------------------------------------------------


def fake_program(folder, peer, body):
    path = pathlib.Path(folder) / peer
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return rows.Program("Fake", peer, "c", path, path)


def fake_work(folder, target_text, **bodies):
    """A work whose programs are shell scripts; one that has no body is missing."""
    works, _ = rows.parse_rows(tsv(f"2|Fake|run|1|3|9|st go tbb|fake|ns|lower|{target_text}"))
    programs = [fake_program(folder, peer, body) for peer, body in bodies.items()]
    works[0].programs = lambda: programs
    missing = {program: "no program" for program in programs if program.peer == "tbb"}
    with contextlib.redirect_stderr(io.StringIO()):
        return measure.measure_work(works[0], missing)


def test_measuring():
    with tempfile.TemporaryDirectory() as folder:
        result = fake_work(
            folder, "<= 6 ns", ours='[ "$*" = "--cores 1" ] && echo fake 5 ns',
            st="echo out of luck >&2; exit 3", go="echo fake 5 us", tbb="")
        equal(result.rounds, {"fake": {OURS: {0: 5.0, 1: 5.0, 2: 5.0}}})
        equal(result.missing, {"tbb": "no program", "st": "exit 3: out of luck",
                               "go": "tells fake in us, not in ns"})
        with unittest.mock.patch.dict(measure.HOW, run=lambda *_: [][0]):
            result = fake_work(folder, "<= 6 ns", ours="")
        assert "IndexError" in result.missing[OURS], result.missing
        result = fake_work(folder, "<= 6 ns", ours="echo other 5 ns", st="echo fake 4 ns")
        equal(result.missing, {OURS: "does not tell fake"})
        equal(table.line_of(result, result.work.figures[0], {}, True)[1], "missing")
        result = fake_work(folder, "<= 6 ns (st 12)", ours="echo fake 5 ns", st="echo fake 8 ns",
                           go="echo fake 9 ns")
        lines = []
        with contextlib.redirect_stderr(io.StringIO()):
            verdicts = [table.print_table([result], {"st": "1.9"}, is_reference, lines.append)
                        for is_reference in (True, False)]
        equal(verdicts, [["ok"], ["short"]])  # 5 <= 6 here; 5/8 > 6/12 elsewhere
        equal(lines[0].split("\t"), ["2", "fake 1c", "5 ns", "st=8 go=9 tbb=-", "0.625 x st 1.9",
                                     "<= 6 ns", "ok", "5 [5, 5] of 3"])
        equal(lines[1].split("\t")[5:], ["<= 0.5 x st", "short", "0.625 [0.625, 0.625] of 3"])
        assert "st" in plot.script([result], ["# today"]), "a bar for each peer"


def test_ways():
    works = rows.read_rows()[0]
    skynet, ring, bank = (next(work for work in works if work.row == row) for row in (7, 5, 33))
    equal(skynet.names, {"skynet", "skynet_rss"})  # neither is a way of the other
    told = {"skynet": (5.0, "ms"), "skynet_et": (4.0, "ms"), "skynet_rss": (9.0, "MiB")}
    equal(measure.sort_figures(skynet, "raw", told),
          {"skynet": {"raw": 5.0, "raw_et": 4.0}, "skynet_rss": {"raw": 9.0}})
    equal(measure.sort_figures(skynet, "go", {"skynet": (5.0, "ms")}), {"skynet": {"go": 5.0}})
    refused(Failure, "skynet_rss", measure.sort_figures, skynet, OURS, {"skynet": (5.0, "ms")})
    refused(Failure, "skynet", measure.sort_figures, skynet, "go", {})
    equal(measure.sort_figures(ring, "go", {"ring": (5.0, "ns")}),  # for ring_box as well
          {"ring": {"go": 5.0}, "ring_box": {"go": 5.0}})
    equal(measure.sort_figures(ring, OURS, {"ring": (5.0, "ns"), "ring_box": (6.0, "ns")}),
          {"ring": {OURS: 5.0}, "ring_box": {OURS: 6.0}})
    refused(Failure, "ring_box", measure.sort_figures, ring, OURS, {"ring": (5.0, "ns")})
    equal(measure.sort_figures(bank, "ghc", {"bank": (5.0, "ns"), "bank_disjoint": (4.0, "ns")}),
          {"bank": {"ghc": 5.0}})  # row 34's
    figure = rows.Figure("f", "ns", "lower", None)
    by_peer = {OURS: {0: 2.0}, "ours_way": {0: 1.0}, "raw": {0: 5.0}, "raw_et": {0: 4.0}}
    equal(table.compare_best(figure, by_peer, {"raw": "7"}), "0.5 x raw_et 7")


def test_verdicts():
    figure = rows.Figure("f", "us", "lower", target.parse_target("<= 1.04 x raw"))
    raw = {number: 4.0 + number / 10 for number in range(15)}
    for factor, verdict in [(1.03, "ok"), (1.05, "short")]:
        by_peer = {OURS: {number: value * factor for number, value in raw.items()}, "raw": raw}
        equal(table.judge(figure, by_peer, True)[1], verdict)
    equal(table.judge(figure, {OURS: raw}, True)[1], "no raw")
    way = figure._replace(target=target.parse_target("<= 1.1 x ours_way"))
    equal(table.judge(way, {OURS: {0: 3.0}, "ours_way": {0: 2.9}}, True)[1], "ok")
    equal(table.judge(figure._replace(target=None), {OURS: raw}, True)[1], "-")
    by_peer = {OURS: {0: 5.0}, "floor": {0: 4.0}}
    equal(table.compare_best(figure, by_peer, {}), "1.25 x floor")
    equal(table.compare_best(figure, {**by_peer, "go": {0: 10.0}}, {}), "0.5 x go")
    equal(table.compare_best(figure, {OURS: {0: 5.0}}, {}), "-")
    equal(table.count_verdicts(["ok", "-", "ok", "short"]),
          ("2 ok, 1 short, 0 missing, 0 without the peer that judges", 0))
    equal(table.count_verdicts(["ok", "no raw", "missing", "no ours_way"]),
          ("1 ok, 0 short, 1 missing, 2 without the peer that judges", 3))


def run():
    tests = [(name, test) for name, test in sorted(globals().items()) if name.startswith("test_")]
    faults = 0
    for name, test in tests:
        try:
            test()
        except AssertionError as error:
            faults += 1
            print(f"{name}: {error}")
    print(f"bench.py: self-test, {len(tests)} tests, {faults} faults")
    return 1 if faults else 0
