"""Tango's score test and interval of a paired difference, for independent tasks and, with a design effect, for clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from rise_bench.stats.cr2 import cr2_moments
from rise_bench.stats.estimate import Floats, Indices

__all__ = ["ClusteredScore", "clustered_score", "tango_interval", "tango_z"]


@dataclass(frozen=True, slots=True)
class ClusteredScore:
    """Score test of a mean paired difference under clusters, made by `clustered_score`.

    `only_a` and `only_b` are the sums by which either system is ahead (for scores of 0 and 1: the tasks that only it solves),
    `effect` is the variance of the mean difference in parts of that of `n` independent pairs, and `degrees` are the degrees of
    freedom of t.
    """

    only_a: float
    only_b: float
    n: int
    effect: float
    degrees: float

    def p_above(self, null: float) -> float:
        """p of the hypothesis that the mean difference is at most `null`, within (-1, 1)."""
        z = tango_z(self.only_a, self.only_b, self.n, null)
        return float(special.stdtr(self.degrees, -z / self.effect**0.5))

    def interval(self, level: float) -> tuple[float, float]:
        """All differences that the test, one-sided at (1 - level) / 2 either way, does not reject."""
        z = float(special.stdtrit(self.degrees, 0.5 + level / 2)) * self.effect**0.5
        return tango_interval(self.only_a, self.only_b, self.n, z)


def clustered_score(differences: Floats, index: Indices, groups: int) -> ClusteredScore | None:
    """Tango's score (1998) with CR2's variance and degrees of freedom; None for one cluster and where clusters have no spread.

    A t test has the variance of what was seen: where one system is worse, few samples hold the tasks that show it, and those
    that do not have a small mean and a small error together. The score takes the variance that the hypothesis implies, here
    multiplied by the design effect that CR2 finds, as Yang, Sun and Hardin (2012) do with an effect from the ICC (the
    combination with CR2 is our design). The design effect is at least that of independent tasks.

    Args:
        differences: of each task, second minus first, in [-1, 1]; its mean over attempts where there are several.
        index: group number of each task, from 0 without gaps.
        groups: number of groups.
    """
    if groups < 2:
        return None
    means, variances, degrees = cr2_moments(differences[None], index, groups)
    mean, variance, n = float(means[0]), float(variances[0]), differences.size
    if variance <= 1e-24:
        return None
    ahead_a, ahead_b = float(np.maximum(-differences, 0.0).sum()), float(np.maximum(differences, 0.0).sum())
    pairs = (ahead_a + ahead_b) / n - mean**2
    alone = float((differences**2).mean()) - mean**2
    return ClusteredScore(ahead_a, ahead_b, n, max(variance * n, alone) / pairs, degrees)


def tango_z(only_a: float, only_b: float, n: int, null: float) -> float:
    """Tango's (1998) score statistic of the hypothesis that the difference b - a is `null`, within (-1, 1).

    Standard normal under the hypothesis; at `null` = 0 its square is McNemar's chi-square. Infinite where the hypothesis
    leaves no variance for what was seen, 0 where what was seen is just what it says.
    """
    distance, variance = only_b - only_a - n * null, _variance(only_a, only_b, n, null)
    if variance > 0:
        return distance / math.sqrt(variance)
    return 0.0 if distance == 0 else math.copysign(math.inf, distance)


def tango_interval(only_a: float, only_b: float, n: int, z: float) -> tuple[float, float]:
    """All differences b - a at which the score statistic stays within -z and z."""
    return -_high(only_b, only_a, n, z), _high(only_a, only_b, n, z)


def _variance(only_a: float, only_b: float, n: int, null: float) -> float:
    """Variance of only_b - only_a under the hypothesis, its nuisance parameter by constrained maximum likelihood."""
    linear = -only_a - only_b + (2 * n - only_b + only_a) * null
    constant = -only_a * null * (1.0 - null)
    share = (math.sqrt(max(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    return max(n * (2.0 * share + null * (1.0 - null)), 0.0)


def _high(only_a: float, only_b: float, n: int, z: float) -> float:
    """The upper limit: the largest difference that the score statistic does not reject at z."""
    if only_b >= n:
        return 1.0

    def beyond(null: float) -> float:
        return only_b - only_a - n * null + z * math.sqrt(_variance(only_a, only_b, n, null))

    # at the estimate itself there may be no variance, and with it a false root
    return float(optimize.brentq(beyond, (only_b - only_a) / n + 1e-12, 1.0, xtol=1e-13))
