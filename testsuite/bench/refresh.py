#!/usr/bin/env python3
"""refresh.py -- puts the figures of a table that bench.py has left into docs/Performance.md.

    refresh.py build/bench/table-DATE.tsv

Lines are known by row and figure; what a row is called there stays; rows that were not run stay.
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEAD = "| row | work |"


def read_measured(path):
    """{row: [(figure, "ours | peers | target | verdict")]}, in the order of the table."""
    measured = {}
    for line in path.read_text().splitlines():
        cells = line.split("\t")
        if line.startswith("#") or len(cells) != 8:
            continue
        row, figure, ours, peers, _, target, verdict, told = cells
        told = "-" if verdict == "-" else f"{verdict} {told.split(' of ')[0]}"
        measured.setdefault(row, []).append((figure, f"{ours} | {peers} | {target} | {told}"))
    return measured


def refreshed(lines, measured):
    """The lines of a table in Markdown, with what was measured."""
    titles, old, order = {}, {}, []
    for line in lines:
        row, title, figure, rest = (cell.strip() for cell in line.strip("| ").split("|", 3))
        if row not in order:
            order.append(row)
            titles[row] = title
        old.setdefault(row, []).append((figure, rest))
    for row in measured:
        if row not in order:
            order.append(row)
            titles[row] = ""
    for row in sorted(order, key=int):
        for number, (figure, rest) in enumerate(measured.get(row) or old[row]):
            title = titles[row] if number == 0 else ""
            yield f"| {row} | {title} | {figure} | {rest} |".replace("|  |", "| |")


def main():
    page = ROOT / "docs/Performance.md"
    lines = page.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(HEAD)) + 2
    last = first
    while last < len(lines) and lines[last].startswith("|"):
        last += 1
    lines[first:last] = refreshed(lines[first:last], read_measured(pathlib.Path(sys.argv[1])))
    page.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
