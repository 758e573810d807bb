"""Data and scorers check each other: departures get what their operators declare, and references are what was meant."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rise_bench.stats.estimate import Estimate
from rise_bench.stats.means import mean_interval
from rise_bench.synth.records import Negative

__all__ = ["Detection", "Found", "detection"]

Scored = tuple[str, float | None]
"""Task id, and Acc_intent of its reference: 0, 1, or None where it could not be scored."""


@dataclass(frozen=True, slots=True)
class Found:
    """Departures of one operator."""

    declared: tuple[float, float]
    """(Acc_task, Acc_intent)."""
    observed: dict[str, int]
    """Pair of scores, as `1/0`, to how many departures got it; `none` where one could not be scored."""
    as_declared: int
    n: int
    caught: Estimate
    """Share on which Acc_intent is 0."""


@dataclass(frozen=True, slots=True)
class Detection:
    """How well Acc_intent tells departures from what was meant. Shares with 95 % intervals, clustered by task."""

    by_operator: dict[str, Found]
    sensitivity: Estimate
    """Share of all departures that are scored 0."""
    specificity: Estimate
    """Share of all references that are scored 1."""
    unscored: int
    """Departures and references without a score: in no share."""
    dropped_as_aligned: dict[str, int]
    """Operator to how many of its departures ran and were scored 1, and so were dropped: in no `n` and in no share."""


def detection(
    departures: Iterable[Negative], references: Iterable[Scored], aligned: Mapping[str, int] | None = None
) -> Detection:
    """By operator what was declared and observed; sensitivity and specificity of Acc_intent.

    Args:
        departures: those that are accepted: executed, and no gate refused them.
        references: honest runs.
        aligned: operator to the number of departures that were dropped since Acc_intent scored them 1; None = none.
    """
    by_operator: dict[str, list[Negative]] = defaultdict(list)
    for one in departures:
        by_operator[one.operator].append(one)
    caught = {
        name: [(one.task, _caught(one.observed[1])) for one in some] for name, some in sorted(by_operator.items())
    }
    meant = list(references)
    every = [one for some in caught.values() for one in some]
    return Detection(
        by_operator={name: _found(by_operator[name], scored) for name, scored in caught.items()},
        sensitivity=_share(every),
        specificity=_share(meant),
        unscored=sum(value is None for _, value in (*every, *meant)),
        dropped_as_aligned=dict(sorted((aligned or {}).items())),
    )


def _caught(intent: float | None) -> float | None:
    return None if intent is None else float(intent == 0)


def _found(some: list[Negative], caught: list[Scored]) -> Found:
    observed = Counter("/".join("none" if value is None else f"{value:g}" for value in one.observed) for one in some)
    return Found(
        declared=some[0].declared,
        observed=dict(sorted(observed.items())),
        as_declared=sum(one.observed == one.declared for one in some),
        n=len(some),
        caught=_share(caught),
    )


def _share(scored: list[Scored]) -> Estimate:
    known = [(task, value) for task, value in scored if value is not None]
    return mean_interval([value for _, value in known], [task for task, _ in known])
