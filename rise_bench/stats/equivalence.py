"""Is the second system not worse, or the same, within a margin that was set in advance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.cr2 import cr2_moments
from rise_bench.stats.estimate import Estimate, cluster_index, valid_level
from rise_bench.stats.outcome import task_differences
from rise_bench.stats.paired import discordant_counts, paired_difference
from rise_bench.stats.tango import clustered_score, tango_z

__all__ = ["FEW", "Equivalence", "equivalent", "non_inferior"]

Method = Literal["score", "CR2", "Tango"]

FEW = 20
"""Clusters with a difference below which a claim carries a warning; ten times as many where the differences go one way."""

_ONE_WAY = 5.0
"""Differences go one way where one system is ahead so many times as often as the other."""

_MAY_COME = "where clusters are much alike, a false claim may come more often than alpha says"


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether a difference stays within a margin.

    `shown` is p <= alpha; both are None where there is no p, and `reason` says why. `difference` is the mean of b - a with
    its interval at level 1 - 2 alpha: the claim is shown where that interval stays within the margin, on the side or
    sides that it is about. Not shown does not mean that the opposite holds. `warning` says where a false claim may come more
    often than alpha says; it leaves p as it is.
    """

    claim: Literal["not worse", "equivalent"]
    margin: float
    alpha: float
    p: float | None
    shown: bool | None
    difference: Estimate
    reason: str = ""
    warning: str = ""


def non_inferior(
    a: ArrayLike,
    b: ArrayLike,
    margin: float,
    clusters: Sequence[Hashable] | None = None,
    *,
    alpha: float = 0.05,
    method: Method = "score",
) -> Equivalence:
    """One-sided test that b is worse than a by less than `margin`: mean(b - a) > -margin.

    "score" is Tango's score test with CR2's design effect and Satterthwaite degrees of freedom: the variance is that of a
    system just as much worse as the margin (`tango.clustered_score`). "CR2" is the t test with the variance that was seen; with
    few clusters it makes false claims more often than alpha. Both take Clopper-Pearson on the clusters, as in `mean_interval`,
    where all clusters have the same mean difference. "Tango" is the score test for one attempt at independent tasks (Tango
    1998). How often each makes a false claim is in docs/statistics.md.

    Args:
        a: score of each task, 0 to 1, or tasks x attempts with NaN where an attempt is not there.
        b: the same for the other system.
        margin: in the unit of the scores, within (0, 1): two points are 0.02.
        clusters: label of each task's cluster; None = independent tasks.
        alpha: level of the one-sided test, below 0.5.
        method: "score", "CR2" or "Tango".

    Raises:
        InputError: a margin or alpha out of range, and as in `paired_difference`.
    """
    difference = _difference(a, b, margin, clusters, alpha, method)
    p = _above(a, b, -margin, clusters, method)
    return _verdict("not worse", margin, alpha, p, difference, _warning(a, b, clusters, method))


def equivalent(
    a: ArrayLike,
    b: ArrayLike,
    margin: float,
    clusters: Sequence[Hashable] | None = None,
    *,
    alpha: float = 0.05,
    method: Method = "score",
) -> Equivalence:
    """Two one-sided tests (Schuirmann 1987) that the mean of b - a lies within -margin and margin; p is the larger.

    Arguments and errors as in `non_inferior`.
    """
    difference = _difference(a, b, margin, clusters, alpha, method)
    above = _above(a, b, -margin, clusters, method)
    below = _above(b, a, -margin, clusters, method)
    p = None if above is None or below is None else max(above, below)
    return _verdict("equivalent", margin, alpha, p, difference, _warning(a, b, clusters, method))


def _verdict(
    claim: Literal["not worse", "equivalent"],
    margin: float,
    alpha: float,
    p: float | None,
    difference: Estimate,
    warning: str,
) -> Equivalence:
    shown = None if p is None else p <= alpha
    return Equivalence(claim, margin, alpha, p, shown, difference, difference.reason, "" if p is None else warning)


def _difference(
    a: ArrayLike, b: ArrayLike, margin: float, clusters: Sequence[Hashable] | None, alpha: float, method: Method
) -> Estimate:
    if not 0.0 < margin < 1.0:
        raise InputError(f"{margin} is not between 0 and 1", where="margin", remedy="give a share: two points are 0.02")
    if not 0.0 < alpha < 0.5:
        raise InputError(f"{alpha} is not between 0 and 0.5", where="alpha", remedy="give a share such as 0.05")
    return paired_difference(a, b, clusters, valid_level(1 - 2 * alpha), method=method)


def _above(
    a: ArrayLike, b: ArrayLike, null: float, clusters: Sequence[Hashable] | None, method: Method
) -> float | None:
    """p of the hypothesis that the mean of b - a is at most `null`; None where it has no spread that could be known."""
    if method == "Tango":
        only_a, only_b, n = discordant_counts(a, b)
        return None if n == 0 else float(special.ndtr(-tango_z(only_a, only_b, n, null)))
    differences = task_differences(a, b)
    index, groups = cluster_index(clusters, differences.size)
    if groups < 2:
        return None
    means, variances, degrees = cr2_moments(differences[None], index, groups)
    mean, variance = float(means[0]), float(variances[0])
    if variance <= 1e-24:
        return _without_spread(mean, groups, null)
    score = clustered_score(differences, index, groups) if method == "score" else None
    if score is not None:
        return score.p_above(null)
    return float(special.stdtr(degrees, (null - mean) / variance**0.5))


def _without_spread(mean: float, groups: int, null: float) -> float:
    """The level at which Clopper-Pearson's lower limit, on the scale 0 to 1, is the null."""
    hits = groups * (mean + 1) / 2
    return float(special.betainc(hits, groups - hits + 1, (null + 1) / 2)) if hits > 0 else 1.0


def _warning(a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable] | None, method: Method) -> str:
    """Why a false claim may come more often than alpha says; empty where simulations show that it does not."""
    if method == "Tango":
        return ""
    differences = task_differences(a, b)
    if clusters is None and method == "score" and bool(np.isin(differences, (-1.0, 0.0, 1.0)).all()):
        return ""
    index, groups = cluster_index(clusters, differences.size)
    apart = np.unique(index[differences != 0]).size
    ahead = sorted((float(np.maximum(differences, 0.0).sum()), float(np.maximum(-differences, 0.0).sum())))
    told = f"the two differ in {apart} of {groups} {'tasks' if clusters is None else 'clusters'}"
    if apart < FEW:
        return f"{told}, fewer than {FEW}: {_MAY_COME}"
    if apart < 10 * FEW and ahead[1] >= _ONE_WAY * ahead[0]:
        return f"{told}, and {ahead[1] / sum(ahead):.0%} of what they differ by goes one way: {_MAY_COME}"
    return ""
