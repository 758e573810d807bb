"""Bootstrap intervals that draw whole clusters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, cluster_index, valid_level
from rise_bench.stats.outcome import cluster_sums, task_differences, task_means, valid_draws

__all__ = ["cluster_bootstrap", "paired_bootstrap"]

_CELLS = 4_000_000  # numbers drawn at a time: 32 MB


def cluster_bootstrap(
    values: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    method: Literal["percentile", "bca"] = "bca",
    level: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | int = 0,
) -> Estimate:
    """Mean over tasks with a bootstrap interval over clusters.

    As many clusters as there are are drawn with replacement, each with all its tasks; the mean is that of the tasks drawn.
    "percentile" takes quantiles of these means; "bca" corrects them for bias and, by a jackknife over clusters, for skew
    (Efron 1987). Both are too narrow with few clusters, with 20 still somewhat (docs/statistics.md): there use `mean_interval`
    or `wild_interval`.

    Args:
        values: one number per task, or tasks x attempts with NaN where an attempt is not there.
        clusters: label of each task's cluster; None = independent tasks.
        method: "percentile" or "bca".
        level: confidence level in (0, 1).
        resamples: bootstrap draws.
        rng: generator or seed.

    Returns:
        No interval for one cluster, nor for clusters that all have the same mean.

    Raises:
        InputError: values that cannot be averaged, or labels that do not fit them.
    """
    valid_level(level)
    valid_draws(resamples, "resamples")
    if method not in {"percentile", "bca"}:
        raise InputError(f"{method!r} is unknown", where="method", remedy="percentile or bca")
    means = task_means(values, "values")
    n = means.size
    index, groups = cluster_index(clusters, n)
    if n == 0:
        return Estimate(None, None, None, level, 0, 0, "none", "there is nothing to average")
    value = float(means.mean())
    if groups < 2:
        why = "one unit" if n == 1 else "one cluster"
        return Estimate(value, None, None, level, n, groups, "none", f"{why}: its spread cannot be known")
    sums, sizes = cluster_sums(means - value, index, groups)
    if np.abs(sums / sizes).max() <= 1e-12 * max(1.0, float(np.abs(means).max())):
        return Estimate(value, None, None, level, n, groups, "none", "all clusters have the same mean")
    sampled = _resampled(sums, sizes, resamples, rng)
    shares = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        shares = _bca_shares(shares, sampled, (sums.sum() - sums) / (n - sizes))
    low, high = np.quantile(sampled, shares)
    name = f"cluster bootstrap, {'BCa' if method == 'bca' else method}, {resamples} draws"
    return Estimate(value, value + float(low), value + float(high), level, n, groups, name)


def paired_bootstrap(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    method: Literal["percentile", "bca"] = "bca",
    level: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | int = 0,
) -> Estimate:
    """Mean over tasks of b - a with a bootstrap interval over clusters; both systems' scores of a task are drawn together.

    `a` and `b` as in `paired_difference`, the rest as in `cluster_bootstrap`.
    """
    differences = task_differences(a, b)
    return cluster_bootstrap(differences, clusters, method=method, level=level, resamples=resamples, rng=rng)


def _resampled(sums: Floats, sizes: Floats, resamples: int, rng: np.random.Generator | int) -> Floats:
    """sum / size of each draw of clusters."""
    generator = np.random.default_rng(rng)
    # clusters with the same sum and size are interchangeable: drawing how often each kind comes keeps time and memory small
    kinds, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    rows = max(1, _CELLS // counts.size)
    parts = []
    for start in range(0, resamples, rows):
        drawn = generator.multinomial(sums.size, counts / sums.size, size=min(rows, resamples - start)) @ kinds
        parts.append(drawn[:, 0] / drawn[:, 1])
    return np.concatenate(parts)


def _bca_shares(shares: Floats, sampled: Floats, left_out: Floats) -> Floats:
    """The shares at which BCa reads the distribution of `sampled`, deviations from the estimate.

    Args:
        left_out: deviation of the mean without each cluster.
    """
    count = sampled.size
    below = (float((sampled < 0).sum()) + float((sampled <= 0).sum())) / (2 * count)
    bias = float(special.ndtri(min(max(below, 0.5 / count), 1 - 0.5 / count)))
    spread = left_out.mean() - left_out
    skew = float((spread**3).sum() / (6 * ((spread**2).sum()) ** 1.5))
    z = bias + special.ndtri(shares)
    moved: Floats = special.ndtr(bias + z / (1 - skew * z))
    return moved
