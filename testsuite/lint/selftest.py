#!/usr/bin/env python3
"""selftest.py -- the lint can fail: each violation is planted in a clean little tree and told."""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FORMAT = HERE.parents[1] / ".clang-format"


def header(folder, name, body=""):
    guard = f"{folder}_{name}_H".upper().replace("/", "_")
    return f"/* {name}.h -- a thing. */\n#ifndef {guard}\n#define {guard}\n\n{body}\n#endif\n"


def source(folder, name, body, mark=""):
    return (f'/* {name}.c -- a thing.{mark}\n *\n * Owns  nothing.\n */\n'
            f'#include "{folder}/{name}.h"\n\n{body}')


def pair(folder, name, mark=""):
    noun = name[0].lower() + name[1:]
    return {
        f"{folder}/{name}.h": header(folder, name, f"int {noun}Get(void);\n"),
        f"{folder}/{name}.c": source(folder, name, f"int {noun}Get(void)\n{{\n    return 1;\n}}\n",
                                     mark),
    }


CLEAN = {
    "README.md": "# A house\n\nSee Note [Reason].\n",
    "include/capri/thing.h": "/* capri/thing.h -- a thing. */\n#include <stdint.h>\n\n"
                             "int64_t thingGet(void);\n",
    "include/internal/Base.h": header("internal", "Base", "/* Note [Reason]\n *   It is.\n */\n"),
    **pair("iomgr", "Slot", " [path 1/6]"),
    **pair("iomgr", "Table", " [path 2/6]"),
    **pair("capability", "Queue", " [path 3/6]"),
    **pair("capability", "Idle", " [path 4/6]"),
    **pair("rts", "Wait", " [path 5/6]"),
    **pair("rts", "Self", " [path 6/6]"),
    "docs/examples/httpd.c": "#include <capri/thing.h>\n\nint main(void)\n{\n    return 0;\n}\n",
    "testsuite/lint/ratchet.txt": "# kind path name value\n",
}

LONG_FUNCTION = "int slotLong(int x)\n{\n" + "    x++;\n" * 60 + "    return x;\n}\n"


def append(path, text):
    return lambda files: files.update({path: files[path] + text})


def insert(path, text):
    """After the include of a .c file, or after the guard of a header."""
    def plant(files):
        mark = "\n\n"
        files[path] = files[path].replace(mark, "\n" + text + mark, 1)
    return plant


def put(path, text):
    return lambda files: files.update({path: text})


def replace(path, old, new):
    return lambda files: files.update({path: files[path].replace(old, new, 1)})


# rule, what is planted, what the report must say
VIOLATIONS = [
    ("layers", insert("iomgr/Slot.c", '#include "capability/Queue.h"'), "includes go down"),
    ("layers", insert("capability/Queue.c", '#include "rts/Wait.h"'), "includes go down"),
    ("layers", insert("include/internal/Base.h", '#include "iomgr/Slot.h"'), "includes go down"),
    ("layers", insert("iomgr/Slot.c", '#include "Table.h"'), "no such file"),
    ("layers", lambda files: (put("iomgr/backend/Poll.h", header("b", "Poll"))(files),
                              insert("rts/Wait.c", '#include "iomgr/backend/Poll.h"')(files)),
     "not a door of iomgr"),
    ("layers", lambda files: (put("testsuite/T.h", "")(files),
                              insert("rts/Wait.c", '#include "testsuite/T.h"')(files)),
     "does not include its tests"),
    ("layers", replace("include/capri/thing.h", "<stdint.h>", "<ck_pr.h>"), "PUBLIC_INCLUDES"),
    ("layers", replace("include/capri/thing.h", "<stdint.h>", '"internal/Base.h"'), "only <...>"),
    ("layers", insert("docs/examples/httpd.c", '#include "rts/Wait.h"'), "only <...>"),
    ("layers", append("iomgr/Slot.c", "\nstruct Thread *slotOwner;\n"), "knows no Thread"),
    ("layers", append("capability/Queue.c", "\nstruct TVar *queueVar;\n"), "knows no TVar"),
    ("sizes", append("iomgr/Slot.c", "\n" * 500), "lines 5"),
    ("sizes", append("iomgr/Slot.c", LONG_FUNCTION), "function slotLong 64 > 60"),
    ("sizes", append("iomgr/Slot.c", "/* " + "x" * 100 + " */\n"), "columns 106"),
    ("sizes", append("testsuite/lint/ratchet.txt", "columns iomgr/Slot.c - 104\n"), "--tighten"),
    ("sizes", lambda files: (append("iomgr/Slot.c", "/* " + "x" * 100 + " */\n")(files),
                             append("testsuite/lint/ratchet.txt",
                                    "columns iomgr/Slot.c - 104\n")(files)), "has grown"),
    ("sizes", append("docs/examples/httpd.c", "\n" * 200), "promised to stay under 200"),
    ("atomics", append("rts/Wait.c", "int waitA(int *p)\n{\n    return __atomic_"
                       "load_n(p, 0);\n}\n"), "say it with SMP.h"),
    ("atomics", append("rts/Wait.c", "void waitA(void)\n{\n    __sync_" "synchronize();\n}\n"),
     "say it with SMP.h"),
    ("atomics", append("include/capri/thing.h", "extern _Atomic int thing;\n"), "_Atomic"),
    ("thread-local", append("rts/Wait.c", "static __thread int here;\n"), "has one file"),
    ("words", append("rts/Wait.c", "/* TO" "DO: more */\n"), "finish it"),
    ("words", append("README.md", "see /home" "/someone/notes\n"), "somebody's machine"),
    ("notes", append("rts/Wait.c", "/* Note [Lonely]\n * So it is. */\n"), "cited nowhere"),
    ("notes", append("rts/Wait.c", "/* See Note [Missing]. */\n"), "does not exist"),
    ("notes", append("rts/Wait.c", "/* Note [Reason]\n * Again. */\n"), "stands twice"),
    ("path-marks", replace("rts/Wait.c", " [path 5/6]", ""), "[path 5/6]"),
    ("path-marks", replace("rts/Wait.c", "5/6", "5/7"), "6 hops"),
    ("file-headers", replace("rts/Wait.c", "/* Wait.c -- ", "/* "), "first line is"),
    ("file-headers", replace("rts/Wait.c", "Owns", "Has"), "Owns or Tests"),
    ("mentions", append("rts/Wait.c", "/* rts/Gone.c does it. */\n"), "there is no rts/Gone.c"),
    ("names", append("rts/Wait.c", "int threadGet(void)\n{\n    return 1;\n}\n"), "threadGet"),
    ("names", append("rts/Wait.c", "int wait_get(void)\n{\n    return 1;\n}\n"), "wait_get"),
    ("top-level", put("src/x.c", ""), "top level"),
    ("headers-alone", append("include/capri/thing.h", "size_t thingSize(FILE *);\n"), "alone"),
    ("headers-alone", append("include/capri/thing.h", "int thingNew(int new, int class);\n"),
     "g++"),
    ("headers-alone", append("include/internal/Base.h", "static Wrong base;\n"), "alone"),
    ("format", append("rts/Wait.c", "int  waitTwo( void );\n"), "clang-format would"),
]


def write(folder, files):
    for path, text in files.items():
        target = pathlib.Path(folder) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (pathlib.Path(folder) / ".clang-format").write_text(FORMAT.read_text())


def lint(files, *options):
    with tempfile.TemporaryDirectory() as folder:
        write(folder, files)
        done = subprocess.run([sys.executable, HERE / "lint.py", "--root", folder, *options],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


def symbols_faults():
    """symbols.py sees a missing and an unpromised symbol."""
    promise = 'void thingGet(void) __asm__("capri_thingGet");\n'
    cases = [("capri_thingGet", 0, "1 promised"), ("capri_other", 1, "promised by no header"),
             ("capri_other", 1, "not exported")]
    for symbol, wanted_status, wanted_text in cases:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            write(folder, {"include/capri/thing.h": promise, "a.c": f"void {symbol}(void) {{}}\n",
                           "a.map": "CAPRI_0.1 { global: capri_*; local: *; };\n"})
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", root / "a.so", root / "a.c",
                            f"-Wl,--version-script={root}/a.map"], check=True)
            done = subprocess.run([sys.executable, HERE / "symbols.py", root / "a.so", "--root",
                                   root], capture_output=True, text=True, check=False)
            if done.returncode != wanted_status or wanted_text not in done.stdout:
                yield f"symbols.py on {symbol}: {done.returncode} {done.stdout}{done.stderr}"


def main():
    faults = list(symbols_faults())
    status, output = lint(CLEAN)
    if status != 0:
        faults.append("the clean tree is not clean:\n" + output)
    for rule, plant, wanted in VIOLATIONS:
        files = dict(CLEAN)
        plant(files)
        if files == CLEAN:
            faults.append(f"[{rule}] '{wanted}': nothing was planted")
        status, output = lint(files, "--only", rule)
        if status != 1 or wanted not in output:
            faults.append(f"[{rule}] '{wanted}' was not reported, but:\n{output}")
    print("\n".join(faults + [f"selftest: {len(VIOLATIONS) + 4} cases, {len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
