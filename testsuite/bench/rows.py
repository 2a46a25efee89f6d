"""rows.py -- rows.tsv as data, and where the program of a row and a peer lies."""
import collections
import pathlib
import re

import target

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build/bench"
RELEASE = ROOT / "build/release"
OURS = "ours"

LANGUAGE = {  # a peer that is not here is a C program
    "fiber": "cpp", "tbb": "cpp", "go": "go", "ghc": "ghc", "tokio": "tokio", "rayon": "tokio",
    "luv": "lua", "luvone": "lua", "cqueues": "lua", "node": "node",
}
SUFFIX = {"c": "c", "cpp": "cpp", "go": "go", "ghc": "hs", "tokio": "rs", "lua": "lua",
          "node": "js"}
INTERPRETER = {"lua": "lua5.4", "node": "node"}  # of the languages that nobody compiles
CAPRI_LUA = RELEASE / "docs/examples/capri-lua"  # what runs a script of ours
ALONE = {"luvone": "luv"}  # one process on all cores, of another peer's script
PEERS_OF = {"PipeChainCallbacks": "PipeChain"}  # the same work by their one means of it
BORROWED = {("HttpLua", "raw"): "Http"}  # another row's program: what the kernel leaves to be won
PLAIN_NAMES = {"go", "ghc", "tokio"}  # their programs are called like the row's, without a suffix

# told: what the peers call it, if not the same: another way of ours to do what theirs do.
Figure = collections.namedtuple("Figure", "name unit better target told", defaults=[None])


class Program(collections.namedtuple("Program", "name peer language source binary")):
    """The program of a row and a peer, or of ours; binary is what is executed."""

    __slots__ = ()

    def is_script(self):
        return self.language in INTERPRETER

    def command(self, cores):
        """What starts it; the driver's options follow."""
        if not self.is_script():
            return [self.binary]
        return [self.binary, *(["--cpus", cores] if self.peer == OURS else []), self.source]


class Work:
    """One thing that is run, in turn by ours and the peers; it may give several figures."""

    def __init__(self, cells):
        self.row = int(cells["row"])
        self.program, _, self.backend = cells["program"].partition(":")
        self.how, *self.arguments = cells["how"].split()
        self.cores = int(cells["cores"])
        self.rounds = int(cells["rounds"])
        self.seconds = float(cells["seconds"])
        self.peers = [peer for peer in cells["peers"].split() if peer != "-"]
        self.figures = []
        self.names = set()  # of all figures of its program, of other rows, too

    def always(self):
        """Who takes part in every round: ours, and the peers that the targets name."""
        named = {figure.target.peer for figure in self.figures if figure.target}
        return {OURS} | (named & set(self.peers))

    def programs(self):
        return [find_program(self.program, name) for name in (OURS, *self.peers)]

    def title(self):
        how = "" if self.how == "run" else " " + " ".join([self.how, *self.arguments])
        backend = f" on {self.backend}" if self.backend else ""
        return f"row {self.row} {self.program}{backend}{how} {self.cores}c"


def find_program(name, peer):
    """The Program of a row's program and a peer, or of ours, whether it exists or not."""
    if peer == OURS and (script := HERE / f"{name}.lua").exists():
        return Program(name, peer, "lua", script, CAPRI_LUA)
    if peer == OURS:
        return Program(name, peer, "c", HERE / f"{name}.c", RELEASE / f"testsuite/bench/{name}")
    name = BORROWED.get((name, peer), PEERS_OF.get(name, name))
    language = LANGUAGE.get(peer, "c")
    file = name if peer in PLAIN_NAMES else f"{name}_{ALONE.get(peer, peer)}"
    folder = HERE / "peers" / language / ("src/bin" if language == "tokio" else "")
    source = folder / f"{file}.{SUFFIX[language]}"
    if language in INTERPRETER:
        return Program(name, peer, language, source, INTERPRETER[language])
    built = RELEASE / "testsuite/bench/peers" if language == "c" else BUILT / language
    return Program(name, peer, language, source, built / file)


def named_program(stem):
    """A program in C that belongs to no row."""
    return Program(stem, stem, "c", HERE / f"peers/c/{stem}.c",
                   RELEASE / f"testsuite/bench/peers/{stem}")


IDLE_CONNECTIONS = named_program("Idle_connections")
LISTENERS = named_program("Listeners")
PRICES = named_program("floors")


def parse_rows(text):
    """([Work], what the reference machine is) from the text of rows.tsv, or ValueError."""
    lines = text.splitlines()
    machine = next((line.split(":", 1)[1].strip() for line in lines
                    if line.startswith("# machine:")), None)
    head, *table = [line.split("\t") for line in lines if line and not line.startswith("#")]
    works, above = [], dict.fromkeys(head, "")
    keys = head[:head.index("figure")]
    for cells in table:
        if len(cells) != len(head):
            raise ValueError(f"{len(cells)} cells, not {len(head)}: {cells}")
        full = {column: cell or above[column] for column, cell in zip(head, cells)}
        if not works or any(full[key] != above[key] for key in keys):
            works.append(Work(full))
        figure_name, _, told = full["figure"].partition("=")
        figure = Figure(figure_name, full["unit"], full["better"],
                        target.parse_target(full["target"]), told or None)
        check_figure(works[-1], figure)
        works[-1].figures.append(figure)
        above = full
    for work in works:
        work.names = {figure.name for other in works if other.program == work.program
                      for figure in other.figures}
    return works, machine


def check_figure(work, figure):
    where = f"{work.title()}, {figure.name}"
    if figure.better not in ("lower", "higher"):
        raise ValueError(f"{where}: better is lower or higher, not '{figure.better}'")
    wanted = figure.target
    if wanted and wanted.unit not in (None, figure.unit):
        raise ValueError(f"{where}: the target is in {wanted.unit}, the figure in {figure.unit}")
    known = wanted is None or wanted.peer is None or wanted.peer in work.peers
    if not known and not wanted.peer.startswith(f"{OURS}_"):  # another way of ours
        raise ValueError(f"{where}: the target names {wanted.peer}, which is no peer of the row")
    if wanted and (wanted.op == ">=") != (figure.better == "higher"):
        raise ValueError(f"{where}: the target points the wrong way")


def read_rows():
    return parse_rows((HERE / "rows.tsv").read_text())


def select(works, words):
    """The works of the rows in words, "2 3 8" or "2,3,8"; all of them for nothing."""
    numbers = {int(word) for word in re.split(r"[\s,]+", words.strip()) if word}
    unknown = numbers - {work.row for work in works}
    if unknown:
        raise ValueError(f"no such row: {', '.join(map(str, sorted(unknown)))}")
    return [work for work in works if not numbers or work.row in numbers]
