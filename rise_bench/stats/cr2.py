"""CR2 t tests of many samples at once, for simulations and for all pairs of systems."""

from __future__ import annotations

import numpy as np
from scipy import sparse, special

from rise_bench.stats.estimate import Floats, Indices
from rise_bench.stats.outcome import Alternative

__all__ = ["cr2_moments", "cr2_test"]


def cr2_test(differences: Floats, index: Indices, alternative: Alternative = "two-sided") -> Floats:
    """p of "the mean is 0" for each row.

    The t test behind `mean_interval`: CR2 with Satterthwaite degrees of freedom (Bell and McCaffrey 2002). Where the
    clusters of a row all have one and the same mean, a sandwich would claim certainty; p is then that of flipping the
    signs of whole clusters, 2 ** (1 - clusters), or 1 where that mean is 0. With one cluster p is 1.

    Args:
        differences: draws x units, finite.
        index: group number of each unit, from 0 without gaps.
        alternative: "greater" = the mean is above 0.

    Returns:
        draws values in (0, 1].
    """
    groups = int(index.max()) + 1 if index.size else 0
    if groups < 2:
        return np.ones(len(differences))
    means, variances, degrees = cr2_moments(differences, index, groups)
    spread = variances > 1e-24
    statistics = means / np.sqrt(np.where(spread, variances, 1.0))
    signed = {"two-sided": -np.abs(statistics), "greater": -statistics, "less": statistics}[alternative]
    against = {"two-sided": np.abs(means), "greater": means, "less": -means}[alternative] > 1e-12
    flipped = np.where(against, 0.5**groups, 1.0)
    p: Floats = np.where(spread, special.stdtr(degrees, signed), flipped)
    return np.minimum(2.0 * p, 1.0) if alternative == "two-sided" else p


def cr2_moments(rows: Floats, index: Indices, groups: int) -> tuple[Floats, Floats, float]:
    """(means, CR2 variances of the means, degrees of freedom) of every row, at least two groups; formulas as in `means`."""
    n = index.size
    if groups == n:
        sums: Floats = rows  # every unit is a cluster of its own
    elif len(rows) == 1:
        sums = np.asarray(np.bincount(index, rows[0], groups)[None], dtype=np.float64)
    else:
        member = sparse.csr_array((np.ones(n), (np.arange(n), index)), shape=(n, groups))
        sums = np.asarray(rows @ member)
    means = sums.sum(axis=1) / n
    share = np.bincount(index, minlength=groups) / n
    residuals = sums / n - share * means[:, None]
    variances = (residuals**2 / (1.0 - share)).sum(axis=1)
    b = share**2 / (1.0 - share)
    squares = float((share**2).sum() + b.sum() ** 2 - (b**2).sum())
    return means, variances, 1.0 / squares
