"""build.py -- builds the programs that rows need; says of each that cannot be had why not."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

from rows import BUILT, HERE, INTERPRETER, OURS, RELEASE, ROOT

LOG = BUILT / "build.log"
GO = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "auto"}
CARGO = "/usr/bin/cargo"  # Debian's, whatever stands before it on PATH
RUST = {"RUSTC": "/usr/bin/rustc", "PATH": "/usr/bin:" + os.environ.get("PATH", "")}
PROOFS = {  # what an interpreter is asked to see whether it and its library are there
    "luv": ["-e", 'require "luv"'], "luvone": ["-e", 'require "luv"'],
    "cqueues": ["-e", 'require "cqueues.socket"'], "node": ["--version"],
}
CPP_LIBRARIES = {"fiber": ["-lboost_fiber", "-lboost_context"], "tbb": ["-ltbb"]}


def say(text):
    print(text, file=sys.stderr, flush=True)


def execute(command, folder=ROOT, environment=None):
    """Did it succeed?  Everything it says goes to the log."""
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(map(str, command))}\n")
        log.flush()
        try:
            done = subprocess.run([str(word) for word in command], cwd=folder, stdout=log,
                                  stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                                  env={**os.environ, **(environment or {})})
        except OSError as error:
            log.write(f"{command[0]}: {error.strerror}\n")
            return False
    return done.returncode == 0


def is_fresh(program):
    """Is the binary newer than all that it might be made of, and than this file, which says how?"""
    if not program.binary.exists():
        return False
    built = program.binary.stat().st_mtime
    made_of = [path for folder in (program.source.parent, HERE / "peers/c")
               for path in folder.iterdir() if path.suffix in (".h", ".hpp")
               or path.stem in ("Bench", program.source.stem)]
    return all(path.stat().st_mtime <= built for path in (*made_of, pathlib.Path(__file__)))


# ---- Ours and the peers in C: CMake --------------------------------------------------------------


def target_name(program):
    if program.peer == OURS:
        return "capri-lua" if program.is_script() else f"bench_{program.name}"
    return f"peer_{program.source.stem}"


def build_c(programs):
    """The programs that could not be built, {program: why}."""
    say(f"building {len(programs)} programs of ours and in C")
    if not execute(["cmake", "--preset", "release"]):
        return {program: "cmake failed" for program in programs}
    known = set((RELEASE / "testsuite/bench.txt").read_text().split())
    without = {program: "its library is missing" for program in programs
               if target_name(program) not in known}
    there = [program for program in programs if program not in without]
    command = ["cmake", "--build", "--preset", "release", "--target"]
    if not there or execute([*command, *map(target_name, there), "--", "-k", "0"]):
        return without
    broken = {program: "does not compile" for program in there
              if not execute([*command, target_name(program)])}
    return {**without, **broken}


# ---- C++, Go, Haskell: a command a file ----------------------------------------------------------


def compile_command(program):
    source, binary = program.source, program.binary
    if program.language == "cpp":
        return ["g++", "-std=c++17", "-O2", "-DNDEBUG", "-Wall", "-Wextra", "-pthread", source,
                "-o", binary, *CPP_LIBRARIES.get(program.peer, [])]
    if program.language == "go":
        return ["go", "build", "-trimpath", "-o", binary, source.name]
    return ["ghc", "-O2", "-threaded", "-rtsopts", "-v1", f"-i{source.parent}", "-outputdir",
            f"{binary}.objects", source, *source.parent.glob(f"{source.stem}.c"), "-o", binary]


def compile_one(program):
    if is_fresh(program):
        return True
    program.binary.parent.mkdir(parents=True, exist_ok=True)
    say(f"building {program.binary.relative_to(BUILT)}")
    made = execute(compile_command(program), program.source.parent,
                   GO if program.language == "go" else None)
    if program.language == "ghc":  # it leaves what it makes of C beside the source
        program.source.with_suffix(".o").unlink(missing_ok=True)
    if not made:
        program.binary.unlink(missing_ok=True)  # an old one must not be measured
    return made


def build_files(programs):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(compile_one, programs))
    return {program: "does not compile" for program, success in zip(programs, made) if not success}


# ---- Rust: cargo, on a copy of the sources -------------------------------------------------------


def build_rust(programs):
    """Its own .cargo/config.toml names Debian's crates; the copy's lock file may be rewritten."""
    source, copy = programs[0].source.parents[2], BUILT / "cargo/source"
    say(f"building {len(programs)} programs in Rust")
    shutil.copytree(source, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("target"))
    for path in copy.glob("src/**/*.rs"):
        if not (source / path.relative_to(copy)).exists():
            path.unlink()
    command = [CARGO, "build", "--release", "--offline", "--target-dir", BUILT / "cargo/target"]
    names = [word for program in programs for word in ("--bin", program.source.stem)]
    good = set(programs)
    if not execute([*command, *names], copy, RUST):
        good = {program for program in programs
                if execute([*command, "--bin", program.source.stem], copy, RUST)}
    for program in programs:
        program.binary.parent.mkdir(parents=True, exist_ok=True)
        if program in good:
            shutil.copy2(BUILT / "cargo/target/release" / program.source.stem, program.binary)
        else:
            program.binary.unlink(missing_ok=True)
    return {program: "does not compile" for program in programs if program not in good}


# ---- Scripts: nothing is built -------------------------------------------------------------------


def find_libraries(programs):
    return {program: "its library is missing" for program in programs
            if not execute([INTERPRETER[program.language], *PROOFS[program.peer]])}


def build(programs):
    """{program: why it cannot be run} of those that cannot."""
    BUILT.mkdir(parents=True, exist_ok=True)
    LOG.write_text("")
    missing = {program: "no program" for program in programs if not program.source.exists()}
    there = [program for program in dict.fromkeys(programs) if program not in missing]
    groups = [(build_c, ["c"]), (build_rust, ["tokio"]), (build_files, ["cpp", "go", "ghc"]),
              (find_libraries, INTERPRETER)]
    for builder, languages in groups:
        chosen = [program for program in there
                  if ("c" if program.peer == OURS else program.language) in languages]
        if chosen:
            missing.update(builder(chosen))
    for program, why in missing.items():
        say(f"missing: {program.name} {program.peer}: {why}")
    if any(why not in ("no program", "its library is missing") for why in missing.values()):
        say(f"what the compilers said: {LOG.relative_to(ROOT)}")
    return missing
