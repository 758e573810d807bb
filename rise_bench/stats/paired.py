"""Two systems on the same tasks: is there a difference, and how large is it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, cluster_index, finite_vector, valid_level
from rise_bench.stats.means import mean_interval
from rise_bench.stats.outcome import (
    Alternative,
    Test,
    cluster_sums,
    task_differences,
    task_means,
    valid_alternative,
    valid_draws,
)

__all__ = ["discordant_counts", "mcnemar", "paired_difference", "sign_flip", "smallest_p", "tango_z"]

_CELLS = 4_000_000  # numbers drawn at a time: 32 MB


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
    half = stats.binom(m, 0.5)
    here = (1.0 - counted) * float(half.pmf(only_b))
    above, below = float(half.sf(only_b - 1)) - here, float(half.cdf(only_b)) - here
    p, floor = _sided(above, below, counted * 0.5**m, alternative)
    why = "no task tells the two apart" if m == 0 else ""
    return Test(float(only_b), p, name, n, n, alternative, why, floor, (only_a, only_b))


def sign_flip(
    differences: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    alternative: Alternative = "two-sided",
    draws: int = 10_000,
    rng: np.random.Generator | int = 0,
) -> Test:
    """Permutation test of the mean difference: the sign of whole clusters is flipped.

    Exact where swapping the two systems within a cluster changes nothing but the sign of its sum of differences, whatever
    the dependence inside clusters (Fisher 1935; for clusters Gail et al. 1996). All sign patterns are enumerated where
    2**clusters <= 2 * draws; otherwise they are drawn, and p = (1 + as extreme) / (1 + draws) (Phipson and Smyth 2010).

    Args:
        differences: second minus first of each task, or tasks x attempts with NaN where an attempt is not there.
        clusters: label of each task's cluster; None = independent tasks.
        alternative: "greater" = the mean difference is above 0.
        draws: patterns drawn where they are too many to enumerate.
        rng: generator or seed.

    Returns:
        `statistic` is the mean over tasks. `smallest_p` is 2**(1 - clusters), one-sided half of it, or 1 / (1 + draws)
        where that is larger. One cluster has p = 1.

    Raises:
        InputError: differences that cannot be averaged, or labels that do not fit them.
    """
    valid_alternative(alternative)
    valid_draws(draws)
    means = task_means(differences, "differences")
    index, groups = cluster_index(clusters, means.size)
    if means.size == 0:
        return Test(None, None, "cluster sign-flip", 0, 0, alternative, "there is nothing to compare")
    sums, _ = cluster_sums(means, index, groups)
    seen = float(sums.sum())
    slack = 1e-9 * float(np.abs(sums).sum())  # sums that are equal on paper may differ in their last digits
    exact = 2 ** min(groups, 64) <= 2 * draws
    flipped = _enumerated(sums) if exact else _drawn(sums, draws, rng)
    above, below = int((flipped >= seen - slack).sum()), int((flipped <= seen + slack).sum())
    far = int((np.abs(flipped) >= abs(seen) - slack).sum())
    extra = 0 if exact else 1
    p = ({"two-sided": far, "greater": above, "less": below}[alternative] + extra) / (flipped.size + extra)
    floor = smallest_p(groups, alternative)
    if not exact:
        floor = max(floor, 1 / (1 + draws))
    name = f"cluster sign-flip, {'all' if exact else 'drawn'} {flipped.size} patterns"
    why = "one cluster: its sign alone shows nothing" if groups == 1 else ""
    return Test(seen / means.size, p, name, means.size, groups, alternative, why, floor)


def smallest_p(clusters: int, alternative: Alternative = "two-sided") -> float:
    """The least p that sign flips of so many clusters can give: 2**(1 - clusters), one-sided 2**-clusters.

    Where it exceeds alpha (adjusted for the family), no difference whatever can be shown with these clusters.

    Raises:
        InputError: less than one cluster.
    """
    if clusters < 1:
        raise InputError(f"{clusters} clusters", where="clusters", remedy="at least one is needed")
    return 2.0 ** ((1 if valid_alternative(alternative) == "two-sided" else 0) - clusters)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    *,
    method: Literal["CR2", "Tango"] = "CR2",
    bounds: tuple[float, float] | None = (-1.0, 1.0),
) -> Estimate:
    """Mean over tasks of b - a with an interval.

    "CR2" is `mean_interval` of the tasks' differences: cluster-robust, Satterthwaite t. "Tango" is the score interval for
    one attempt at independent tasks (Tango 1998): it keeps its level with few discordant tasks and none at all.

    Args:
        a: score of each task, or tasks x attempts with NaN where an attempt is not there.
        b: the same for the other system; its attempts may differ in number.
        clusters: label of each task's cluster; None = independent tasks.
        level: confidence level in (0, 1).
        method: "CR2" or "Tango".
        bounds: range of a task's difference; None = unbounded. Tango's is always (-1, 1).

    Raises:
        InputError: scores that do not fit together or reach beyond `bounds`; for Tango clusters, or scores other than 0 and 1.
    """
    if method == "CR2":
        return mean_interval(task_differences(a, b), clusters, level, bounds=bounds)
    if method != "Tango":
        raise InputError(f"{method!r} is unknown", where="method", remedy="CR2 or Tango")
    if clusters is not None:
        raise InputError("Tango's interval takes tasks for independent", where="clusters", remedy="use method='CR2'")
    only_a, only_b, n = discordant_counts(a, b)
    if n == 0:
        return Estimate(None, None, None, valid_level(level), 0, 0, "none", "there is nothing to compare")
    value, z = (only_b - only_a) / n, float(special.ndtri(0.5 + valid_level(level) / 2))
    return Estimate(value, -_tango_high(only_b, only_a, n, z), _tango_high(only_a, only_b, n, z), level, n, n, "Tango")


def tango_z(only_a: int, only_b: int, n: int, null: float) -> float:
    """Tango's (1998) score statistic of the hypothesis that the difference b - a is `null`, within (-1, 1).

    Standard normal under the hypothesis; at `null` = 0 its square is McNemar's chi-square. Infinite where the hypothesis
    leaves no variance for what was seen, 0 where what was seen is just what it says.
    """
    distance, variance = only_b - only_a - n * null, _tango_variance(only_a, only_b, n, null)
    if variance > 0:
        return distance / math.sqrt(variance)
    return 0.0 if distance == 0 else math.copysign(math.inf, distance)


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


def _enumerated(sums: Floats) -> Floats:
    """The total under every pattern of signs."""
    totals = np.zeros(1)
    for value in sums:
        totals = np.concatenate([totals + value, totals - value])
    return totals


def _drawn(sums: Floats, draws: int, rng: np.random.Generator | int) -> Floats:
    """The total under drawn patterns of signs."""
    generator = np.random.default_rng(rng)
    # clusters whose sums have the same size are interchangeable: how many of them stay positive is binomial
    kinds, counts = np.unique(np.abs(sums), return_counts=True)
    rows = max(1, _CELLS // kinds.size)
    parts = []
    for start in range(0, draws, rows):
        positive = generator.binomial(counts, 0.5, size=(min(rows, draws - start), kinds.size))
        parts.append((2.0 * positive - counts) @ kinds)
    return np.concatenate(parts)


def _tango_variance(only_a: int, only_b: int, n: int, null: float) -> float:
    """Variance of only_b - only_a under the hypothesis, its nuisance parameter by constrained maximum likelihood."""
    linear = -only_a - only_b + (2 * n - only_b + only_a) * null
    constant = -only_a * null * (1.0 - null)
    share = (math.sqrt(max(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    return max(n * (2.0 * share + null * (1.0 - null)), 0.0)


def _tango_high(only_a: int, only_b: int, n: int, z: float) -> float:
    """The upper limit: the largest difference that the score statistic does not reject at z."""
    if only_b == n:
        return 1.0

    def beyond(null: float) -> float:
        return only_b - only_a - n * null + z * math.sqrt(_tango_variance(only_a, only_b, n, null))

    # at the estimate itself there may be no variance, and with it a false root
    return float(optimize.brentq(beyond, (only_b - only_a) / n + 1e-12, 1.0, xtol=1e-13))
