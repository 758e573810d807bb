"""A pair by part: by the domain or the kind of its tasks, and by label of what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rise_bench.baselines import Score
from rise_bench.compare.methods import Method
from rise_bench.compare.pairing import Shared
from rise_bench.compare.records import Estimand, Slice, SliceKind
from rise_bench.compare.sides import Booleans, Floats
from rise_bench.stats import benjamini_hochberg

__all__ = ["slices"]


@dataclass(frozen=True, slots=True)
class _Part:
    """What one slice compares: values of tasks x attempts on either side."""

    by: SliceKind
    name: str
    score: Score | None
    first: Floats
    second: Floats
    clusters: tuple[str, ...]


def slices(
    pairs: Sequence[Shared],
    by: Sequence[SliceKind],
    scores: Sequence[Score],
    *,
    estimand: Estimand,
    alpha: float,
    seed: int,
) -> list[tuple[Slice, ...]]:
    """The slices of every pair.

    Their p values are adjusted over all pairs and slices of one kind and score, to hold the share of false findings (Benjamini
    and Hochberg): slices are looked through, they decide nothing. A slice of so few units that no result has p <= alpha asks
    no question: it has no p and does not count.
    """
    found = [
        (number, _slice(part, estimand, alpha, seed))
        for number, shared in enumerate(pairs)
        for kind in by
        for part in _parts(shared, kind, scores)
    ]
    families: dict[tuple[SliceKind, Score | None], list[int]] = {}
    for place, (_, one) in enumerate(found):
        families.setdefault((one.by, one.score), []).append(place)
    adjusted: dict[int, float | None] = {}
    for places in families.values():
        adjusted.update(zip(places, benjamini_hochberg([found[place][1].p for place in places]), strict=True))
    done: list[list[Slice]] = [[] for _ in pairs]
    for place, (number, one) in enumerate(found):
        done[number].append(one.model_copy(update={"p_adjusted": adjusted[place]}))
    return [tuple(one) for one in done]


def _parts(shared: Shared, by: SliceKind, scores: Sequence[Score]) -> Iterator[_Part]:
    if by == "deviation":
        for label, (first, second) in (shared.labels or {}).items():
            yield _Part(by, label, None, first, second, shared.clusters)
        return
    names = np.array([task.domain if by == "domain" else task.task.kind for task in shared.tasks])
    for score in scores:
        if score not in shared.values:
            continue
        first, second = shared.values[score]
        for name in sorted(set(names.tolist())):
            rows: Booleans = names == name
            clusters = tuple(task.cluster for task, here in zip(shared.tasks, rows, strict=True) if here)
            yield _Part(by, name, score, first[rows], second[rows], clusters)


def _slice(part: _Part, estimand: Estimand, alpha: float, seed: int) -> Slice:
    method = Method.of(part.first, part.second, part.clusters, estimand, seed)
    difference = method.difference(part.first, part.second)
    return Slice(
        by=part.by,
        name=part.name,
        score=part.score,
        tasks=difference.n,
        clusters=len(set(part.clusters)),
        first=method.mean(part.first).value or 0.0,
        second=method.mean(part.second).value or 0.0,
        difference=difference,
        p=method.test(part.first, part.second).p if method.least_p(difference.clusters) <= alpha else None,
        p_adjusted=None,
    )
