#!/usr/bin/env python3
"""away.py [--root DIR] -- each public function is in one list of testsuite/support/AwayCalls.h.

The lists say what becomes of a thread that was handed over and calls it: whoever adds a function
decides that, and the test calls it.  Exit 0 or 1.
"""
import argparse
import collections
import pathlib
import re
import sys

ELSEWHERE = {"jemalloc.h", "api.h"}
NAME = re.compile(r"CAPRI_NAME\((\w+)\)")
ROW = re.compile(r"^    X\((\w+),", re.M)


def promised(root):
    for header in sorted((root / "include/capri").glob("*.h")):
        if header.name not in ELSEWHERE:
            yield from NAME.findall(header.read_text())


def listed(root):
    text = (root / "testsuite/support/AwayCalls.h").read_text()
    yield from ROW.findall(text)
    apart = text[text.index("#define APART"):text.index("#endif", text.index("#define APART"))]
    for part in re.findall(r'"([^"]*)"', apart):
        yield from part.split()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    names, rows = set(promised(options.root)), collections.Counter(listed(options.root))
    faults = [f"{name}: in no list of AwayCalls.h" for name in names - set(rows)]
    faults += [f"{name}: listed, but no public function" for name in set(rows) - names]
    faults += [f"{name}: listed {count} times" for name, count in rows.items() if count != 1]
    print("\n".join(sorted(faults + [f"away: {len(names)} functions, {len(faults)} faults"])))
    return 1 if faults or not names else 0


if __name__ == "__main__":
    sys.exit(main())
