"""What a measured entry comes to: means with intervals, computed from its verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rise_bench.baselines.records import MeasuredBaseline
from rise_bench.stats import Estimate, mean_interval

__all__ = ["Figures", "figures"]


@dataclass(frozen=True, slots=True)
class Figures:
    """Both scores of a measured entry, as a report has them, and what they leave out."""

    acc_task: Estimate
    acc_intent: Estimate
    attempts: int
    """That the run asked for."""
    made: int
    judged: int
    """That have both verdicts; the others that were made are faults or could not be judged."""
    none_as_0: tuple[float, float]
    """Acc_task and Acc_intent in [0, 1] where every attempt that was made and has no verdict counts as 0."""


@dataclass(frozen=True, slots=True)
class _Row:
    """Counts of one task's attempts."""

    place: int
    made: int
    judged: int
    complete: int
    aligned: int


def figures(entry: MeasuredBaseline, clusters: Sequence[str] | None, level: float = 0.95) -> Figures:
    """The figures of an entry: means over tasks of the means over attempts, in [0, 1].

    Args:
        entry: the measured entry.
        clusters: of the suite's tasks in its order; None = the suite as it was run is not at hand: then no interval is
            given, as one over tasks alone would be too narrow.
        level: confidence level in (0, 1).
    """
    rows = [row for row in _rows(entry) if row.made]
    judged = [row for row in rows if row.judged]
    groups = None if clusters is None else [clusters[row.place] for row in judged]
    return Figures(
        acc_task=_estimate([row.complete / row.judged for row in judged], groups, level),
        acc_intent=_estimate([row.aligned / row.judged for row in judged], groups, level),
        attempts=entry.tasks * entry.spec.attempts,
        made=sum(row.made for row in rows),
        judged=sum(row.judged for row in rows),
        none_as_0=(
            sum(row.complete / row.made for row in rows) / max(len(rows), 1),
            sum(row.aligned / row.made for row in rows) / max(len(rows), 1),
        ),
    )


def _rows(entry: MeasuredBaseline) -> Iterator[_Row]:
    task, intent, there = entry.values("acc_task"), entry.values("acc_intent"), entry.made()
    for place in range(entry.tasks):
        made = [number for number in range(entry.spec.attempts) if there[number][place]]
        pairs = [(task[number][place], intent[number][place]) for number in made]
        judged = [(done, meant) for done, meant in pairs if done is not None and meant is not None]
        complete, aligned = sum(done for done, _ in judged), sum(meant for _, meant in judged)
        yield _Row(place, len(made), len(judged), complete, aligned)


def _estimate(means: Sequence[float], clusters: Sequence[str] | None, level: float) -> Estimate:
    if clusters is not None:
        return mean_interval(means, clusters, level)
    value = sum(means) / len(means) if means else None
    reason = "the suite as it was run is not here: its clusters are not known" if means else "nothing was judged"
    return Estimate(value, None, None, level, len(means), 0, "mean", reason)
