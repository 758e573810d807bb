"""Means and ratios of clustered units, with intervals that hold for few clusters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, Indices, cluster_index, finite_vector, valid_level

__all__ = ["mean_interval", "ratio_interval"]

_UNIT: tuple[float, float] = (0.0, 1.0)


def mean_interval(
    values: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    *,
    bounds: tuple[float, float] | None = _UNIT,
) -> Estimate:
    """Mean of the values with a cluster-robust interval.

    The interval is CR2 (bias-reduced sandwich) with Bell and McCaffrey's Satterthwaite degrees of freedom, which keeps
    its level with few and uneven clusters; with equal clusters it is the t interval of the cluster means. Where the
    clusters' means show no spread at all, Clopper-Pearson with the number of clusters as effective sample size (Korn and
    Graubard 1998, at design effect n / clusters: the conservative end).

    Args:
        values: one number per unit, within `bounds`.
        clusters: label of each unit's cluster; None = independent units.
        level: confidence level in (0, 1).
        bounds: range of a single value; the interval is cut to it. None = unbounded.

    Raises:
        InputError: values that are not finite numbers within `bounds`, or labels that do not fit them.
    """
    vector = finite_vector(values, "values")
    if bounds is not None and vector.size and (vector.min() < bounds[0] or vector.max() > bounds[1]):
        raise InputError(f"values reach from {vector.min():g} to {vector.max():g}, allowed is {bounds}", where="values")
    index, groups = cluster_index(clusters, vector.size)
    return _weighted(vector, np.ones_like(vector), index, groups, valid_level(level), bounds)


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    *,
    bounds: tuple[float, float] | None = _UNIT,
) -> Estimate:
    """sum(numerators) / sum(denominators) with a cluster-robust interval.

    A rate within a subset, such as P(not aligned | complete): the numerator counts the events of a unit, the denominator
    its chances. Units without a chance (denominator 0) carry no weight and are left out of `n`. Equivalent to the weighted
    mean of the units' own ratios; interval as in `mean_interval`.

    Raises:
        InputError: negative denominators, a numerator without a denominator, or lengths that differ.
    """
    over, under = finite_vector(numerators, "numerators"), finite_vector(denominators, "denominators")
    if over.size != under.size:
        raise InputError(f"{over.size} numerators for {under.size} denominators", where="numerators")
    if (under < 0).any() or ((under == 0) & (over != 0)).any():
        raise InputError("a denominator is negative, or 0 beside a numerator that is not", where="denominators")
    used = under > 0
    labels = None if clusters is None else [clusters[i] for i in _positions(used, clusters)]
    index, groups = cluster_index(labels, int(used.sum()))
    ratios = over[used] / under[used]
    if bounds is not None and ratios.size and (ratios.min() < bounds[0] or ratios.max() > bounds[1]):
        raise InputError(f"a unit's ratio is outside {bounds}", where="numerators")
    return _weighted(ratios, under[used], index, groups, valid_level(level), bounds)


def _positions(used: np.ndarray[tuple[int], np.dtype[np.bool_]], clusters: Sequence[Hashable]) -> list[int]:
    if len(clusters) != used.size:
        raise InputError(f"{len(clusters)} cluster labels for {used.size} values", where="clusters")
    return [int(i) for i in np.flatnonzero(used)]


def _weighted(
    values: Floats, weights: Floats, index: Indices, groups: int, level: float, bounds: tuple[float, float] | None
) -> Estimate:
    n = values.size
    if n == 0:
        return Estimate(None, None, None, level, 0, 0, "none", "there is nothing to average")
    total = float(weights.sum())
    mean = float(np.dot(weights, values)) / total
    if groups < 2:
        why = "one unit" if n == 1 else "one cluster"
        return Estimate(mean, None, None, level, n, groups, "none", f"{why}: its spread cannot be known")
    variance, degrees = _cr2(values, weights, index, groups, mean)
    # relative to the weights: rounding leaves sums of residuals of the order of 1e-16 where there is no spread
    if variance <= 1e-24:
        return _without_spread(mean, n, groups, level, bounds)
    half = float(special.stdtrit(degrees, 0.5 + level / 2)) * variance**0.5
    low, high = mean - half, mean + half
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(mean, low, high, level, n, groups, f"CR2, t({degrees:.1f})")


def _cr2(values: Floats, weights: Floats, index: Indices, groups: int, mean: float) -> tuple[float, float]:
    """(variance of the weighted mean, Satterthwaite degrees of freedom).

    For a model with nothing but an intercept CR2 has a closed form: a cluster's sum of weighted residuals is divided by
    sqrt(1 - its share of the weight). The degrees of freedom follow from the covariance of these sums under independence.
    """
    total = weights.sum()
    share = np.bincount(index, weights=weights, minlength=groups) / total
    residuals = np.bincount(index, weights=weights * (values - mean), minlength=groups) / total
    variance = float((residuals**2 / (1.0 - share)).sum())
    # their covariance has share_g on the diagonal (so its trace is 1) and -sqrt(b_g b_h) beside it; by sums, not as a matrix
    b = share**2 / (1.0 - share)
    squares = float((share**2).sum() + b.sum() ** 2 - (b**2).sum())
    return variance, 1.0 / squares


def _without_spread(mean: float, n: int, groups: int, level: float, bounds: tuple[float, float] | None) -> Estimate:
    """The clusters all have the same mean: a sandwich would claim certainty."""
    if bounds is None:
        return Estimate(mean, None, None, level, n, groups, "none", "all clusters have the same mean")
    width = bounds[1] - bounds[0]
    hits = groups * (mean - bounds[0]) / width
    tail = (1.0 - level) / 2
    low = float(special.betaincinv(hits, groups - hits + 1, tail)) if hits > 0 else 0.0
    high = float(special.betaincinv(hits + 1, groups - hits, 1 - tail)) if hits < groups else 1.0
    method = f"Clopper-Pearson on {groups} clusters"
    return Estimate(mean, bounds[0] + width * low, bounds[0] + width * high, level, n, groups, method)
