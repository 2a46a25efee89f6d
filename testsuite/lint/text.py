#!/usr/bin/env python3
"""text.py LIBCAPRI.A -- the library knows where all of its machine code lies.

Every object of the archive has entries in capri_text (include/internal/Text.h) for each of its code
sections: from its first byte to its last.  What runs only before and after everything is left out.
Exit 0, 1 (something is not covered, or nothing was built).
"""
import pathlib
import re
import subprocess
import sys

SECTION = re.compile(r"^\s*\[\s*(\d+)\]\s+(\S+)\s+PROGBITS\s+\S+\s+\S+\s+([0-9a-f]+)\s+\S+\s+(\S*)")
ENTRY = re.compile(r"^\s*([0-9a-f]{16})\s+\S+\s+\S+\s+[0-9a-f]{16}\s+(\S+) \+ ([0-9a-f]+)$")
OTHER_TIMES = {".text.startup", ".text.exit"}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def members(archive):
    """(member, its lines) of readelf's listing."""
    listing = run("readelf", "-SrW", archive)
    for part in listing.split("\nFile: ")[1:]:
        name, _, text = part.partition("\n")
        yield name.rpartition("(")[2].rstrip(")"), text.split("\n")


def faults_of(member, lines):
    sizes, covered, begins, inside = {}, {}, {}, False
    for line in lines:
        section = SECTION.match(line)
        if section and "X" in section.group(4):
            sizes[section.group(2)] = int(section.group(3), 16)
        if line.startswith("Relocation section"):
            inside = "'.relacapri_text'" in line
        entry = ENTRY.match(line) if inside else None
        if entry:
            place, name, offset = int(entry.group(1), 16), entry.group(2), int(entry.group(3), 16)
            begins[place] = (name, offset)
            if begins.get(place - 8) == (name, 0) and place % 16 == 8:
                covered[name] = offset
    for name, size in sizes.items():
        if size != 0 and name not in OTHER_TIMES and covered.get(name) != size:
            yield f"{member}: {name} has {size} bytes, of which {covered.get(name, 0)} are known"


def main():
    archive = pathlib.Path(sys.argv[1])
    if not archive.exists():
        print(f"text: {archive} was not built")
        return 1
    count, faults = 0, []
    for member, lines in members(archive):
        count += 1
        faults += faults_of(member, lines)
    print("\n".join(faults + [f"text: {count} objects, {len(faults)} faults"]))
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
