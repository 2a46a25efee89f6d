"""machine.py -- where and with what was measured: the head of every table."""
import datetime
import os
import re
import subprocess

import sample
from rows import ROOT

PACKAGES = {  # whose version is the peer's
    "st": "libst-dev", "libuv": "libuv1-dev", "libev": "libev-dev", "libevent": "libevent-dev",
    "uring": "liburing-dev", "fiber": "libboost-fiber-dev", "tbb": "libtbb-dev", "go": "golang-go",
    "ghc": "ghc", "tokio": "librust-tokio-dev", "rayon": "librust-rayon-dev",
    "itm": "libitm1", "glib": "libglib2.0-dev", "luv": "lua-luv", "cqueues": "lua-cqueues",
    "luvone": "lua-luv", "node": "nodejs",
}
TOOLS = ["gcc", "rustc", "wrk", "linux-perf", "strace", "lua5.4"]
SAME_PRICE = 1.25
AGE = "3 to 4 years"  # of the peers in Debian 12


def ask(*command):
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def upstream(version):
    """Debian's version without its own parts: 1:4.33-1 is 4.33."""
    return re.sub(r"(?<=\d)[+~-].*$", "", version.split(":", 1)[-1])


def package_versions(names):
    """{package: version} of those that are installed."""
    lines = [line.split() for name in names
             for line in ask("dpkg-query", "-W", "-f", "${Package} ${Version}\n",
                             name).splitlines()[:1]]
    return {words[0]: upstream(words[1]) for words in lines if len(words) == 2}


def peer_versions(peers):
    packages = package_versions(PACKAGES[peer] for peer in peers if peer in PACKAGES)
    return {peer: packages[PACKAGES[peer]] for peer in peers if PACKAGES.get(peer) in packages}


def is_reference(told, prices):
    """Is this the machine that the targets were written on?  Another may bear the same name.

    told   "2 cores, null_call 106 ns, ...": the figures of that machine
    prices {name: (value, unit)} of this one; each must be within SAME_PRICE
    """
    cores, *others = [part.split() for part in told.split(",")]
    return int(cores[0]) == len(os.sched_getaffinity(0)) and all(
        unit == prices.get(name, (0, ""))[1] and
        1 / SAME_PRICE <= prices[name][0] / float(value) <= SAME_PRICE
        for name, value, unit in others)


def name():
    """The processor and how many cores of it we may use."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", info.read(), re.M)
    cores = len(os.sched_getaffinity(0))
    return f"{model.group(1) if model else os.uname().machine}, {cores} cores"


def commit():
    told = ask("git", "rev-parse", "--short=12", "HEAD")
    if not told:
        return "unknown"
    changed = ask("git", "status", "--porcelain", "--untracked-files=no")
    return told + (" with changes" if changed else "")


def head(versions, prices, same):
    """The lines that stand above a table."""
    now = datetime.datetime.now(datetime.timezone.utc)
    system = os.uname()
    tools = " ".join(f"{tool} {version}"
                     for tool, version in package_versions(TOOLS).items())
    peers = " ".join(f"{peer} {version}" for peer, version in sorted(versions.items()))
    judged = ("as they stand: this is the reference machine" if same else
              "where they name a peer's figure, as the multiple of it")
    return [
        f"# {now:%Y-%m-%d %H:%M} UTC, commit {commit()}",
        f"# {name()}, {system.sysname} {system.release} {system.machine}, "
        f"load {os.getloadavg()[0]:.2f} before the start",
        f"# built with and run by: {tools}",
        f"# peers, as Debian has them (12's are {AGE} old): {peers}",
        "# prices: " + (", ".join(f"{price} {sample.show(value)} {unit}" for price, (value, unit)
                                  in prices.items()) or "no program"),
        f"# targets are read {judged}",
    ]
