"""From sides to the comparison: every pair, or each against one baseline, tested as one family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rise_bench.baselines import Score
from rise_bench.compare.measured import contrasts, measured
from rise_bench.compare.methods import chosen_estimand
from rise_bench.compare.pairing import Shared, refuse_unlike, shared
from rise_bench.compare.parties import party
from rise_bench.compare.records import Comparison, Contrast, Estimand, Pair, Slice, SliceKind
from rise_bench.compare.sides import SCORES, Side
from rise_bench.compare.slices import slices
from rise_bench.conditions import differences
from rise_bench.errors import InputError
from rise_bench.types import Conditions, RunSpec

__all__ = ["compare"]


def compare(
    sides: Sequence[Side],
    *,
    common: bool = False,
    estimand: Estimand | None = None,
    alpha: float = 0.05,
    delta: float | None = None,
    baseline: str | None = None,
    scores: Sequence[Score] = SCORES,
    by: Sequence[SliceKind] = (),
    rng: np.random.Generator | int = 0,
) -> Comparison:
    """The sides on the attempts that they share, pair by pair; p values of a score are adjusted over all pairs (Holm).

    Args:
        sides: two or more, of different names.
        common: compare runs of different suites on the tasks that are the same in both, and runs of different scorer
            versions by the scores whose versions agree. Different ground modes are never compared.
        estimand: "suite" (these tasks) or "servers" (new servers like these); None = "servers" where the tasks stand in
            clusters that are at least two and fewer than the tasks.
        alpha: level of each family, in (0, 0.5).
        delta: margin of "not worse" and "equivalent", a share in (0, 1); None = the suite's own.
        baseline: name of the side that the others are compared with; None = all pairs.
        scores: which are shown. Acc_task guards claims on Acc_intent, shown or not.
        by: slices to add.
        rng: generator or seed of what is drawn.

    Raises:
        InputError: sides that cannot be compared, or an argument out of range.
    """
    refuse_unlike(sides, common=common)
    margin = _margin(sides[0], delta)
    if not 0 < alpha < 0.5:
        raise InputError(f"{alpha} is not between 0 and 0.5", where="alpha", remedy="give a share such as 0.05")
    about, why = chosen_estimand(sides, estimand)
    seed = int(np.random.default_rng(rng).integers(2**32)) if isinstance(rng, np.random.Generator) else rng
    pairs = [shared(*pair) for pair in _pairs(sides, baseline)]
    numbers = [[measured(pair, score, about, margin, alpha, seed) for score in pair.values] for pair in pairs]
    found = contrasts(numbers, estimand=about, delta=margin, alpha=alpha)
    parts = slices(pairs, by, scores, estimand=about, alpha=alpha, seed=seed)
    return Comparison(
        suite=sides[0].spec.suite,
        mode=sides[0].spec.mode,
        estimand=about,
        why=why,
        alpha=alpha,
        delta=margin,
        delta_from="as asked for" if delta is not None else "the suite's margin",
        parties=tuple(party(side, about) for side in sides),
        pairs=tuple(_pair(*three, scores) for three in zip(pairs, found, parts, strict=True)),
        notes=tuple(_notes(sides, pairs, found, about)),
    )


def _margin(side: Side, delta: float | None) -> float:
    margin = side.margin if delta is None else delta
    if not 0 < margin < 1:
        whose = "the suite's margin" if delta is None else "delta"
        raise InputError(
            f"{margin:g} is not above 0 and below 1", where=whose, remedy="give --delta in points, such as 2"
        )
    return margin


def _pairs(sides: Sequence[Side], baseline: str | None) -> list[tuple[Side, Side]]:
    if baseline is None:
        return list(combinations(sides, 2))
    against = [side for side in sides if baseline in (side.name, side.run)]
    if len(against) != 1:
        known = ", ".join(side.name for side in sides)
        raise InputError(f"{len(against)} sides have this name", where=baseline, remedy=f"one of: {known}")
    return [(against[0], side) for side in sides if side is not against[0]]


def _pair(pair: Shared, found: Sequence[Contrast], parts: tuple[Slice, ...], scores: Sequence[Score]) -> Pair:
    return Pair(
        first=pair.first.name,
        second=pair.second.name,
        tasks=len(pair.tasks),
        attempts=found[0].attempts,
        clusters=len(set(pair.clusters)),
        unshared=pair.unshared,
        contrasts=tuple(one for score in scores for one in found if one.score == score),
        slices=parts,
        settings=differences(_Kept(pair.first), _Kept(pair.second)),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """What says how a side was made, whose folder may be gone."""

    side: Side

    def spec(self) -> RunSpec:
        return self.side.spec

    def conditions(self) -> tuple[Conditions, ...]:
        return self.side.conditions


def _notes(
    sides: Sequence[Side], pairs: Sequence[Shared], found: Sequence[Sequence[Contrast]], estimand: Estimand
) -> Iterator[str]:
    bounds = [bound for pair in found for one in pair for bound in (one.not_worse, one.not_better)]
    warnings = [bound.warning for bound in bounds if bound.shown and bound.warning]
    if warnings:
        more = f" (and {len(warnings) - 1} more of the kind)" if len(warnings) > 1 else ""
        yield f"'not worse' by delta is less sure than its p says: {warnings[0]}{more}"
    loose = {task.id for side in sides for task in side.tasks if not task.task.cluster}
    if estimand == "servers" and loose:
        every = {task.id for side in sides for task in side.tasks}
        yield f"{len(loose)} of {len(every)} tasks name no cluster: each counts as one of its own"
    if any(pair.labels is None for pair in pairs):
        yield "measured baselines keep no labels: they are not compared by deviation"
