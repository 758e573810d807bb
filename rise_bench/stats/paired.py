"""Two systems on the same tasks: is there a difference, and how large is it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, cluster_index, finite_vector, valid_level
from rise_bench.stats.means import mean_interval
from rise_bench.stats.outcome import Alternative, Test, task_differences, valid_alternative
from rise_bench.stats.tango import clustered_score, tango_interval

__all__ = ["discordant_counts", "mcnemar", "paired_difference"]


def mcnemar(
    a: ArrayLike,
    b: ArrayLike,
    *,
    method: Literal["mid-p", "exact"] = "mid-p",
    alternative: Alternative = "two-sided",
) -> Test:
    """McNemar's test of two systems that each tried every task once; the tasks are independent.

    Given m tasks that only one of the two solves, the number that only `b` solves is Binomial(m, 1/2). The exact test
    (McNemar 1947) never exceeds its level and falls well below it; mid-p counts the observed table half (Fagerland,
    Lydersen and Laake 2013) and keeps close to it. Under clusters neither holds: use `sign_flip`.

    Args:
        a: 0 or 1 for each task.
        b: 0 or 1 for each task, in the same order.
        method: "mid-p" or "exact".
        alternative: "greater" = b solves more.

    Returns:
        `statistic` is the number of tasks that only `b` solves. Two systems that never differ have p = 1 two-sided.

    Raises:
        InputError: values other than 0 and 1, or another number in one than in the other.
    """
    valid_alternative(alternative)
    if method not in {"mid-p", "exact"}:
        raise InputError(f"{method!r} is unknown", where="method", remedy="mid-p or exact")
    only_a, only_b, n = discordant_counts(a, b)
    name = f"McNemar, {method}"
    if n == 0:
        return Test(None, None, name, 0, 0, alternative, "there is nothing to compare")
    m, counted = only_a + only_b, 0.5 if method == "mid-p" else 1.0
    at_least, at_most = special.bdtrc(only_b - 1, m, 0.5), special.bdtr(only_b, m, 0.5)
    here = (1.0 - counted) * (math.comb(m, only_b) / 2**m)
    above, below = float(at_least) - here, float(at_most) - here
    p, floor = _sided(above, below, counted * 0.5**m, alternative)
    why = "no task tells the two apart" if m == 0 else ""
    return Test(float(only_b), p, name, n, n, alternative, why, floor, (only_a, only_b))


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    *,
    method: Literal["CR2", "score", "Tango"] = "CR2",
    bounds: tuple[float, float] | None = (-1.0, 1.0),
) -> Estimate:
    """Mean over tasks of b - a with an interval.

    "CR2" is `mean_interval` of the tasks' differences: cluster-robust, Satterthwaite t. "Tango" is the score interval for
    one attempt at independent tasks (Tango 1998): it keeps its level with few discordant tasks and none at all. "score" is
    Tango's with the design effect and the t of CR2, for clusters and several attempts (see `tango.clustered_score`): where few
    clusters hold a difference, its side that limits how much worse `b` may be reaches further. Without spread it is CR2's.

    Args:
        a: score of each task, or tasks x attempts with NaN where an attempt is not there.
        b: the same for the other system; its attempts may differ in number.
        clusters: label of each task's cluster; None = independent tasks.
        level: confidence level in (0, 1).
        method: "CR2", "score" or "Tango".
        bounds: range of a task's difference; None = unbounded. That of both scores is always (-1, 1).

    Raises:
        InputError: scores that do not fit together or reach beyond `bounds`; for Tango clusters, or scores other than 0 and 1.
    """
    if method == "CR2":
        return mean_interval(task_differences(a, b), clusters, level, bounds=bounds)
    if method == "score":
        return _scored(task_differences(a, b), clusters, level)
    if method != "Tango":
        raise InputError(f"{method!r} is unknown", where="method", remedy="CR2, score or Tango")
    if clusters is not None:
        raise InputError("Tango's interval takes tasks for independent", where="clusters", remedy="use method='score'")
    only_a, only_b, n = discordant_counts(a, b)
    if n == 0:
        return Estimate(None, None, None, valid_level(level), 0, 0, "none", "there is nothing to compare")
    low, high = tango_interval(only_a, only_b, n, float(special.ndtri(0.5 + valid_level(level) / 2)))
    return Estimate((only_b - only_a) / n, low, high, level, n, n, "Tango")


def _scored(differences: Floats, clusters: Sequence[Hashable] | None, level: float) -> Estimate:
    by_t = mean_interval(differences, clusters, level, bounds=(-1.0, 1.0))
    score = clustered_score(differences, *cluster_index(clusters, differences.size))
    if score is None:
        return by_t
    low, high = score.interval(level)
    return replace(by_t, low=low, high=high, method=f"Tango with CR2's design effect, t({score.degrees:.1f})")


def discordant_counts(a: ArrayLike, b: ArrayLike) -> tuple[int, int, int]:
    """(tasks that only `a` solves, tasks that only `b` solves, tasks).

    Raises:
        InputError: values other than 0 and 1, or another number in one than in the other.
    """
    first, second = finite_vector(a, "a"), finite_vector(b, "b")
    if first.size != second.size:
        raise InputError(f"{first.size} tasks of one, {second.size} of the other", where="paired scores")
    for name, vector in (("a", first), ("b", second)):
        if not np.isin(vector, (0.0, 1.0)).all():
            position = int(np.flatnonzero(~np.isin(vector, (0.0, 1.0)))[0])
            remedy = "use sign_flip or CR2 for scores between"
            raise InputError(
                f"{vector[position]:g} at position {position} is neither 0 nor 1", where=name, remedy=remedy
            )
    return int((first > second).sum()), int((second > first).sum()), first.size


def _sided(above: float, below: float, floor: float, alternative: Alternative) -> tuple[float, float]:
    """(p, least p) of a test that is symmetric under its hypothesis, from its two tails and the least tail."""
    tail = {"greater": above, "less": below}.get(alternative)
    if tail is not None:
        return tail, floor
    return min(1.0, 2.0 * min(above, below)), min(1.0, 2.0 * floor)
