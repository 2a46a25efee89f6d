#!/usr/bin/env python3
"""mutate.py -- is every memory order needed?  Weaken each by one step: a model must fail.

    mutate.py --equivalents testsuite/model/equivalents.txt [--timeout S] [--jobs N] [--share N]
              PROGRAM...
    mutate.py --self-test

PROGRAM are model programs (Explorer.h: modelMain).  Each is run once to collect its sites; sites in
iomgr/, capability/ and rts/ count.  Then every mutation, one at a time, runs in each model that
executes the site until one fails.  One that no model notices must stand in the equivalents file:

    File.c TEXT MACRO -> ORDER : reason why the weaker order is as good

TEXT is a part of the source line, or the name of the function around it; with File.c and MACRO it
must mean one site only.  Lines that begin with # are comments.  Exit 1: survivors; entries that are
unused, ambiguous or killed after all; runs that were truncated or timed out (they prove nothing).
"""
import argparse
import collections
import concurrent.futures
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import zlib

FOLDERS = ("iomgr", "capability", "rts")
WEAKER = {
    ("load", "SEQ_CST"): ["ACQUIRE"],
    ("load", "ACQUIRE"): ["RELAXED"],
    ("store", "SEQ_CST"): ["RELEASE"],
    ("store", "RELEASE"): ["RELAXED"],
    ("rmw", "SEQ_CST"): ["ACQ_REL"],
    ("rmw", "ACQ_REL"): ["ACQUIRE", "RELEASE"],
    ("rmw", "ACQUIRE"): ["RELAXED"],
    ("rmw", "RELEASE"): ["RELAXED"],
    ("barrier", "SEQ_CST"): ["NOTHING"],
}
ENTRY = re.compile(r"^(\S+)\s+(\S.*?)\s+(\S+)\s+->\s+([A-Z_]+)\s+:\s+(\S.*)$")
SITE = re.compile(r"^(.*):(\d+) (\S+)$")

PATIENCE = 10  # so much longer than its time on a core a run may take
# A model's own doing: not of one that was killed because there was no memory.
FATAL = {-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS}

Site = collections.namedtuple("Site", "path line macro")  # path relative to the root
Entry = collections.namedtuple("Entry", "number file text macro order reason")


def relative_path(path, root):
    """The path below the root if it lies in one of FOLDERS, else None."""
    if os.path.isabs(path):
        path = os.path.relpath(path, root)
    path = os.path.normpath(path)
    while path.startswith("../"):
        path = path[3:]
    return path if path.split("/")[0] in FOLDERS else None


def run_program(program, arguments, environment, timeout_s):
    """Exit status (None: timed out) and output.  The limit is of its own time on a core: others may
    have the core meanwhile."""
    limited = ["sh", "-c", f'ulimit -S -t {math.ceil(timeout_s)}; exec "$0" "$@"', program]
    try:
        done = subprocess.run([*limited, *arguments], env={**os.environ, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout_s * PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return None, ""
    status = None if done.returncode == -signal.SIGXCPU else done.returncode
    return status, done.stdout.decode(errors="replace")


def run_for_sites(program, timeout_s):
    """The lines "model <tab> kind <tab> order <tab> site" of one program, run as it is."""
    with tempfile.NamedTemporaryFile("r", suffix=".sites") as listing:
        environment = {"CAPRI_MODEL_SITES": listing.name}
        status, output = run_program(program, [], environment, timeout_s)
        if status != 0:
            raise SystemExit(f"{program}: exit {status} without any mutation\n{output}")
        return listing.read().splitlines()


def collect_sites(programs, root, timeout_s, jobs):
    """({Site: (kind, order)}, {Site: [(program, model, site as the program spells it)]})."""
    kinds, runs = {}, collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        listings = pool.map(lambda program: run_for_sites(program, timeout_s), programs)
    for program, lines in zip(programs, listings):
        for model, kind, order, spelled in (line.split("\t") for line in lines):
            match = SITE.match(spelled)
            path = relative_path(match.group(1), root) if match else None
            if not path:
                continue
            site = Site(path, int(match.group(2)), match.group(3))
            kinds[site] = ("rmw" if kind == "cas" else kind, order)
            if (program, model, spelled) not in runs[site]:
                runs[site].append((program, model, spelled))
    return kinds, runs


def try_mutation(runs, order, timeout_s):
    """("killed" | "survived" | "undecided", by which model or why undecided)."""
    undecided = None
    for program, model, spelled in runs:
        environment = {"CAPRI_MODEL_WEAKEN": f"{spelled}={order}"}
        status, output = run_program(program, ["--only", model], environment, timeout_s)
        where = f"{os.path.basename(program)} {model}"
        if status == 1 and f"\n{model}: FAILED:" in "\n" + output:
            return "killed", where
        if status in FATAL:
            return "killed", f"{where} (signal {-status})"
        if status is None:
            undecided = f"{where}: more than {timeout_s} s"
        elif status != 0:
            undecided = f"{where}: exit {status}: {output.strip().splitlines()[-1:]}"
    return ("undecided", undecided) if undecided else ("survived", None)


def source_texts(site, root):
    """(the source line, the function around it)."""
    lines = (root / site.path).read_text().splitlines()
    index = min(site.line, len(lines)) - 1
    line = lines[index]
    if site.macro not in line:  # a macro call over several lines has the number of one of them
        line = " ".join(lines[max(0, index - 2):index + 3])
    function = ""
    for above in reversed(lines[:index + 1]):
        bare = re.sub(r"__attribute__\(\(.*?\)\)", "", above)
        match = re.match(r"[A-Za-z_][^;=]*?\b(\w+)\(", bare)
        if match and not above.rstrip().endswith(";"):
            function = match.group(1)
            break
    return " ".join(line.split()), function


def read_entries(path):
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = ENTRY.match(line.strip())
        if not match:
            raise SystemExit(f"{path}:{number}: not 'File.c TEXT MACRO -> ORDER : reason'")
        entries.append(Entry(number, *match.groups()))
    return entries


def entry_matches(entry, site, order, root):
    if (entry.macro, entry.order) != (site.macro, order):
        return False
    if entry.file not in (site.path, os.path.basename(site.path)):
        return False
    line, function = source_texts(site, root)
    return " ".join(entry.text.split()) in line or entry.text == function


def judge(results, entries, root):
    """Lines to complain with; results: {(Site, order): (verdict, detail)}."""
    complaints, excused = [], set()
    for entry in entries:
        matched = [key for key in results if entry_matches(entry, *key, root)]
        name = f"equivalents line {entry.number} ({entry.file} {entry.text} {entry.macro})"
        if len(matched) != 1:
            complaints.append(f"{name}: means {len(matched)} mutations, not one")
        elif results[matched[0]][0] == "killed":
            complaints.append(f"{name}: is not equivalent, killed by {results[matched[0]][1]}")
        excused.update(matched if len(matched) == 1 else [])
    for (site, order), (verdict, detail) in sorted(results.items()):
        name = f"{site.path}:{site.line} {site.macro} -> {order}"
        if verdict == "undecided":
            complaints.append(f"UNDECIDED {name}: {detail}")
        elif verdict == "survived" and (site, order) not in excused:
            line, function = source_texts(site, root)
            complaints.append(f"SURVIVED {name}, in {function}: {line}")
    return complaints


def in_share(site, order, share, root):
    """Is this mutation one of the share?  Chosen by what it is, not by its line or by the commit:
    an edit elsewhere changes nothing."""
    line, function = source_texts(site, root)
    return zlib.crc32(f"{site.path} {function} {line} {order}".encode()) % share == 0


def mutate(programs, equivalents, root, timeout_s, jobs, share=1, tell=lambda *_: None):
    """Run it all; returns (results, complaints).  share: only every share-th mutation is run, the
    same ones every time; what is listed as equivalent, and so survives every model, is believed.
    tell(site, order, verdict, detail) is called as soon as a verdict is known."""
    entries = read_entries(equivalents) if equivalents else []
    kinds, runs = collect_sites(programs, root, timeout_s, jobs)
    keys = [(site, order) for site in sorted(kinds) for order in WEAKER.get(kinds[site], [])]
    believed = {key for key in keys if share > 1 and
                any(entry_matches(entry, *key, root) for entry in entries)}
    tried = [key for key in keys if key not in believed and in_share(*key, share, root)]

    def verdict(key):
        found = try_mutation(runs[key[0]], key[1], timeout_s)
        tell(*key, *found)
        return found

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        results = dict(zip(tried, pool.map(verdict, tried)))
    results.update((key, ("survived", None)) for key in believed)
    return results, judge(results, entries, root)


FAKE_PROGRAM = """#!/usr/bin/env python3
import os, signal, sys
site = {root!r} + "/iomgr/Fake.c:%d %s"
sites = {{"a": site % (3, "RELEASE_STORE"), "b": site % (4, "ACQUIRE_LOAD"),
         "c": site % (5, "ACQUIRE_LOAD"), "d": site % (7, "CAS_ACQ_REL"),
         "e": site % (8, "ACQUIRE_LOAD")}}
weaken = os.environ.get("CAPRI_MODEL_WEAKEN")
if not weaken:
    with open(os.environ["CAPRI_MODEL_SITES"], "a") as out:
        for kind, order, at in (("store", "RELEASE", sites["a"]), ("load", "ACQUIRE", sites["b"]),
                                ("load", "ACQUIRE", sites["c"]), ("cas", "ACQ_REL", sites["d"]),
                                ("load", "ACQUIRE", sites["e"]),
                                ("load", "SEQ_CST", "testsuite/FakeModel.c:1 SEQ_CST_LOAD")):
            out.write("\\t".join(("one", kind, order, at)) + "\\n")
    sys.exit(0)
assert sys.argv[1:] == ["--only", "one"]
name, order = weaken.split("=")
if name == sites["a"]:
    print("one: FAILED: check"); sys.exit(1)
if name == sites["d"] and order == "ACQUIRE":
    print("one: TRUNCATED: more than 5 executions"); sys.exit(1)
while name == sites["d"]:
    pass
if name == sites["e"]:
    os.kill(os.getpid(), signal.SIGKILL)
"""
FAKE_SOURCE = """int fakeSend(int *at)
{
    RELEASE_STORE(at, 1);
    if (ACQUIRE_LOAD(at + 1)) return 1;
    return ACQUIRE_LOAD(at + 2);
}
bool fakeTry(int *at) { return CAS_ACQ_REL(at, at + 1, 2); }
int fakeLook(int *at) { return ACQUIRE_LOAD(at + 3); }
"""


def self_test():
    """Every kind of complaint, provoked once by a program that only pretends."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / "iomgr").mkdir()
        (root / "iomgr/Fake.c").write_text(FAKE_SOURCE)
        program = root / "FakeModel"
        program.write_text(FAKE_PROGRAM.format(root=str(root)))
        program.chmod(0o755)
        listing = root / "equivalents.txt"
        cases = [
            ("", ["SURVIVED iomgr/Fake.c:4", "SURVIVED iomgr/Fake.c:5"]),
            ("Fake.c at + 1 ACQUIRE_LOAD -> RELAXED : x\n", ["SURVIVED iomgr/Fake.c:5"]),
            ("Fake.c (at + 1) ACQUIRE_LOAD -> RELAXED : x\n"
             "iomgr/Fake.c (at + 2) ACQUIRE_LOAD -> RELAXED : y\n", []),
            ("Fake.c fakeSend ACQUIRE_LOAD -> RELAXED : two\n",
             ["means 2 mutations", "SURVIVED iomgr/Fake.c:4", "SURVIVED iomgr/Fake.c:5"]),
            ("Fake.c fakeSend RELEASE_STORE -> RELAXED : no\n",
             ["not equivalent, killed by FakeModel one", "SURVIVED", "SURVIVED"]),
            ("Fake.c fakeGone RELEASE_STORE -> RELAXED : old\n",
             ["means 0 mutations", "SURVIVED", "SURVIVED"]),
        ]
        always = ["UNDECIDED iomgr/Fake.c:7 CAS_ACQ_REL -> ACQUIRE", "UNDECIDED iomgr/Fake.c:7",
                  "UNDECIDED iomgr/Fake.c:8"]
        results = None
        for text, wanted in cases:
            listing.write_text("# comment\n" + text)
            if results is None:
                results, complaints = mutate([str(program)], listing, root, 1, 4)
            else:
                complaints = judge(results, read_entries(listing), root)
            left = list(complaints)
            for part in wanted + always:
                found = next((line for line in left if part in line), None)
                assert found, f"{text!r}: no complaint with {part!r} in {complaints}"
                left.remove(found)
            assert not left, f"{text!r}: too many complaints: {left}"
    print("mutate.py: self-test ok")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--equivalents", type=pathlib.Path)
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--timeout", type=float, default=60,
                        help="seconds on a core for one run")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--share", type=int, default=1, help="run every SHARE-th mutation only")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="say each verdict as it is known")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM")
    arguments = parser.parse_args()
    if arguments.self_test:
        self_test()
        return 0
    programs = [os.path.abspath(program) for program in arguments.programs]

    def tell(site, order, verdict, detail):
        if arguments.verbose:
            by = f" by {detail}" if verdict == "killed" else ""
            print(f"{verdict} {site.path}:{site.line} {site.macro} -> {order}{by}", flush=True)

    results, complaints = mutate(programs, arguments.equivalents, arguments.root.resolve(),
                                 arguments.timeout, arguments.jobs, arguments.share, tell)
    for line in complaints:
        print(line)
    killed = sum(verdict == "killed" for verdict, _ in results.values())
    print(f"{len(results)} mutations, {killed} killed, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
