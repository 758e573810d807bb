"""Which made call stands for which reference call: one-to-one, producers first, optimal on each level (DESIGN 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from rise_bench.refs import bindings
from rise_bench.score.calls import Made
from rise_bench.types import Call

__all__ = ["Fit", "assign", "assign_groups", "levels"]


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a made call fits a reference call: compared in this order."""

    critical: int
    others: int
    position: int


def levels(reference: Sequence[Call]) -> list[list[int]]:
    """Indices of the reference calls by depth of their bindings: producers before consumers."""
    depth: list[int] = []
    for call in reference:
        producers = [source for _, source, _ in bindings(dict(call.arguments))]
        depth.append(1 + max((depth[i] for i in producers if i < len(depth)), default=-1))
    return [[i for i, d in enumerate(depth) if d == level] for level in range(max(depth, default=-1) + 1)]


def assign(
    reference: Sequence[Call],
    made: Sequence[Made],
    fit: Callable[[int, Made, dict[int, Made]], Fit],
    order: Sequence[Sequence[int]] | None = None,
) -> dict[int, Made]:
    """Reference index -> made call: most critical parameters matched, then most others, then nearest in position.

    A made call can stand for a reference call only if it succeeded and its tool is the one meant, or one listed in
    `also`. Each level of bindings is solved by itself, with the producers' assignment known (`fit` receives it); `order`
    is `levels(reference)` where it is known already.
    """
    chosen: dict[int, Made] = {}
    free = [call for call in made if call.succeeded]
    for level in levels(reference) if order is None else order:
        wanted = [i for i in level if any(_may_stand(reference[i], call) for call in free)]
        if not wanted:
            continue
        if len(wanted) == 1 and len(candidates := [c for c in free if _may_stand(reference[wanted[0]], c)]) == 1:
            picked = {wanted[0]: candidates[0]}
        else:
            picked = _best(wanted, free, reference, lambda i, call: fit(i, call, chosen))
        chosen.update(picked)
        taken = {call.index for call in picked.values()}
        free = [call for call in free if call.index not in taken]
    return chosen


def _may_stand(call: Call, made: Made) -> bool:
    return made.tool == call.tool or made.tool in call.also


def _best(
    wanted: list[int], free: list[Made], reference: Sequence[Call], fit: Callable[[int, Made], Fit]
) -> dict[int, Made]:
    """Optimal one-to-one choice; the three criteria are packed into one exact integer weight."""
    span = len(wanted) + len(free) + 2
    weight = np.zeros((len(wanted), len(free)))
    for row, i in enumerate(wanted):
        for column, call in enumerate(free):
            if _may_stand(reference[i], call):
                found = fit(i, call)
                nearness = span - min(span - 1, abs(found.position))
                weight[row, column] = nearness + span**2 * (min(found.others, 63) + 64 * span * found.critical)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    return {wanted[row]: free[column] for row, column in _pairs(rows, columns) if weight[row, column] > 0}


def assign_groups(wanted: Sequence[tuple[int, Call, str]], made: Sequence[Made]) -> dict[int, Made]:
    """Reference index -> successful call of the same function group, whatever its arguments; as many as can be.

    Args:
        wanted: (index, reference call, its function group).
        made: calls to choose from; exact tools are preferred within a group.
    """
    free = [call for call in made if call.succeeded]
    if not wanted or not free:
        return {}
    if len(wanted) == 1:
        index, call, group = wanted[0]
        meant = [c for c in free if _may_stand(call, c)] or [c for c in free if c.group == group]
        return {index: meant[0]} if meant else {}
    weight = np.zeros((len(wanted), len(free)))
    for row, (_, call, group) in enumerate(wanted):
        for column, candidate in enumerate(free):
            exact = _may_stand(call, candidate)
            if exact or candidate.group == group:
                weight[row, column] = 1000 + (10 if exact else 0) - column / (len(free) + 1)
    rows, columns = linear_sum_assignment(weight, maximize=True)
    return {wanted[row][0]: free[column] for row, column in _pairs(rows, columns) if weight[row, column] > 0}


def _pairs(rows: np.ndarray, columns: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
