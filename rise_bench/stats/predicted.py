"""A mean by human labels on some units, made more precise by a judge's scores on all of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, Indices, cluster_index, finite_vector, valid_level
from rise_bench.stats.means import mean_interval

__all__ = ["PredictedMean", "predicted_mean"]

_UNIT: tuple[float, float] = (0.0, 1.0)
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PredictedMean:
    """One mean, three ways: corrected by the judge, by the labels alone, by the judge alone.

    `corrected` and `labelled` are unbiased where the labelled units are a random sample of all; `judged` carries the
    judge's bias. `tuning` is the weight given to the judge: 0 = none, the labels alone.
    """

    corrected: Estimate
    labelled: Estimate
    judged: Estimate
    tuning: float


def predicted_mean(
    judged: ArrayLike,
    labels: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
    *,
    tuning: float | None = None,
    bounds: tuple[float, float] | None = _UNIT,
) -> PredictedMean:
    """Prediction-powered mean: mean of the labels + tuning * (judge on the unlabelled - judge on the labelled).

    PPI (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023) with the power tuning of PPI++ (Angelopoulos, Duchi and
    Zrnic 2023): the weight that makes the variance smallest, cut to [0, 1]. A judge that says nothing about the labels is
    given hardly any weight, so the interval is hardly ever wider than that of the labels alone. The weight for a labelled
    unit is found without its cluster (cross-fitting, after Zrnic and Candes 2024): found with it, it would bias the mean of
    few labels. The interval is CR2 with
    Satterthwaite degrees of freedom, for two means that share clusters; without clusters that is Welch's interval. Units
    to be labelled must be drawn at random from all units of the same run.

    Args:
        judged: the judge's score of every unit, within `bounds`.
        labels: the human label of every unit, within `bounds`; NaN or None where there is none.
        clusters: label of each unit's cluster; None = independent units.
        level: confidence level in (0, 1).
        tuning: weight of the judge; None = by the data, 1 = plain PPI.
        bounds: range of a single score; value and interval are cut to it. None = unbounded.

    Raises:
        InputError: scores that are not finite numbers within `bounds`, or lengths that differ.
    """
    scores = finite_vector(judged, "judged")
    known, truth = _labels(labels, scores.size)
    index, groups = cluster_index(clusters, scores.size)
    alone = mean_interval(truth, index[known].tolist(), valid_level(level), bounds=bounds)
    everything = mean_interval(scores, index.tolist(), level, bounds=bounds)
    if alone.low is None or known.all():
        return PredictedMean(alone, alone, everything, 0.0)
    weights = _tuned(truth, scores, known, index[known]) if tuning is None else np.full(truth.size, float(tuning))
    if not weights.any():
        return PredictedMean(alone, alone, everything, 0.0)
    corrected = _corrected(truth, scores, known, index, groups, weights, level, bounds)
    return PredictedMean(corrected, alone, everything, float(weights.mean()))


def _labels(labels: ArrayLike, n: int) -> tuple[Booleans, Floats]:
    """(which units have a label, those labels)."""
    try:
        vector = np.asarray(labels, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"not numbers: {error}", where="labels", remedy="NaN or None where there is no label"
        ) from error
    if vector.shape != (n,):
        raise InputError(f"shape {vector.shape} for {n} judged units", where="labels")
    known: Booleans = ~np.isnan(vector)
    return known, finite_vector(vector[known], "labels")


def _tuned(truth: Floats, scores: Floats, known: Booleans, index: Indices) -> Floats:
    """PPI++'s weight for a mean, cov(label, judge) / ((1 + n / N) var(judge)) in [0, 1], without each unit's cluster."""
    spread = float(scores.var())
    if spread <= 1e-24:
        return np.zeros(truth.size)
    judged = scores[known]
    moments = np.column_stack([np.ones(truth.size), truth, judged, truth * judged])
    inside = np.zeros((int(index.max()) + 1, 4))
    np.add.at(inside, index, moments)
    count, labels, judgements, products = (moments.sum(axis=0) - inside)[index].T
    used = np.maximum(count, 1.0)
    together = products / used - labels / used * judgements / used
    ratio = truth.size / (scores.size - truth.size)
    # rounding leaves covariances of the order of 1e-17 where there are none
    weights: Floats = np.where(together > 1e-12, together / (1.0 + ratio) / spread, 0.0)
    return np.minimum(weights, 1.0)


def _corrected(
    truth: Floats,
    scores: Floats,
    known: Booleans,
    index: Indices,
    groups: int,
    weights: Floats,
    level: float,
    bounds: tuple[float, float] | None,
) -> Estimate:
    n, rest = truth.size, int((~known).sum())
    weight = float(weights.mean())
    corrections, predictions = truth - weights * scores[known], weight * scores[~known]
    value = float(corrections.mean() + predictions.mean())
    parts = (
        _part(corrections, index[known], groups),
        _part(predictions, index[~known], groups),
    )
    words = f"PPI++, weight {weight:.2f}, {n} labels for {n + rest} units"
    if any(part.share.max() >= 1.0 for part in parts):
        why = "the units without a label lie in one cluster: their spread cannot be known"
        return Estimate(value, None, None, level, n + rest, groups, words, why)
    variance = float(((parts[0].sums + parts[1].sums) ** 2).sum())
    if variance <= 1e-24:
        return Estimate(value, None, None, level, n + rest, groups, words, "no spread: its error cannot be known")
    degrees = _degrees(parts[0], parts[1])
    half = float(special.stdtrit(degrees, 0.5 + level / 2)) * variance**0.5
    low, high = value - half, value + half
    if bounds is not None:
        value, low, high = (min(max(one, bounds[0]), bounds[1]) for one in (value, low, high))
    return Estimate(value, low, high, level, n + rest, groups, f"{words}, CR2, t({degrees:.1f})")


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the two means: each cluster's share of its units, its adjusted sum of residuals, variance if independent."""

    share: Floats
    sums: Floats
    variance: float


def _part(values: Floats, index: Indices, groups: int) -> _Part:
    n = values.size
    share = np.bincount(index, minlength=groups) / n
    residuals = np.bincount(index, weights=values - values.mean(), minlength=groups) / n
    variance = float(values.var(ddof=1)) / n if n > 1 else 0.0
    return _Part(share, residuals / np.sqrt(np.maximum(1.0 - share, 1e-300)), variance)


def _degrees(one: _Part, two: _Part) -> float:
    """Satterthwaite's degrees of freedom for the sum of both means, each with its own variance under independence.

    The covariance of a part's adjusted sums has share_g on the diagonal and -sqrt(b_g b_h) beside it, times its variance.
    """
    squares = 0.0
    for p, q in ((one, one), (two, two), (one, two), (two, one)):
        root = np.sqrt(p.share**2 / (1.0 - p.share) * q.share**2 / (1.0 - q.share))
        inner = float((p.share * q.share).sum() + root.sum() ** 2 - (root**2).sum())
        squares += p.variance * q.variance * inner
    total = one.variance + two.variance
    return total**2 / squares if squares > 0 else 1.0
