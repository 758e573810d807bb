"""One side by itself: what it attempted, what came of it, and whether claims may be made about it."""

from __future__ import annotations

import numpy as np

from rise_bench.compare.records import Estimand, Party
from rise_bench.compare.sides import SCORES, Booleans, Floats, Side
from rise_bench.stats import Estimate, mean_interval, task_means

__all__ = ["party"]


def party(side: Side, estimand: Estimand) -> Party:
    """A side in numbers, over all that it attempted."""
    judged: Booleans = np.logical_and.reduce([~np.isnan(side.values(score)) for score in SCORES])
    return Party(
        name=side.name,
        run=side.run,
        suite_version=side.spec.suite_version,
        tasks=int(side.made.any(axis=1).sum()),
        suite_tasks=len(side.tasks),
        attempts=int(side.made.sum()),
        faults=int(side.faults.sum()),
        unjudged=int((side.made & ~judged & ~side.faults).sum()),
        acc_intent=_mean(side, side.acc_intent, judged, estimand),
        acc_task=_mean(side, side.acc_task, judged, estimand),
        acc_intent_none_as_0=_none_as_0(side.acc_intent, judged, side.made),
        acc_task_none_as_0=_none_as_0(side.acc_task, judged, side.made),
        not_ranked=side.not_ranked,
    )


def _mean(side: Side, values: Floats, judged: Booleans, estimand: Estimand) -> Estimate:
    rows: Booleans = np.any(judged, axis=1)
    clusters = [task.cluster for task, here in zip(side.tasks, rows, strict=True) if here]
    means = task_means(np.where(judged, values, np.nan)[rows])
    return mean_interval(means, clusters if estimand == "servers" else None)


def _none_as_0(values: Floats, judged: Booleans, made: Booleans) -> float | None:
    rows: Booleans = np.any(made, axis=1)
    zeroed = np.where(made, np.where(judged, values, 0.0), np.nan)[rows]
    return float(task_means(zeroed).mean()) if rows.any() else None
