"""A permutation test of paired differences: the sign of whole clusters is flipped."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Floats, cluster_index
from rise_bench.stats.outcome import Alternative, Test, cluster_sums, task_means, valid_alternative, valid_draws

__all__ = ["sign_flip", "smallest_p"]

_CELLS = 4_000_000  # numbers drawn at a time: 32 MB


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
