"""Agreement of raters over the same items, with bootstrap intervals over clusters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence

import numpy as np

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, Indices, cluster_index, valid_level

__all__ = ["ac1", "kappa", "krippendorff_alpha"]


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
    sampled = _kappa(_resampled(tables.reshape(groups, -1), resamples, rng).reshape(resamples, size, size))
    return _bootstrapped(value, sampled, level, n, groups)


def krippendorff_alpha(
    ratings: Sequence[Sequence[Hashable | None]],
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator | int = 0,
) -> Estimate:
    """Krippendorff's alpha for nominal labels (1980; computed as in Krippendorff 2011), interval as in `kappa`.

    Any number of raters, each of whom may leave items out. Items with fewer than two labels carry no information and are
    left out of `n`. With fewer than about 20 clusters a percentile interval is too narrow.

    Args:
        ratings: raters x items; None = this rater did not label this item.
        clusters: label of each item's cluster, drawn as a whole; None = independent items.
        level: confidence level in (0, 1).
        resamples: bootstrap draws.
        rng: generator or seed.

    Returns:
        Value in [-1, 1], 0 = agreement by chance; None where only one label is used.

    Raises:
        InputError: fewer than two raters, or raters of different numbers of items.
    """
    counts, index, groups = _counted(ratings, clusters, None, level)
    n = len(counts)
    if n == 0:
        return Estimate(None, None, None, level, 0, 0, "none", "no item has two labels")
    if np.count_nonzero(counts.sum(axis=0)) < 2:
        return Estimate(None, None, None, level, n, groups, "none", "all raters use one and the same label")
    raters = counts.sum(axis=1)
    # of each item: ordered pairs of unequal labels, by labels less one; and how often each label comes
    unequal = (raters**2 - (counts**2).sum(axis=1)) / (raters - 1)
    return _estimate(np.column_stack([unequal, counts]), _alpha, index, groups, level, resamples, rng)


def ac1(
    ratings: Sequence[Sequence[Hashable | None]],
    clusters: Sequence[Hashable] | None = None,
    *,
    labels: Collection[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator | int = 0,
) -> Estimate:
    """Gwet's AC1 (2008), for labels so uneven that kappa and alpha fall though raters agree; interval as in `kappa`.

    Any number of raters, each of whom may leave items out. An item with just one label counts for how often labels are
    used, not for agreement; `n` counts every item with a label.

    Args:
        labels: all labels that raters could have given; None = those that they gave. Chance agreement depends on how many
            there are.

    Other arguments and errors as in `krippendorff_alpha`.

    Returns:
        Value in [-1, 1]; None where there was only one label to give.

    Raises:
        InputError: besides, a label that is not among `labels`.
    """
    counts, index, groups = _counted(ratings, clusters, labels, level, least=1)
    raters = counts.sum(axis=1)
    paired = raters > 1
    n = len(counts)
    if not paired.any():
        return Estimate(None, None, None, level, 0, 0, "none", "no item has two labels")
    if counts.shape[1] < 2:
        why = "one label: say which others there could have been"
        return Estimate(None, None, None, level, n, groups, "none", why)
    agreed = np.where(paired, (counts * (counts - 1)).sum(axis=1) / np.where(paired, raters * (raters - 1), 1.0), 0.0)
    rows = np.column_stack([agreed, paired, counts / raters[:, None]])
    return _estimate(rows, _ac1, index, groups, level, resamples, rng)


def _counted(
    ratings: Sequence[Sequence[Hashable | None]],
    clusters: Sequence[Hashable] | None,
    labels: Collection[Hashable] | None,
    level: float,
    *,
    least: int = 2,
) -> tuple[Floats, Indices, int]:
    """(items x labels: raters who gave it, group of each item, groups), of the items with at least so many labels."""
    valid_level(level)
    if len(ratings) < 2:
        raise InputError(f"{len(ratings)} raters, needed are two", where="ratings", remedy="one sequence per rater")
    items = len(ratings[0])
    if any(len(rater) != items for rater in ratings):
        found = ", ".join(str(len(rater)) for rater in ratings)
        raise InputError(f"raters with {found} items", where="ratings", remedy="None where a rater gave no label")
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels or ()))}
    given = {label for rater in ratings for label in rater if label is not None}
    if labels is not None and not given <= numbers.keys():
        raise InputError(f"{sorted(map(repr, given - numbers.keys()))[0]} is none of the labels", where="ratings")
    counts = np.zeros((items, len(given | numbers.keys())))
    for rater in ratings:
        for item, label in enumerate(rater):
            if label is not None:
                counts[item, numbers.setdefault(label, len(numbers))] += 1.0
    index, _ = cluster_index(clusters, items)
    used = counts.sum(axis=1) >= least
    kept, groups = cluster_index(index[used].tolist(), int(used.sum()))
    return counts[used], kept, groups


def _estimate(
    rows: Floats,
    statistic: Callable[[Floats], Floats],
    index: Indices,
    groups: int,
    level: float,
    resamples: int,
    rng: np.random.Generator | int,
) -> Estimate:
    """The statistic of the summed rows, with its interval."""
    sums = np.zeros((groups, rows.shape[1]))
    np.add.at(sums, index, rows)
    value = float(statistic(sums.sum(axis=0)[None])[0])
    if groups < 2:
        return Estimate(value, None, None, level, len(rows), groups, "none", "one cluster: its spread cannot be known")
    return _bootstrapped(value, statistic(_resampled(sums, resamples, rng)), level, len(rows), groups)


def _resampled(sums: Floats, resamples: int, rng: np.random.Generator | int) -> Floats:
    """Sums over as many clusters as there are, drawn with replacement: resamples x what a cluster holds."""
    # clusters with the same sums are interchangeable: drawing how often each kind comes keeps the memory small
    kinds, counts = np.unique(sums, axis=0, return_counts=True)
    draws = np.random.default_rng(rng).multinomial(len(sums), counts / len(sums), size=resamples)
    return np.asarray(draws @ kinds, dtype=np.float64)


def _bootstrapped(value: float, sampled: Floats, level: float, n: int, groups: int) -> Estimate:
    if np.isnan(sampled).all():
        return Estimate(value, None, None, level, n, groups, "none", "no resample has a value")
    low, high = np.nanquantile(sampled, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), level, n, groups, f"cluster bootstrap, {len(sampled)} draws")


def _kappa(tables: Floats) -> Floats:
    """Kappa of each confusion table (draws x labels x labels); NaN where chance agreement is complete."""
    totals = tables.sum(axis=(1, 2))
    observed = np.trace(tables, axis1=1, axis2=2) / totals
    expected = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1) / totals**2
    room = 1.0 - expected
    values: Floats = np.where(room > 1e-12, (observed - expected) / np.where(room > 1e-12, room, 1.0), np.nan)
    return values


def _alpha(sums: Floats) -> Floats:
    """Alpha of each row (disagreeing pairs, uses of each label); NaN where only one label is used."""
    used = sums[:, 1:].sum(axis=1)
    chance = used**2 - (sums[:, 1:] ** 2).sum(axis=1)
    room = chance > 1e-9
    values: Floats = np.where(room, 1.0 - (used - 1) * sums[:, 0] / np.where(room, chance, 1.0), np.nan)
    return values


def _ac1(sums: Floats) -> Floats:
    """AC1 of each row (agreement, items with two labels, share of each label); NaN where no item has two labels."""
    items = sums[:, 1]
    observed = np.where(items > 0, sums[:, 0] / np.where(items > 0, items, 1.0), np.nan)
    shares = sums[:, 2:] / sums[:, 2:].sum(axis=1)[:, None]
    chance = (shares * (1.0 - shares)).sum(axis=1) / (shares.shape[1] - 1)
    values: Floats = (observed - chance) / (1.0 - chance)
    return values
