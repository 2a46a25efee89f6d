#!/usr/bin/env python3
"""embedding.py -- does what docs/Embedding.md says, as a newcomer would, in an empty directory.

    embedding.py --source DIR --build DIR

Installs the build below a temporary prefix ($P; $CAPRI is the source), then takes the page's blocks
in turn:
    a program or file, whose first line names it (/* count.c */, # hello.vm), is written down;
    an excerpt (/* vm/Heap.c */) must stand in that file of docs/examples, word for word;
    after each "$ command" must come what the page shows below it; a block that wants a
    library which is not here (--libs capri NAME) is left out.
Exit 1 and the difference at the first that is not so; 77 without cc or pkg-config.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LIBRARY = re.compile(r"--libs capri ([\w.-]+)")
NAME = re.compile(r"^(?:/\* (\S+) \*/|# (\S+\.(?:vm|txt)))\n")
MARK = "==== embedding ===="


def blocks(page):
    """(line, language, text) of every block of the page."""
    for match in BLOCK.finditer(page):
        yield page.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def fail(line, what):
    sys.exit(f"docs/Embedding.md:{line}: {what}")


def named(text):
    """(name, the rest) of a block that names itself; (None, text) of another."""
    match = NAME.match(text)
    return (match.group(1) or match.group(2), text[match.end():]) if match else (None, text)


def commands(text):
    """[(command, what is to come)] of a console block."""
    result = []
    for line in text.splitlines():
        if line.startswith("$ "):
            result.append((line[2:], []))
        else:
            result[-1][1].append(line)
    return result


class Shell:
    """One shell for the whole page, so that what is exported stays."""

    def __init__(self, folder, variables):
        self.process = subprocess.Popen(["bash"], cwd=folder, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for name, value in variables.items():
            self.run(f"export {name}='{value}'")

    def run(self, command):
        """(status, lines) of it."""
        self.process.stdin.write(f"{{ {command}\n}} </dev/null\necho; echo '{MARK}' $?\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(MARK):
                lines = lines[:-1] if lines and lines[-1] == "" else lines
                return int(line.split()[-1]), lines
            lines.append(line.rstrip("\n"))
        return -1, lines


def is_possible(text):
    return all(subprocess.run(["pkg-config", "--exists", library]).returncode == 0
               for library in LIBRARY.findall(text))


def run_block(shell, line, text):
    for command, wanted in commands(text):
        status, got = shell.run(command)
        if status != 0 or got != wanted:
            fail(line, f"$ {command}\nexit {status}, and it says\n" + "\n".join(got)
                 + "\ninstead of\n" + "\n".join(wanted))


def follow(page, source, folder, shell):
    done = {"written": 0, "excerpts": 0, "run": 0}
    for line, language, text in blocks(page):
        name, rest = named(text)
        if language == "console" and not is_possible(text):
            print(f"docs/Embedding.md:{line}: left out")
        elif language == "console":
            run_block(shell, line, text)
            done["run"] += 1
        elif name is not None and "/" in name:
            if rest not in (source / "docs/examples" / name).read_text():
                fail(line, f"this does not stand in docs/examples/{name}")
            done["excerpts"] += 1
        elif name is not None:
            (folder / name).write_text(text)
            done["written"] += 1
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    options = parser.parse_args()
    if not shutil.which("cc") or not shutil.which("pkg-config"):
        print("skipped: no cc or no pkg-config")
        return 77
    page = (options.source / "docs/Embedding.md").read_text()
    with tempfile.TemporaryDirectory() as temporary:
        prefix, folder = pathlib.Path(temporary) / "prefix", pathlib.Path(temporary) / "empty"
        folder.mkdir()
        subprocess.run(["cmake", "--install", options.build, "--prefix", prefix], check=True,
                       stdout=subprocess.DEVNULL)
        shell = Shell(folder, {"P": prefix, "CAPRI": options.source.resolve()})
        done = follow(page, options.source, folder, shell)
    print(", ".join(f"{count} {what}" for what, count in done.items()))
    return 0 if all(done.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
