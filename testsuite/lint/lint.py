#!/usr/bin/env python3
"""lint.py -- the rules of the house that a machine can hold.  Exit 1 and one line per violation.

    lint.py [--root DIR] [--only RULE,...] [--tighten]

--tighten writes the present values into ratchet.txt where they have shrunk; nothing grows.
The rules are the data below; testsuite/lint/selftest.py shows that each can be broken and told.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

from names import EXPORT_PREFIXES

# ---- The rules, as data --------------------------------------------------------------------------

TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "Makefile", "README.md", "CHANGELOG.md", "LICENSE",
    "include", "iomgr", "capability", "rts", "testsuite", "docs", ".ci", ".clang-format",
    ".gitignore", ".gitattributes", ".editorconfig",
}

# Includes go down: a floor may include itself and what stands below it.
FLOORS = ["include/capri", "include/internal", "iomgr", "capability", "rts"]
# From another floor only through its doors: every header directly in a floor's folder, less these.
NOT_DOORS = {
    "iomgr": set(),
    "capability": set(),
    "rts": set(),
}
# Headers of a subfolder are private to their floor.  Gardens see everything, these do not: only
# <...>, that is the C library, <capri/...> and a peer's own library, and headers beside them.
STRANGERS = ["docs/examples", "testsuite/bench/peers"]

# What a floor must not even name (in code; comments may).
FOREIGN_WORDS = {
    "iomgr": ["Thread", "TVar", "Capability"],
    "capability": ["Thread", "TVar"],
}

# What include/capri may include besides <capri/...>.
PUBLIC_INCLUDES = {
    "errno.h", "limits.h", "netinet/in.h", "poll.h", "pthread.h", "signal.h", "stdarg.h",
    "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "string.h", "sys/socket.h", "sys/types.h",
    "sys/uio.h", "time.h",
}

LIMITS = {"lines": 500, "function": 60, "columns": 100}
EXAMPLE_LINES = {"docs/examples/httpd.c": 199}

ATOMICS = r"\b(__atomic_\w+|__sync_\w+|atomic_\w+|_Atomic)\b|<stdatomic\.h>|<threads\.h>"
ATOMICS_ALLOWED = ["include/internal/SMP.h", "include/internal/ck/", "testsuite/bench/peers/"]

THREAD_LOCAL = r"\b(_Thread_local|__thread|thread_local)\b"
THREAD_LOCAL_ALLOWED = ["rts/Self.c", "capability/Worker.c"]

HEADER_MENTIONS = ["Owns", "Tests"]  # the first comment of a file on a floor names one of them
PATH_HOPS = 6
UNFINISHED = r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b"
PRIVATE_PATHS = r"(?<![\w.$}])/(home|Users|root|work)/\w"

PUBLIC_COMPILERS = [
    ["gcc", "-std=c11", "-x", "c"],
    ["g++", "-std=c++17", "-x", "c++"],
]
INSIDE_COMPILER = ["gcc", "-std=gnu11", "-D_GNU_SOURCE=", "-DCAPRI_ASSERTIONS", "-x", "c"]
WARNINGS = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror"]

CODE = (".c", ".h", ".S")
TEXT = CODE + (".py", ".sh", ".md", ".txt", ".json", ".map")

# ---- The tree ------------------------------------------------------------------------------------


class File:
    """One text file: its text, its lines, and its code with comments and strings blanked out."""

    def __init__(self, root, path):
        self.path = path
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.split("\n")
        self.is_code = path.endswith(CODE)
        self.code = blank(self.text) if self.is_code else self.text

    def under(self, *folders):
        return any(self.path == f or self.path.startswith(f.rstrip("/") + "/") for f in folders)

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1


TOKENS = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text):
    """The same text, same offsets, with comments and the insides of literals as spaces."""

    def hide(match):
        found = match.group(0)
        keep = found[0] if found[0] in "\"'" else " "
        return keep + re.sub(r"[^\n]", " ", found[1:-1]) + keep

    return TOKENS.sub(hide, text)


def load(root):
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        paths = [p for p in listed.stdout.decode().split("\0") if p and (root / p).is_file()]
    else:
        paths = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
    paths = [p for p in paths if not p.startswith((".git/", "build/")) and "__pycache__" not in p]
    return sorted(set(paths)), [File(root, p) for p in sorted(set(paths)) if wanted(p)]


def wanted(path):
    return path.endswith(TEXT) or os.path.basename(path) in ("Makefile", "run")


def floor_of(path):
    for floor in FLOORS:
        if path.startswith(floor + "/"):
            return floor
    return None


# ---- Layers --------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def check_layers(tree):
    for file in tree.code_files():
        for match in INCLUDE.finditer(file.text):
            reason = include_fault(tree, file, match.group(1), match.group(2))
            if reason:
                yield file, file.line_of(match.start()), f"includes {match.group(2)}: {reason}"
        for floor, words in FOREIGN_WORDS.items():
            if file.under(floor):
                for match in re.finditer(r"\b(%s)\b" % "|".join(words), file.code):
                    yield (file, file.line_of(match.start()),
                           f"{floor}/ knows no {match.group(1)}: it belongs to a floor above")


def include_fault(tree, file, mark, name):
    if mark == "<":
        if name.startswith("capri/"):
            if "include/" + name not in tree.paths:
                return "there is no such header"
            return None
        if file.under("include/capri") and name not in PUBLIC_INCLUDES:
            return "not the C library (PUBLIC_INCLUDES)"
        return None
    if file.under(*STRANGERS) and f"{file.path.rpartition('/')[0]}/{name}" in tree.paths:
        return None
    if file.under("include/capri", *STRANGERS):
        return "only <...> here: the C library and <capri/...>"
    target = next((p for p in (name, "include/" + name) if p in tree.paths), None)
    if target is None:
        return "no such file from the repository root or include/"
    from_floor, to_floor = floor_of(file.path), floor_of(target)
    if target.startswith("testsuite/"):
        return None if from_floor is None else "a floor does not include its tests"
    if from_floor is None or to_floor is None or from_floor == to_floor:
        return None
    if FLOORS.index(to_floor) > FLOORS.index(from_floor):
        return f"includes go down, {to_floor} is above {from_floor}"
    rest = target[len(to_floor) + 1:]
    if to_floor in NOT_DOORS and ("/" in rest or rest in NOT_DOORS[to_floor]):
        return f"not a door of {to_floor}"
    return None


# ---- Sizes, as a ratchet -------------------------------------------------------------------------

FUNCTION_HEAD = re.compile(r"[A-Za-z_][\w\s*,()\[\].:\"&|+-]*\)\s*$", re.S)


def functions(file):
    """(name, head, first line, line count) of every function, found by its braces."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  file.code, flags=re.M)
    code = re.sub(r'extern\s+"[^"]*"\s*\{', lambda m: re.sub(r"[^\n]", " ", m.group(0)), code)
    depth, start, head = 0, 0, None
    for match in re.finditer(r"[{};]", code):
        mark = match.group(0)
        if mark == "{":
            if depth == 0:
                text = code[start:match.start()]
                head = text.strip() if FUNCTION_HEAD.match(text.strip()) else None
                first = file.line_of(start + len(text) - len(text.lstrip()))
            depth += 1
        elif mark == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if head:
                    bare = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", head)
                    name = re.search(r"(\w+)\s*\(", bare).group(1)
                    yield name, head, first, file.line_of(match.start()) - first + 1
                start, head = match.end(), None
        elif depth == 0:
            start = match.end()


def measure(tree):
    """{(kind, path, name): (value, line)} of everything above its limit."""
    found = {}
    for file in tree.files:
        if not file.path.endswith(CODE + (".py", ".sh")):
            continue
        count = len(file.lines) - (file.lines[-1] == "")
        if count > LIMITS["lines"]:
            found["lines", file.path, "-"] = (count, 1)
        width, line = max((len(text), number) for number, text in enumerate(file.lines, 1))
        if width > LIMITS["columns"]:
            found["columns", file.path, "-"] = (width, line)
        if file.is_code:
            for name, head, line, length in functions(file):
                if name == "TEST":
                    name = re.sub(r"\W+", ".", head.split("(", 1)[1]).strip(".")
                if length > LIMITS["function"]:
                    found["function", file.path, name] = (length, line)
    return found


def read_ratchet(tree):
    ratchet = {}
    path = tree.root / "testsuite/lint/ratchet.txt"
    for line in path.read_text().split("\n") if path.exists() else []:
        words = line.split("#")[0].split()
        if len(words) == 4:
            ratchet[words[0], words[1], words[2]] = int(words[3])
    return ratchet


def check_sizes(tree):
    found, ratchet = measure(tree), read_ratchet(tree)
    for key, (value, line) in sorted(found.items()):
        kind, path, name = key
        what = f"{kind}{'' if name == '-' else ' ' + name} {value} > {LIMITS[kind]}"
        if key not in ratchet:
            yield path, line, what
        elif value > ratchet[key]:
            yield path, line, f"{what}, and has grown: ratchet.txt allows {ratchet[key]}"
        elif value < ratchet[key]:
            yield path, line, f"has shrunk to {value}: run lint.py --tighten"
    for key in sorted(set(ratchet) - set(found)):
        yield key[1], 1, f"{key[0]} {key[2]} is within the limit now: run lint.py --tighten"
    for path, limit in EXAMPLE_LINES.items():
        file = tree.find(path)
        if file and len(file.lines) - 1 > limit:
            yield file, limit, f"promised to stay under {limit + 1} lines"


def tighten(tree):
    found, ratchet = measure(tree), read_ratchet(tree)
    path = tree.root / "testsuite/lint/ratchet.txt"
    comments = [line for line in path.read_text().split("\n") if line.startswith("#")]
    kept = {key: min(value, found[key][0]) for key, value in ratchet.items() if key in found}
    lines = [f"{kind} {file} {name} {value}" for (kind, file, name), value in sorted(kept.items())]
    path.write_text("\n".join(comments + lines) + "\n")


# ---- Words that must not be there ----------------------------------------------------------------


def check_atomics(tree):
    for file in tree.code_files():
        if not any(file.path.startswith(allowed) for allowed in ATOMICS_ALLOWED):
            for match in re.finditer(ATOMICS, file.code):
                yield file, file.line_of(match.start()), f"{match.group(0)}: say it with SMP.h"


def check_thread_local(tree):
    used = set()
    for file in tree.code_files():
        if floor_of(file.path):
            for match in re.finditer(THREAD_LOCAL, file.code):
                used.add(file.path)
                if file.path not in THREAD_LOCAL_ALLOWED or len(used) > 1:
                    yield file, file.line_of(match.start()), "thread-local storage has one file"


def check_words(tree):
    for file in tree.files:
        for pattern, why in ((UNFINISHED, "finish it or file an issue"),
                             (PRIVATE_PATHS, "a path of somebody's machine")):
            for match in re.finditer(pattern, file.text):
                yield file, file.line_of(match.start()), f"'{match.group(0)}': {why}"


# ---- Notes, path marks, headers of files ---------------------------------------------------------

NOTE = re.compile(r"Note \[([^\]\n]+)\]")
NOTE_BROKEN = re.compile(r"\bNote[ \t]*\n[ \t*/#]*\[([^\]\n]+)\]")
NOTE_DEFINITION = re.compile(r"^[ \t]*(?:/\*+|\*|//|#|;|@)?[ \t]*Note \[([^\]\n]+)\]")


def check_notes(tree):
    defined, cited = {}, {}
    for file in tree.files:
        if file.under("testsuite/lint"):
            continue
        for number, line in enumerate(file.lines, 1):
            definition = NOTE_DEFINITION.match(line) if file.is_code else None
            for match in NOTE.finditer(line):
                title, place = match.group(1), (file, number)
                if definition and match.end() == definition.end():
                    if title in defined:
                        yield (*place, f"Note [{title}] stands twice (or a citation breaks its line"
                               " before 'Note')")
                    defined.setdefault(title, place)
                else:
                    cited.setdefault(title, place)
        for match in NOTE_BROKEN.finditer(file.text):
            cited.setdefault(match.group(1), (file, file.line_of(match.start())))
    for title in sorted(set(defined) - set(cited)):
        yield (*defined[title], f"Note [{title}] is cited nowhere")
    for title in sorted(set(cited) - set(defined)):
        if title != "Title":
            yield (*cited[title], f"Note [{title}] does not exist")


def check_path_marks(tree):
    marks = {}
    for file in tree.code_files():
        if file.under("iomgr", "capability", "rts"):
            for match in re.finditer(r"\[path (\d+)/(\d+)\]", "\n".join(file.lines[:40])):
                marks.setdefault(int(match.group(1)), file)
                if int(match.group(2)) != PATH_HOPS:
                    yield file, file.line_of(match.start()), f"the path has {PATH_HOPS} hops"
    for hop in range(1, PATH_HOPS + 1):
        if hop not in marks:
            yield "docs/DataPath.md", 1, f"no file header bears [path {hop}/{PATH_HOPS}]"


def check_file_headers(tree):
    for file in tree.code_files():
        name = os.path.basename(file.path)
        shim = file.under("include/internal/ck")
        if file.under("iomgr", "capability", "rts", "include") and not shim:
            shown = file.path[len("include/"):] if file.under("include/capri") else name
            if not file.text.startswith((f"/* {shown} -- ", f"/* {name} -- ")):
                yield file, 1, f"the first line is '/* {shown} -- what it is'"
        if file.under("iomgr", "capability", "rts") and name.endswith(".c"):
            comment = file.text.split("*/", 1)[0]
            if not any(word in comment for word in HEADER_MENTIONS):
                yield file, 1, f"the first comment says {' or '.join(HEADER_MENTIONS)}"


MENTION = re.compile(r"(?<![\w/.-])(?:iomgr|capability|rts|testsuite|include|docs)"
                     r"/[\w/.-]*\w\.(?:c|h|S|md|py|sh)\b")


def check_mentions(tree):
    """Files that comments and docs name must exist (decisions and the change log tell history)."""
    for file in tree.files:
        if not file.path.endswith(CODE + (".md",)) or file.under("docs/Decisions", "CHANGELOG.md"):
            continue
        for match in MENTION.finditer(file.text):
            if match.group(0) not in tree.paths and "include/" + match.group(0) not in tree.paths:
                yield file, file.line_of(match.start()), f"there is no {match.group(0)}"


# ---- Names ---------------------------------------------------------------------------------------


def check_names(tree):
    for file in tree.code_files():
        if not file.path.endswith(".c") or not file.under("iomgr", "capability", "rts"):
            continue
        noun = pathlib.PurePath(file.path).stem.lower()
        for name, head, line, _ in functions(file):
            if re.search(r"\bstatic\b", head) or "constructor" in head:
                continue
            fits = name[0].islower() and "_" not in name and name.lower().startswith(noun)
            if not fits and not any(name.startswith(p) for p in EXPORT_PREFIXES.get(file.path, [])):
                yield file, line, f"{name} is exported, not named after its file (EXPORT_PREFIXES)"


def check_top_level(tree):
    for name in sorted({path.split("/")[0] for path in tree.paths} - TOP_LEVEL):
        yield name, 1, "does not belong to the top level"


# ---- Programs' opinions: compilers and clang-format ----------------------------------------------


def check_headers_alone(tree):
    jobs = []
    for file in tree.code_files():
        if not file.path.endswith(".h"):
            continue
        if file.under("include/capri"):
            jobs += [(file, [*cc, *WARNINGS, "-Iinclude"]) for cc in PUBLIC_COMPILERS]
        elif file.under("include/internal", "iomgr", "capability", "rts"):
            jobs.append((file, [*INSIDE_COMPILER, *WARNINGS, "-Iinclude", "-I."]))

    def compile_one(job):
        file, command = job
        return file, command, run(tree, [*command, "-include", file.path, "/dev/null"])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, command, (status, output) in pool.map(compile_one, jobs):
            if status != 0:
                errors = [text for text in output.split("\n") if "error" in text] or [output]
                yield file, 1, f"does not compile alone with {' '.join(command[:2])}: {errors[0]}"


def check_format(tree):
    paths = [file.path for file in tree.code_files() if file.path.endswith((".c", ".h"))]
    for start in range(0, len(paths), 100):
        status, output = run(tree, ["clang-format", "--dry-run", "-Werror",
                                    *paths[start:start + 100]])
        seen = set()
        for path, line in re.findall(r"^([^:\n]+):(\d+):\d+: error", output, re.M):
            if path not in seen:
                seen.add(path)
                yield path, int(line), "clang-format would change it: make format"
        if status != 0 and not seen:
            yield paths[start], 1, f"clang-format has failed: {output.strip()[:200]}"


def run(tree, command):
    done = subprocess.run(command, cwd=tree.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False)
    return done.returncode, done.stdout


# ---- Main ----------------------------------------------------------------------------------------

RULES = {
    "layers": check_layers,
    "sizes": check_sizes,
    "atomics": check_atomics,
    "thread-local": check_thread_local,
    "words": check_words,
    "notes": check_notes,
    "path-marks": check_path_marks,
    "file-headers": check_file_headers,
    "mentions": check_mentions,
    "names": check_names,
    "top-level": check_top_level,
    "headers-alone": check_headers_alone,
    "format": check_format,
}


class Tree:
    def __init__(self, root):
        self.root = root
        paths, self.files = load(root)
        self.paths = set(paths)

    def code_files(self):
        return [file for file in self.files if file.is_code]

    def find(self, path):
        return next((file for file in self.files if file.path == path), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--only", default=",".join(RULES))
    parser.add_argument("--tighten", action="store_true")
    options = parser.parse_args()
    tree = Tree(options.root)
    if options.tighten:
        tighten(tree)
    faults = 0
    for rule in options.only.split(","):
        for where, line, message in RULES[rule](tree):
            faults += 1
            print(f"{getattr(where, 'path', where)}:{line}: [{rule}] {message}")
    print(f"lint: {len(tree.files)} files, {len(RULES)} rules, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
