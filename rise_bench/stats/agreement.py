"""Agreement of two raters over the same items."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, cluster_index, valid_level

__all__ = ["kappa"]


def kappa(
    a: Sequence[Hashable],
    b: Sequence[Hashable],
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator | int = 0,
) -> Estimate:
    """Cohen's kappa (1960) with a percentile bootstrap interval over clusters.

    Args:
        a: first rater's label of each item.
        b: second rater's label of each item.
        clusters: label of each item's cluster, drawn as a whole; None = independent items.
        level: confidence level in (0, 1).
        resamples: bootstrap draws.
        rng: generator or seed.

    Returns:
        Value in [-1, 1]; None where both raters use one and the same label throughout.

    Raises:
        InputError: lengths that differ.
    """
    if len(a) != len(b):
        raise InputError(f"{len(a)} labels by one rater, {len(b)} by the other", where="kappa")
    valid_level(level)
    n = len(a)
    index, groups = cluster_index(clusters, n)
    if n == 0:
        return Estimate(None, None, None, level, 0, 0, "none", "there is nothing to compare")
    numbers: dict[Hashable, int] = {}
    first = [numbers.setdefault(label, len(numbers)) for label in a]
    second = [numbers.setdefault(label, len(numbers)) for label in b]
    size = len(numbers)
    tables = np.zeros((groups, size, size))
    np.add.at(tables, (index, np.array(first), np.array(second)), 1.0)
    value = float(_kappa(tables.sum(axis=0)[None])[0])
    if np.isnan(value):
        return Estimate(None, None, None, level, n, groups, "none", "both raters use one and the same label")
    if groups < 2:
        return Estimate(value, None, None, level, n, groups, "none", "one cluster: its spread cannot be known")
    # clusters with the same table are interchangeable: drawing how often each kind comes keeps the memory small
    kinds, counts = np.unique(tables.reshape(groups, -1), axis=0, return_counts=True)
    draws = np.random.default_rng(rng).multinomial(groups, counts / groups, size=resamples)
    sampled = _kappa((draws @ kinds).reshape(resamples, size, size))
    low, high = np.nanquantile(sampled, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), level, n, groups, f"cluster bootstrap, {resamples} draws")


def _kappa(tables: Floats) -> Floats:
    """Kappa of each confusion table (draws x labels x labels); NaN where chance agreement is complete."""
    totals = tables.sum(axis=(1, 2))
    observed = np.trace(tables, axis1=1, axis2=2) / totals
    expected = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / totals**2
    room = 1.0 - expected
    values: Floats = np.where(room > 1e-12, (observed - expected) / np.where(room > 1e-12, room, 1.0), np.nan)
    return values
