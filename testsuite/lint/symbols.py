#!/usr/bin/env python3
"""symbols.py LIBCAPRI.SO [--root DIR] -- what the headers promise is what the library exports.

Every function of include/capri/*.h carries an asm label "capri_...".  The labels and the library's
dynamic symbols must be the same set, and every symbol must bear the version CAPRI_0.1.
Exit 0, 1 (they differ, or the library was not built).
"""
import argparse
import pathlib
import re
import subprocess
import sys

VERSION = "CAPRI_0.1"
ELSEWHERE = {"jemalloc.h"}  # what these headers promise is in a library of its own
LABEL = re.compile(r'__?asm(?:__)?\s*\(\s*((?:"[^"]*"\s*)+)\)')


def promised(root):
    labels = set()
    for header in sorted((root / "include/capri").glob("*.h")):
        if header.name in ELSEWHERE:
            continue
        text = subprocess.run(["gcc", "-std=gnu11", "-E", "-P", "-I", root / "include", header],
                              check=True, capture_output=True, text=True).stdout
        for match in LABEL.finditer(text):
            label = "".join(re.findall(r'"([^"]*)"', match.group(1)))
            if label.startswith("capri_"):
                labels.add(label)
    return labels


def exported(library):
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                             capture_output=True, text=True).stdout
    for line in listing.split("\n"):
        words = line.split()
        if len(words) == 3 and words[1] != "A":
            yield words[2].partition("@")[0], words[2].rpartition("@")[2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library", type=pathlib.Path)
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    if not options.library.exists():
        print(f"symbols: {options.library} was not built")
        return 1
    labels, symbols = promised(options.root), dict(exported(options.library))
    faults = [f"{name}: promised by a header, not exported" for name in labels - set(symbols)]
    faults += [f"{name}: exported, promised by no header" for name in set(symbols) - labels]
    faults += [f"{name}: version {version}" for name, version in symbols.items()
               if version != VERSION]
    print("\n".join(sorted(faults + [f"symbols: {len(labels)} promised, {len(symbols)} exported"])))
    return 1 if faults or not labels else 0


if __name__ == "__main__":
    sys.exit(main())
