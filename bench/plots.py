"""Draws the results as SVG with gnuplot. A plot whose figures a run did not measure is not drawn."""

import re
import shutil
import subprocess

import cost
import memory
import persist
import stall

COLOURS = {"floor": "#8d8d8d", "Ordinal": "#1b6ca8", "Valkey": "#e07a1f", "Redis 8": "#c23b3b",
           "Redis 7": "#8a5fb0"}
OTHER_COLOUR = "#3f8f4f"
SAID_ELSEWHERE = re.compile(r" \(.*|, (hash|set|sorted set) of \d+|, pipeline \d+")  # in the names of loads
HEAD = """set terminal svg size {width},{height} font "sans-serif,13" background "white"
set output "{path}"
set title "{title}"
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set key {key}
"""


def draw(path, title, body, blocks, key="outside right top", width=900, height=420):
    """Runs gnuplot on `body`, to which each of `blocks` (name: rows) is known as the data block $name."""
    script = HEAD.format(path=path, title=title, key=key, width=width, height=height)
    for name, rows in blocks.items():
        lines = "\n".join(" ".join(str(cell) for cell in row) for row in rows)
        script += f"${name} << EOD\n{lines}\nEOD\n"
    subprocess.run(["gnuplot", "-"], input=script + body, text=True, check=True)


def colour(label):
    """A server has the same colour in every plot."""
    found = next((colour for start, colour in COLOURS.items() if label.startswith(start)), OTHER_COLOUR)
    return f'lc rgb "{found}"'


def quoted(text):
    return '"' + str(text).replace('"', "'") + '"'


def bars(path, title, unit, names, series, log=False):
    """Grouped bars: `series` is {label: [a figure for each of names]}."""
    rows = [[quoted(name), *(figures[row] for figures in series.values())] for row, name in enumerate(names)]
    plots = ", ".join(f"$data using {column + 2}:xtic(1) title {quoted(label)} {colour(label)}"
                      for column, label in enumerate(series))
    body = ("set style data histograms\nset style histogram clustered gap 1\nset style fill solid border -1\n"
            f"set boxwidth 0.9\nset ylabel {quoted(unit)}\n"
            + ("set logscale y\n" if log else "set yrange [0:*]\n") + f"plot {plots}\n")
    draw(path, title, body, {"data": rows})


def draw_cost(result, folder):
    """A plot each for single requests, strings in a pipeline, and the other types; what a hundred listeners cost would
    make all other bars of its plot flat."""
    plots = {"cost.svg": ("no pipeline", lambda name: cost.LOADS[name][1] == 1),
             "cost-pipeline.svg": ("pipeline of 16", lambda name: cost.LOADS[name][1] > 1 and
                                   name not in cost.MOST_ROUNDS),
             "cost-types.svg": ("pipeline of 16", lambda name: name in cost.MOST_ROUNDS and
                                cost.LISTENERS.get(name, 1) == 1)}
    for file, (how, wanted) in plots.items():
        chosen = {name: row for name, row in result.items() if wanted(name)}
        if chosen:
            draw_loads(folder / file, how, chosen)


def draw_loads(path, how, result):
    """Bars for some of the loads; a server that failed under a load has no bar there."""
    labels = next(iter(result.values()))
    series = {label: [row[label]["server_cpu_us"] if row[label] else "NaN" for row in result.values()]
              for label in labels}
    names = [SAID_ELSEWHERE.sub("", name) for name in result]
    bars(path, f"Server CPU for an operation, {how}", "µs", names, series)


def lines(path, title, labels, axes, blocks):
    """One line for each of `blocks`, a list of rows of x and y; `axes` is gnuplot's own words for them."""
    plots = ", ".join(f"$line{index} using 1:2 with linespoints pt 7 ps 0.4 lw 2 {colour(label)} "
                      f"title {quoted(label)}" for index, label in enumerate(labels))
    draw(path, title, f"{axes}plot {plots}\n", {f"line{index}": rows for index, rows in enumerate(blocks)})


def draw_memory(result, folder):
    blocks = [[(size, sizes[str(size)]["overhead"]) for size in memory.SIZES] for sizes in result.values()]
    lines(folder / "memory.svg", "Resident bytes above key and value, entries with a TTL", list(result),
          'set logscale x 2\nset logscale y 2\nset xlabel "bytes of the value"\nset ylabel "bytes"\n'
          '', blocks)


def draw_expiry(result, folder):
    axes = ('set xlabel "seconds after the last deadline"\nset xrange [-4:10]\n'
            'set ylabel "{}"\nset yrange [0:*]\n')
    reports = [by["under load"] for by in result.values()]
    lines(folder / "expiry.svg", "A million entries expire, under load: entries held", list(result),
          axes.format("thousand entries"),
          [[(now, held / 1000) for now, held, _ in report["samples"]] for report in reports])
    lines(folder / "expiry-memory.svg", "A million entries expire, under load: resident memory", list(result),
          axes.format("MB"),
          [[(now, resident / 1e6) for now, _, resident in report["samples"]] for report in reports])


def draw_stall(result, folder):
    series = {label: [phases[phase]["p100_us"] / 1000 for phase in stall.PHASES]
              for label, phases in result["servers"].items()}
    bars(folder / "stall.svg", f"Longest wait of a probe, {result['keys']:,} keys", "ms", stall.PHASES,
         series, log=True)


def draw_persist(result, folder):
    found = result["snapshots"]
    if not found:
        return
    series = {label: [one["save"]["seconds"], one["load"]["seconds"]] for label, one in found.items()}
    bars(folder / "snapshots.svg", f"A snapshot of {result['keys']:,} small entries", "s", ["written", "loaded"], series)
    series = {label: [one["stalls"][phase]["p100_us"] / 1000 for phase in persist.PHASES] for label, one in found.items()}
    bars(folder / "snapshot-stall.svg", f"Longest wait of a probe, {result['keys']:,} keys", "ms", persist.PHASES, series,
         log=True)


def draw_scaling(result, folder):
    by_label = {label: by for label, by in result["servers"].items() if len(by) > 1}
    if not by_label:
        return
    name = "GET, pipeline 16"
    blocks = [[(threads, by[threads][name]["operations_per_second"] / 1000) for threads in by]
              for by in by_label.values()]
    lines(folder / "scaling.svg", f"Throughput by threads: {name}", list(by_label),
          'set xlabel "loops, or I/O threads"\nset ylabel "thousand operations per second"\n'
          'set yrange [0:*]\nset xtics 1\n', blocks)


DRAWINGS = {"cost": draw_cost, "memory": draw_memory, "expiry": draw_expiry, "stall": draw_stall,
            "persist": draw_persist, "scaling": draw_scaling}


def draw_all(results, folder):
    """Draws every plot that the results have figures for; returns what went wrong, or None."""
    if not shutil.which("gnuplot"):
        return "gnuplot is missing: no plots"
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawing in DRAWINGS.items():
        try:
            if results.get(name):
                drawing(results[name], folder)
        except subprocess.CalledProcessError:
            return f"gnuplot could not draw {name}"
    return None
