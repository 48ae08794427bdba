"""A flame graph: where a server's processor time goes, as one SVG.

`perf record` samples the call stacks of the server under a load, and this folds equal stacks together and
draws them: a box is a function, its width the share of samples that it was on the stack, what it calls above
it. The functions of the kernel are blue. Hovering shows a name in full with its share.
"""

import shutil
import subprocess
import tempfile
from html import escape
from pathlib import Path

import loads
from servers import Server, ServerFailed

WIDTH = 1200
ROW = 17
SMALLEST = 0.3  # pixels; what is narrower is left out
LETTER = 6.6    # pixels
FREQUENCY = 1999
UNKNOWN = "[unknown]"  # a library built without frame pointers; many in a row are drawn as one
LOADS = {"set": {"mix": "set", "pipeline": 16}, "get": {"mix": "get", "pipeline": 16},
         "srp": {"mix": "srp", "pipeline": 16, "value": 3885},
         "set-1": {"mix": "set"}, "get-1": {"mix": "get"}}


def fold(text):
    """The output of `perf script` as {(outermost, …, innermost): samples}."""
    stacks = {}
    frames = []
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if frames:
                stack = tuple(reversed(frames))
                stacks[stack] = stacks.get(stack, 0) + 1
            frames = []
        elif line[0] in " \t":
            name = frame_of(line)
            if name != UNKNOWN or frames[-1:] != [UNKNOWN]:
                frames.append(name)
    return stacks


def frame_of(line):
    """`  55d0 uv_run+0x1f (/usr/lib/…)` as `uv_run`, a function of the kernel with `_[k]` after it."""
    _, _, rest = line.strip().partition(" ")
    symbol, _, module = rest.rpartition(" (")
    name = symbol.split("+0x")[0] or UNKNOWN
    return name + "_[k]" if "kernel" in module or "vmlinux" in module else name


class Node:
    """A function as called by those below it."""

    def __init__(self):
        self.samples = 0
        self.callees = {}

    def add(self, stack, samples):
        self.samples += samples
        node = self
        for name in stack:
            node = node.callees.setdefault(name, Node())
            node.samples += samples

    def depth(self):
        return 1 + max((callee.depth() for callee in self.callees.values()), default=0)


def fill_of(name):
    """A warm colour that a name always gets; a cool one for the kernel."""
    shade = sum(name.encode()) % 50
    if name.endswith("_[k]"):
        return f"rgb({90 + shade},{150 + shade},215)"
    return f"rgb(235,{130 + shade},{60 + shade})"


def box(name, node, x, y, scale, total):
    width = node.samples * scale
    shown = name.removesuffix("_[k]")
    room = int(width / LETTER)
    label = shown if len(shown) <= room else shown[:room - 1] + "…" if room > 3 else ""
    share = 100 * node.samples / total
    return (f'<g><title>{escape(shown)}: {share:.2f} %</title>'
            f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.2):.1f}" height="{ROW - 1}" '
            f'fill="{fill_of(name)}"/><text x="{x + 3:.1f}" y="{y + 12}">{escape(label)}</text></g>')


def boxes(node, x, level, height, scale, total):
    found = []
    for name, callee in sorted(node.callees.items()):
        width = callee.samples * scale
        if width >= SMALLEST:
            found.append(box(name, callee, x, height - (level + 2) * ROW, scale, total))
            found += boxes(callee, x, level + 1, height, scale, total)
        x += width
    return found


def svg(stacks, title):
    root = Node()
    for stack, samples in stacks.items():
        root.add(stack, samples)
    height = (root.depth() + 2) * ROW
    body = boxes(root, 0, 0, height, WIDTH / max(root.samples, 1), root.samples)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="monospace" font-size="11"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="14" font-size="13">{escape(title)} ({root.samples} samples)</text>',
        *body, "</svg>"]) + "\n"


def record(pid, seconds, data):
    """Samples a process; perf writes its stacks to the file `data`."""
    return subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-g",
                             "-p", str(pid), "-o", data, "--", "sleep", str(seconds)], stderr=subprocess.PIPE)


def draw(kind, load, seconds, path):
    """Draws the flame graph of one server under one load to `path`."""
    if not shutil.which("perf"):
        raise ServerFailed("perf is missing (Debian: linux-perf)")
    options = LOADS[load]
    with Server(kind) as server, tempfile.TemporaryDirectory() as folder:
        loads.fill(server.port, 100_000, options.get("value", 512))
        background = loads.start(server.port, seconds=seconds + 1, **options)
        data = str(Path(folder) / "perf.data")
        _, errors = record(server.pid, seconds, data).communicate()
        loads.finish(background)
        script = subprocess.run(["perf", "script", "-F", "ip,sym,dso", "-i", data], capture_output=True,
                                text=True, errors="replace", check=False)
        stacks = fold(script.stdout)
    if not stacks:
        raise ServerFailed(f"perf recorded nothing: {errors.decode(errors='replace').strip()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg(stacks, f"{kind.label}, {load}"))
