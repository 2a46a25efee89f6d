#!/usr/bin/env python3
"""instructions.py -- what one operation of each hot path costs, in instructions and system calls.

    instructions.py --program HotPaths --check | --update [PATH...] | --profile PATH
                    [--baseline FILE]
    instructions.py --self-test

--check    compare with the baseline; exit 1 if a path takes over 3 % more instructions, or 0.02
           more system calls; 77 (skipped) where the baseline is not for this compiler and
           processor, or there is no valgrind or its client requests were not compiled in
--update   write the baseline: of the PATHs what they take now, of the others what is lower, what
           they took or what they take now, so that nothing grows unseen
--profile  where PATH's instructions go, per operation: by function, then by source line

callgrind runs paths/HotPaths.c (see its Note [Counting the same twice]).  Counted is what the
worker executes in the runtime's own sources; what the C library, valgrind's idea of the kernel and
the benchmark itself execute is not, so that the figures hold on every machine with that compiler.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BASELINE = pathlib.Path(__file__).resolve().parent / "baseline" / "instructions.tsv"
MAY_GROW = 0.03
MAY_GROW_CALLS = 0.02
SKIPPED = 77
LIMIT_S = 60
JOBS = 2

FLOOR = re.compile(r"(?:^|/)((?:iomgr|capability|rts|include/internal|include/capri)/.*)$")
VALGRIND = ["valgrind", "-q", "--tool=callgrind", "--fair-sched=try", "--max-stackframe=16777216",
            "--collect-atstart=no", "--collect-systime=usec", "--compress-strings=no",
            "--compress-pos=no"]

Cost = collections.namedtuple("Cost", "instructions calls")


class Skip(Exception):
    """Nothing can be compared here; says why."""


# ---- Reading a profile ---------------------------------------------------------------------------


class Profile:
    """self_cost[(file, line)] of the runtime's sources; calls: system calls of all.

    callgrind charges system calls to functions even while it collects nothing: only its sum, which
    the dump before cleared, is of this run alone.
    """

    def __init__(self, lines):
        self.self_cost = collections.Counter()
        self.calls = 0
        events, state, inclusive = [], {"ob": "", "fl": "", "fn": ""}, False
        for line in lines:
            word = re.match(r"(ob|fl|fi|fe|fn|calls|events|summary)\s*[=:]\s*(.*)", line)
            if word and word[1] == "events":
                events = word[2].split()
            elif word and word[1] == "summary":
                self.calls = dict(zip(events, map(int, word[2].split()))).get("sysCount", 0)
            elif word and word[1] == "calls":
                inclusive = True  # the next line is what the callee cost
            elif word:
                state["fl" if word[1] in ("fi", "fe") else word[1]] = word[2]
            elif re.match(r"\d+ \d", line):
                if not inclusive:
                    self.add(state, events, [int(number) for number in line.split()])
                inclusive = False
        if "Ir" not in events:
            raise ValueError("no callgrind profile")

    def add(self, state, events, numbers):
        place = place_of(state["ob"], state["fl"], state["fn"])
        if place:
            self.self_cost[(place, numbers[0])] += numbers[1 + events.index("Ir")]


def place_of(object_file, source, function):
    """The source's path inside the project; None: not the runtime's.

    The file tells, not the function: callgrind takes what follows a switch for a part of what came
    before it.  A header of the system belongs to the program that it was inlined into; the
    context switch may have no source, unless the assembler was told to name it.
    """
    floor = FLOOR.search(source)
    if floor and "/testsuite/" not in source:
        return floor[1]
    ours = ".so" not in os.path.basename(object_file)
    if ours and source == "???" and function.startswith("context"):
        return re.sub(r"'\d+$", "", function)
    return source if ours and source.startswith("/usr/include/") else None


def difference(once, twice, count):
    """The price of one operation, from profiles of `count` and of twice as many."""
    cost = collections.Counter(twice.self_cost)
    cost.subtract(once.self_cost)
    price = {key: value / count for key, value in cost.items() if value}
    return price, (twice.calls - once.calls) / count


# ---- Running -------------------------------------------------------------------------------------


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode != 0:
        raise RuntimeError("%s: exit %d\n%s" % (" ".join(command), done.returncode, done.stderr))
    return done.stdout


def measure(program, path):
    """({(file, line): instructions}, system calls), each per operation."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "profile")
        printed = run(VALGRIND + ["--callgrind-out-file=" + out, program, "--path", path])
        name, count = printed.split()
        if name != path or not os.path.exists(out + ".4"):
            raise RuntimeError("%s left no profiles: %s" % (path, printed))
        profiles = [Profile(open(out + part, encoding="utf-8")) for part in (".2", ".4")]
    return difference(*profiles, int(count))


def measure_all(program):
    paths = run([program, "--list"]).split()
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        prices = list(pool.map(lambda path: measure(program, path), paths))
    return {path: Cost(sum(price.values()), calls)
            for path, (price, calls) in zip(paths, prices)}


# ---- The baseline --------------------------------------------------------------------------------


def write_baseline(about, costs):
    lines = ["# compiler\t" + about, "# path\tinstructions\tsystem calls (per operation)"]
    lines += ["%s\t%.1f\t%.2f" % (path, cost.instructions, round(cost.calls, 2) + 0.0)  # no -0.00
              for path, cost in costs.items()]
    return "\n".join(lines) + "\n"


def read_baseline(text):
    """(what compiled it, {path: Cost})."""
    about, costs = None, {}
    for line in text.splitlines():
        fields = line.split("\t")
        if fields[0] == "# compiler":
            about = fields[1]
        elif line and not line.startswith("#"):
            costs[fields[0]] = Cost(float(fields[1]), float(fields[2]))
    if about is None:
        raise ValueError("the baseline does not say for which compiler it is")
    return about, costs


def judge(path, old, new):
    """(failed, a word on it) for one path; old or new may be None."""
    if old is None:
        return True, "not in the baseline: --update"
    if new is None:
        return True, "in the baseline only: --update"
    if new.calls > old.calls + MAY_GROW_CALLS:
        return True, "FAILED: more system calls"
    change = new.instructions / old.instructions - 1
    if change > MAY_GROW:
        return True, "FAILED: may grow by %.0f %%" % (100 * MAY_GROW)
    if change < -MAY_GROW or new.calls < old.calls - MAY_GROW_CALLS:
        return False, "cheaper: --update keeps it so"
    return False, ""


def renewed(old, new, paths):
    """The baseline after an update of some paths: {path: Cost}."""
    return {path: cost if path in paths or path not in old else Cost(*map(min, old[path], cost))
            for path, cost in new.items()}


def compare(old, new):
    """Prints the table; True if a path failed."""
    failed = False
    print("%-14s %10s %10s %8s   %5s %5s" % ("path", "baseline", "now", "change", "calls", "now"))
    for path in list(old) + [path for path in new if path not in old]:
        was, now = old.get(path), new.get(path)
        bad, word = judge(path, was, now)
        failed |= bad
        if was and now:
            change = 100 * (now.instructions / was.instructions - 1)
            print("%-14s %10.1f %10.1f %+7.2f%%   %5.2f %5.2f  %s" %
                  (path, was.instructions, now.instructions, change, was.calls, now.calls, word))
        else:
            print("%-14s %s" % (path, word))
    return failed


# ---- What it can be asked ------------------------------------------------------------------------


def about_here(program):
    if shutil.which("valgrind") is None:
        raise Skip("there is no valgrind")
    about = run([program, "--about"]).strip()
    if "no valgrind requests" in about:
        raise Skip("the program was compiled without <valgrind/callgrind.h>")
    return about


def check(program, baseline):
    about = about_here(program)
    wanted, old = read_baseline(baseline.read_text(encoding="utf-8"))
    if about != wanted:
        raise Skip("the baseline is for '%s', this is '%s'" % (wanted, about))
    failed = compare(old, measure_all(program))
    if failed:
        print("A path grew.  --profile PATH shows where its instructions go; if the growth is "
              "worth it, --update PATH in the same commit and say why.")
    return 1 if failed else 0


def update(program, baseline, paths):
    about = about_here(program)
    costs = measure_all(program)
    unknown = [path for path in paths if path not in costs]
    if unknown:
        sys.exit("no such path: %s" % " ".join(unknown))
    old = {}
    if baseline.exists():
        wanted, old = read_baseline(baseline.read_text(encoding="utf-8"))
        old = old if wanted == about else {}  # another compiler's costs are no measure
    compare(old, costs)
    baseline.parent.mkdir(exist_ok=True)
    baseline.write_text(write_baseline(about, renewed(old, costs, paths)), encoding="utf-8")
    return 0


def functions_of(lines):
    """Per line of a source, from its first: the function that it stands in, or None."""
    names, name, inside = [], None, False
    for line in lines:
        label = re.match(r"([A-Za-z_]\w*):$", line)
        head = re.match(r"(?!typedef|struct|enum)(?=[A-Za-z_]).*?\b(\w+)\(",
                        line.replace("__attribute__((", "", 1))
        if not inside and (label or head):
            name = (label or head)[1]
        inside = (inside or line.startswith("{")) and not line.startswith("}")
        ended = line.startswith("}")
        names.append(name if inside or ended or label or line.startswith(" ") else None)
        if ended:
            name = None
    return names


def show_profile(program, path):
    about_here(program)
    price, calls = measure(program, path)
    functions, said, frames = collections.Counter(), {}, 0
    for (place, line), cost in price.items():
        source = pathlib.Path(__file__).resolve().parents[2] / place
        text = source.read_text(encoding="utf-8").splitlines() if source.exists() else []
        known = 0 < line <= len(text)
        said[(place, line)] = text[line - 1].strip() if known else ""
        functions[(functions_of(text)[line - 1] if known else "", place)] += cost
        frames += cost if said[(place, line)] in ("{", "}") else 0
    print("%s: %.1f instructions, %.2f system calls an operation" %
          (path, sum(price.values()), calls))
    print("%8.1f  of them to enter and leave functions" % frames)
    print("by function, inlined or not:")
    for (function, place), cost in functions.most_common():
        if cost >= 0.5:
            print("%8.1f  %-24s %s" % (cost, function, place))
    print("by line:")
    for (place, line), cost in sorted(price.items(), key=lambda item: -item[1])[:40]:
        print("%8.1f  %-30s %s" % (cost, "%s:%d" % (place, line), said[(place, line)]))
    return 0


# ---- Self-test -----------------------------------------------------------------------------------

SAMPLE = """# callgrind format
events: Ir sysCount sysTime
summary: 1800 %d 1322

ob=/x/HotPaths
fl=/x/rts/Schedule.c
fn=schedulePark'2
10 %d
cob=/lib/libc.so.6
cfi=./socket/recv.c
cfn=recv
calls=7 1
11 9999 70 1234
fi=/usr/include/gcc/x86_64/ck_pr.h
3 5
fe=/x/rts/Schedule.c
12 1
fl=???
fn=contextSwap
0 17
fn=(below main)
0 900
fl=/x/testsuite/bench/paths/HotPaths.c
fn=runYield
5 1000

ob=/lib/libc.so.6
fl=./socket/recv.c
fn=recv
20 300 70 88
fi=/x/rts/context/Context_x86_64.S
21 2
fi=/usr/include/bits/some.h
22 400
fl=???
0 500
"""


def expect(holds, what):
    if not holds:
        print("self-test failed:", what)
        sys.exit(1)


def self_test():
    once, twice = (Profile((SAMPLE % sizes).splitlines()) for sizes in ((10, 100), (30, 180)))
    wanted = {("rts/Schedule.c", 10): 100,
              ("/usr/include/gcc/x86_64/ck_pr.h", 3): 5,
              ("rts/Schedule.c", 12): 1,
              ("contextSwap", 0): 17, ("rts/context/Context_x86_64.S", 21): 2}
    expect(once.self_cost == wanted, "a profile was misread: %s" % once.self_cost)
    expect(once.calls == 10, "system calls")
    expect(difference(once, twice, 10) == ({("rts/Schedule.c", 10): 8.0}, 2.0),
           "the price of one operation")
    try:
        Profile(["no profile"])
        expect(False, "nonsense was taken for a profile")
    except ValueError:
        pass
    source = ["/* f(x) */", "static __attribute__((noinline)) int f(int a,", "        int b)", "{",
              "    g(a);", "}", "x"]
    expect(functions_of(source) == [None, None, "f", "f", "f", "f", None], "whose line it is")
    costs = {"yield": Cost(100.0, 0.0), "write": Cost(200.25, 2.0)}
    about, read = read_baseline(write_baseline("gcc 12", costs))
    expect(about == "gcc 12" and list(read) == ["yield", "write"], "a baseline was misread")
    expect(abs(read["write"].instructions - 200.25) < 0.06, "a baseline is rounded too far")
    expect("-0.00" not in write_baseline("", {"yield": Cost(1.0, -0.001)}), "0.00 has no sign")
    new = {"yield": Cost(102.0, 0.0), "write": Cost(210.0, 1.0), "fork": Cost(5.0, 0.0)}
    expect(renewed(costs, new, []) == {**new, "yield": Cost(100.0, 0.0),
                                       "write": Cost(200.25, 1.0)}, "an update lets paths grow")
    expect(renewed(costs, new, ["write"]) == {**new, "yield": Cost(100.0, 0.0)},
           "an update of one path")
    old = Cost(100.0, 1.0)
    for new, fails, hint in ((Cost(103.1, 1.0), True, "may grow"), (Cost(102.9, 1.0), False, ""),
                             (Cost(96.0, 1.0), False, "cheaper"), (Cost(90.0, 1.5), True, "calls"),
                             (None, True, "--update"), (Cost(100.0, 0.5), False, "cheaper")):
        failed, word = judge("path", old, new)
        expect(failed == fails and hint in word and bool(word) == bool(hint),
               "%s judged %s, '%s'" % (new, failed, word))
    expect(judge("path", None, old)[0], "a new path wants a baseline")
    expect(compare({"a": old}, {"a": Cost(104.0, 1.0)}), "one failure fails all")
    expect(not compare({"a": old}, {"a": old}), "nothing has changed")
    print("self-test passed")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program")
    parser.add_argument("--baseline", type=pathlib.Path, default=BASELINE)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true")
    action.add_argument("--update", nargs="*", metavar="PATH")
    action.add_argument("--profile", metavar="PATH")
    action.add_argument("--self-test", action="store_true")
    asked = parser.parse_args()
    if asked.self_test:
        return self_test()
    if asked.program is None:
        parser.error("--program is needed")
    try:
        if asked.profile:
            return show_profile(asked.program, asked.profile)
        if asked.check:
            return check(asked.program, asked.baseline)
        return update(asked.program, asked.baseline, asked.update)
    except Skip as skip:
        print("skipped:", skip)
        return SKIPPED


if __name__ == "__main__":
    sys.exit(main())
