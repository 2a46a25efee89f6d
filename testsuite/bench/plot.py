"""plot.py -- the table as bars: docs/performance.svg, by gnuplot.

One small picture for each figure that has a target: ours and the peers, the best first.
"""
import subprocess

import sample
from process import Failure
from rows import OURS, ROOT

PICTURE = ROOT / "docs/performance.svg"
COLUMNS = 4
WIDTH, HEIGHT = 290, 170  # of one picture
COLOURS = {OURS: 0xC2410C, "floor": 0xB8B8B8}
OTHERS = 0x7A93AC


def bars(result, figure):
    """[(name, value)], the best first."""
    middles = [("Capri" if peer == OURS else peer, sample.median(values.values()))
               for peer, values in result.rounds[figure.name].items()]
    return sorted(middles, key=lambda bar: bar[1], reverse=figure.better == "higher")


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def picture(result, figure):
    """The gnuplot commands of one small picture."""
    shown = bars(result, figure)
    most = max(value for _, value in shown) or 1
    lines = [f"set title {quote(title(result, figure))}",
             f"set xrange [0:{most * 1.35:.6g}]",
             f"set yrange [{len(shown) - 0.4:.1f}:-0.6]"]
    names = ", ".join(f"{quote(name)} {at}" for at, (name, _) in enumerate(shown))
    lines.append(f"set ytics ({names})")
    block = "\n".join(f'{at} {value:.6g} "{sample.show(value)}" {colour(name)}'
                      for at, (name, value) in enumerate(shown))
    lines.append(f"$bars << END\n{block}\nEND")
    lines.append("plot $bars using ($2/2):1:($2/2):(0.36):4 with boxxyerror fs solid noborder"
                 " lc rgb variable notitle, $bars using 2:1:3 with labels left offset 0.5,0"
                 " notitle")
    return "\n".join(lines)


def title(result, figure):
    work = result.work
    name = f"{work.row}  {figure.name}" + (f"_c{work.arguments[0]}" if work.how == "wrk" else "")
    better = "" if figure.better == "lower" else " (more is better)"
    return f"{name}, {work.cores}c: {figure.unit}{better}"


def colour(name):
    return COLOURS.get(OURS if name == "Capri" else name.split("_")[0], OTHERS)


def script(results, head):
    """All of gnuplot's commands."""
    chosen = [(result, figure) for result in results for figure in result.work.figures
              if figure.target and result.rounds[figure.name]]
    if not chosen:
        raise Failure("nothing to draw")
    count = (len(chosen) + COLUMNS - 1) // COLUMNS
    subtitle = "\\n".join(line.lstrip("# ") for line in head)
    return "\n".join([
        f"set terminal svg size {COLUMNS * WIDTH},{count * HEIGHT + 60} font 'sans-serif,11'"
        " background rgb 'white'",
        f"set output {quote(str(PICTURE))}",
        f'set multiplot layout {count},{COLUMNS} title "{subtitle}" noenhanced'
        f" margins 0.07,0.985,0.02,{1 - 70 / (count * HEIGHT + 60):.4f} spacing 0.075,"
        f"{40 / (count * HEIGHT + 60):.4f}",
        "set tics noenhanced scale 0; unset xtics; unset key; set border 2",
        "set title noenhanced offset 0,-0.7 font ',10'",
        *[picture(result, figure) for result, figure in chosen],
        "unset multiplot", ""])


def draw(results, head):
    """Writes the picture; returns its path from the root."""
    done = subprocess.run(["gnuplot"], input=script(results, head), capture_output=True, text=True,
                          check=False)
    if done.returncode != 0 or done.stderr.strip():
        raise Failure(f"gnuplot: {done.stderr.strip()}")
    return PICTURE.relative_to(ROOT)
