"""A failing run of hundreds of steps, made as short as it goes: steps are left out while a difference stays.

Delta debugging (Zeller, Hildebrandt, 2002): halves first, then ever smaller pieces, until no single step can go.
Any difference of the same command counts, since the shorter run often shows the same fault with other values.
"""

import time
from typing import Callable, List, Optional, Sequence

from .compare import Difference, Step

SHORT = 12  # bytes of an argument that a reader takes in at a glance
Check = Callable[[Sequence[Step]], Optional[Difference]]


def shrink(steps: Sequence[Step], first: Difference, check: Check, seconds: float = 60.0):
    """(steps, their difference): the shortest failing run found within `seconds`. `check` runs a list of steps."""
    deadline = time.monotonic() + seconds
    best: List[Step] = list(steps)
    difference = first
    piece = max(1, len(best) // 2)
    while time.monotonic() < deadline:
        removed = False
        at = 0
        while at < len(best) and time.monotonic() < deadline:
            candidate = best[:at] + best[at + piece :]
            found = check(candidate) if candidate else None
            if found is not None and first.like(found):
                best, difference, removed = candidate[: found.needed], found, True
            else:
                at += piece
        if piece == 1 and not removed:
            break
        piece = max(1, piece // 2)
    return _shorter_arguments(best, difference, check, deadline)


def _shorter_arguments(steps: List[Step], difference: Difference, check: Check, deadline: float):
    """The same steps, their long arguments cut short where the difference stays."""
    best = list(steps)
    for at, step in enumerate(steps):
        for place, arg in enumerate(step.args):
            if not isinstance(arg, bytes) or len(arg) <= SHORT or time.monotonic() > deadline:
                continue
            args = best[at].args
            changed = Step(step.client, args[:place] + (arg[:SHORT],) + args[place + 1 :])
            candidate = best[:at] + [changed] + best[at + 1 :]
            found = check(candidate)
            if found is not None and difference.like(found) and found.index == difference.index:
                best, difference = candidate, found
    return best, difference
