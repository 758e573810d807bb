"""Proves how a server is reset: is a process that was started before, or that served another attempt, as good as a new one?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Literal

from rise_bench.errors import InputError
from rise_bench.ground.client import Connection
from rise_bench.ground.fixture import materialise
from rise_bench.ground.install import Installed
from rise_bench.ground.probes import PROBE_CLOCK, Made, Probe, load_probes, run_on
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.remote import connect
from rise_bench.ground.sandbox import Sandbox
from rise_bench.plain import one_line

__all__ = ["Reset", "check_reset", "unlike"]

OTHER_CLOCK = "2025-07-01T12:34:56+00:00"
"""Where the clock stands when a process is started ahead."""

LONGEST = 4_000
"""Characters of a result that are compared word by word; of a longer one the first so many."""

MORE = 2
"""New processes that are asked where two do not settle it."""

SHOWN = 60
AROUND = 15
_TIME = re.compile(r"\b\d{1,2}:\d{2}:\d{2}(\.\d+)?")
_WORD = re.compile(r"\s*(?:\w+|[^\w\s])|\s+\Z")
"""With the space before it: else each space could be the partner of every other."""

Way = Literal["wipe", "refill", "early", "restart"]


_QUICKEST: tuple[Way, ...] = ("wipe", "refill", "early")


@dataclass(frozen=True, slots=True)
class Reset:
    """What the probes of one server say of its ways of being reset."""

    claimed: Way
    """By its entry: `early` = restarted, ahead of the next attempt."""
    probes: int
    """That were compared; without any, nothing is shown."""
    ahead: tuple[str, ...]
    """In what a process that was started before its files and clock were there differs from a new one, one line a probe."""
    wiped: tuple[str, ...]
    """In what one that ran all probes before, and whose folder was emptied and filled again, differs from a new one."""
    refilled: tuple[str, ...] = ()
    """The same of one that was started when its files and clock were as they are now."""

    @property
    def possible(self) -> Way:
        """The quickest way that no probe speaks against."""
        return next((way for way in _QUICKEST if not self._against(way)), "restart")

    @property
    def holds(self) -> bool:
        """Is the claim not contradicted?"""
        return not self.against

    @property
    def against(self) -> tuple[str, ...]:
        """What contradicts the claim."""
        return self._against(self.claimed)

    def _against(self, way: Way) -> tuple[str, ...]:
        against = {"wipe": self.ahead or self.wiped, "refill": self.refilled, "early": self.ahead}
        return against.get(way, ())


def check_reset(recipe: Recipe, installed: Installed, folder: Path, *, allow_unsafe: bool = False) -> Reset:
    """Run the server's probes on two new processes, on the second again after its folder was filled anew, on one started
    ahead, and on that one again after a wipe; compare.

    Whatever differs between the new processes is random and not compared; where something else differs, more of them are
    asked whether that is random, too. Times of day are not compared: not every one follows the clock that is set.

    Args:
        folder: with `probes.yaml`, `files/` and `build.yaml`, as for `run_probes`.

    Raises:
        SetupError: it cannot be started.
        InputError: a probe binds to what is not there.
    """
    claimed: Way = "early" if recipe.reset == "restart" and recipe.early else recipe.reset
    if recipe.url or not load_probes(folder):
        return Reset(claimed, 0, (), ())
    runs = partial(_runs, recipe, installed, folder, allow_unsafe)
    (first,), (second, refilled) = runs(1), runs(2)
    fresh = [first, second]
    ahead, wiped = runs(2, ahead=True)
    if any(unlike(fresh, other) for other in (ahead, wiped, refilled)):
        fresh += [run for _ in range(MORE) for run in runs(1)]
    return Reset(claimed, len(first), unlike(fresh, ahead), unlike(fresh, wiped), unlike(fresh, refilled))


def _runs(
    recipe: Recipe, installed: Installed, folder: Path, allow_unsafe: bool, times: int, *, ahead: bool = False
) -> list[Sequence[Made]]:
    """Runs of the probes on a new process, each on the same files; `ahead`: started in an empty folder under another clock."""
    sandbox = Sandbox(allow_unsafe=allow_unsafe)
    connection: Connection | None = None
    probes = load_probes(folder)
    runs: list[Sequence[Made]] = []
    try:
        if ahead:
            sandbox.set_clock(OTHER_CLOCK)
            connection = _started(recipe, installed, sandbox)
        for number in range(times):
            sandbox.wipe()
            sandbox.set_clock(PROBE_CLOCK)
            sandbox.fill(partial(materialise, folder))
            connection = connection or _started(recipe, installed, sandbox)
            runs.append([] if connection.dead else _run(connection, sandbox, recipe, probes, ahead or number > 0))
        return runs
    finally:
        if connection is not None:
            connection.close()
        sandbox.close()


def _run(
    connection: Connection, sandbox: Sandbox, recipe: Recipe, probes: Sequence[Probe], doubtful: bool
) -> Sequence[Made]:
    try:
        return run_on(connection, sandbox, recipe, probes, shown=None)
    except InputError:
        if not doubtful:
            raise
        return []  # a result that a later probe binds to is another one than on a new process


def _started(recipe: Recipe, installed: Installed, sandbox: Sandbox) -> Connection:
    connection = connect(recipe, installed, sandbox)
    connection.start(recipe.start_seconds)
    connection.list_tools()
    return connection


def unlike(fresh: Sequence[Sequence[Made]], other: Sequence[Made]) -> tuple[str, ...]:
    """In what a run differs from those on new processes, beyond that in which these differ; one line a probe.

    Args:
        fresh: two runs or more.
    """
    found: list[str] = []
    for number, runs in enumerate(zip(*fresh, strict=False)):
        one = runs[0]
        lead = f"{one.probe.tool} (probe {number + 1})"
        if number >= len(other):
            found.append(f"{lead}: not answered")
            break
        three = other[number]
        if three.status not in {run.status for run in runs}:
            found.append(f"{lead}: {three.status} instead of {one.status}: {one_line(three.text)[:SHOWN]}")
        elif not _like(["\n".join(run.changed) for run in runs], "\n".join(three.changed)):
            found.append(f"{lead}: changes {list(three.changed)} instead of {list(one.changed)}")
        elif not _like([run.text for run in runs], three.text):
            found.append(f"{lead}: {_part(three.text, one.text)} instead of {_part(one.text, three.text)}")
    return tuple(found)


def _like(fresh: Sequence[str], text: str) -> bool:
    """Whether the text is like two of the others, or these are no more like each other."""
    for one, two in combinations(fresh, 2):
        rest = [other for other in fresh if other not in (one, two)]
        if _fits(one, two, text) or not all(_fits(one, two, other) for other in rest):
            return True
    return False


def _fits(one: str, two: str, three: str) -> bool:
    """Whether the third text is like the first two where these agree."""
    one, two, three = (_TIME.sub("<time>", text[:LONGEST]) for text in (one, two, three))
    if one == two or three in (one, two):
        return three in (one, two)
    a, b = _WORD.findall(one), _WORD.findall(two)
    parts, at = [""], (0, 0)
    for block in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks():
        if (block.a, block.b) != at:
            parts.append("")
        parts[-1] += "".join(a[block.a : block.a + block.size])
        at = (block.a + block.size, block.b + block.size)
    return _consists(three, parts)


def _consists(text: str, parts: Sequence[str]) -> bool:
    """Whether the text is these parts in this order, the first at its start and the last at its end, with anything between.

    No regular expression: with many gaps in a long text it would try for hours.
    """
    if len(parts) == 1:
        return text == parts[0]
    first, *middle, last = parts
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return text.endswith(last) and len(text) - len(last) >= at


def _part(text: str, other: str) -> str:
    """The text from just before the place where it parts from the other one."""
    start = next((n for n, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other)))
    begin = max(0, start - AROUND)
    end = begin + SHOWN
    return repr(one_line(text[begin:end]))
