"""Gate 6: no direction of departing is always the wrong one, and no kind of departure outweighs the others."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from rise_bench.ground.offer import mask_root
from rise_bench.synth.gates.passing import critical_of
from rise_bench.synth.negatives.operators import operator
from rise_bench.synth.records import Dropped, Negative
from rise_bench.types import Task, canonical

__all__ = ["Cell", "balanced", "cell_of", "most_of_a_cell", "value_type"]


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What negatives are balanced over."""

    operator: str
    """Without the sign of its direction."""
    type: str
    """Of the argument: `path`, `date`, `number`, `text`, ...; empty where none is concerned."""
    direction: str


def cell_of(negative: Negative, task: Task) -> Cell:
    """The cell in which a negative counts."""
    known = operator(negative.operator)
    direction = known.direction if known else ""
    name = negative.operator.replace("+", "±", 1) if direction == "+" else negative.operator
    name = name.replace("-", "±", 1) if direction == "-" and "+" not in name else name
    if negative.operator in ("value:tenfold", "value:tenth"):
        name = "value:±ten"
    critical = critical_of(task, negative)
    kind = critical.match if critical is not None and critical.match != "exact" else value_type(negative.was)
    return Cell(name, kind if negative.argument else "", direction)


def value_type(value: JsonValue) -> str:
    """`number`, `flag`, `list`, `object`, `text` or `none`."""
    names = {bool: "flag", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return names.get(type(value), "none")


def most_of_a_cell(found: Sequence[tuple[Negative, Task]]) -> int:
    """Three times the median cell, at least 1."""
    sizes = sorted(Counter(cell_of(negative, task) for negative, task in found).values())
    return max(1, 3 * sizes[len(sizes) // 2]) if sizes else 1


def balanced(
    found: Sequence[tuple[Negative, Task]], *, seed: int, most: int | None = None
) -> tuple[list[Negative], list[Dropped]]:
    """Gate 6: the negatives that stay, in their order, and those that go.

    Of two opposite directions in one operator and type each keeps as many as the rarer has; no cell keeps more than
    `most`. Who goes is drawn from `seed` and the cell, so that neither order nor threads matter.

    Args:
        most: None: `most_of_a_cell`.
    """
    cells: dict[Cell, list[int]] = defaultdict(list)
    for number, (negative, task) in enumerate(found):
        cells[cell_of(negative, task)].append(number)
    cap = most if most is not None else most_of_a_cell(found)
    keep: set[int] = set()
    why: dict[int, str] = {}
    for cell, members in sorted(cells.items()):
        opposite = Cell(cell.operator, cell.type, {"+": "-", "-": "+"}.get(cell.direction, ""))
        room = min(cap, len(cells.get(opposite, ())) if cell.direction else cap)
        ranked = sorted(members, key=lambda i: _key(found[i][0]))
        random.Random(f"{seed}:{cell}").shuffle(ranked)
        keep.update(ranked[:room])
        reason = "one direction outweighs the other" if room < cap else "its cell is full"
        why.update((i, f"{cell.operator} {cell.type} {cell.direction}: {reason}") for i in ranked[room:])
    left = [
        Dropped(
            stage="gate", what=f"{n.task} {n.operator} {n.call}:{n.argument}", reason="6 out of balance", detail=why[i]
        )
        for i, (n, _) in enumerate(found)
        if i not in keep
    ]
    return [negative for i, (negative, _) in enumerate(found) if i in keep], left


def _key(negative: Negative) -> str:
    """What is departed from, and how: nothing of the sandbox in which it ran."""
    made = canonical(mask_root(negative.made, negative.root))
    return f"{negative.task} {negative.operator} {negative.call}:{negative.argument} {made}"
