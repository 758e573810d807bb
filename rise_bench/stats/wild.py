"""Wild cluster bootstrap-t of a mean: the null is imposed, and the sign or weight of whole clusters is drawn."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, cluster_index, valid_level
from rise_bench.stats.flips import smallest_p
from rise_bench.stats.outcome import Alternative, Test, cluster_sums, task_means, valid_alternative, valid_draws

__all__ = ["wild_interval", "wild_test"]

Weights = Literal["rademacher", "webb"]

_CELLS = 4_000_000  # numbers drawn at a time: 32 MB
_WEBB = [1.5**0.5, 1.0, 0.5**0.5]
_POINTS: dict[str, Floats] = {"rademacher": np.array([-1.0, 1.0]), "webb": np.array([-x for x in _WEBB] + _WEBB)}


def wild_test(
    values: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    null: float = 0.0,
    alternative: Alternative = "two-sided",
    weights: Weights = "rademacher",
    draws: int = 9_999,
    rng: np.random.Generator | int = 0,
) -> Test:
    """Wild cluster bootstrap-t of the hypothesis that the mean over tasks is `null` (Cameron, Gelbach and Miller 2008).

    Each draw multiplies the clusters' deviations from `null` by weights and takes the t of the result; p is the share of
    draws as extreme as the data. Rademacher weights (1 or -1) are enumerated where 2**clusters <= 2 * draws; Webb's six
    points (2014) give a finer p where clusters are very few. With clusters of one size the test with Rademacher weights
    is `sign_flip`; the t helps where sizes or spreads differ.

    Args:
        values: one number per task (such as its difference), or tasks x attempts with NaN where an attempt is not there.
        clusters: label of each task's cluster; None = independent tasks.
        null: the mean under the hypothesis.
        alternative: "greater" = the mean is above `null`.
        weights: "rademacher" or "webb".
        draws: draws of the weights where they are not enumerated; there p = (1 + as extreme) / (1 + draws).
        rng: generator or seed.

    Returns:
        `statistic` is t with the usual cluster-robust error (CR1); infinite where all clusters have one mean, not `null`.

    Raises:
        InputError: values that cannot be averaged, or labels that do not fit them.
    """
    valid_alternative(alternative)
    _valid(weights, draws)
    if not np.isfinite(null):
        raise InputError(f"{null} is not finite", where="null")
    means = task_means(values, "values")
    index, groups = cluster_index(clusters, means.size)
    if groups < 2:
        why = "one cluster: its spread cannot be known" if groups else "there is nothing to compare"
        return Test(None, None, "wild cluster bootstrap-t", means.size, groups, alternative, why)
    sums, sizes = cluster_sums(means, index, groups)
    seen, drawn = _Ts.seen(sums, sizes), _Ts.drawn(sums, sizes, weights, draws, rng)
    t = float(seen.at(null)[0]) * ((groups - 1) / groups) ** 0.5
    p = drawn.p(seen, null, alternative)
    floor = drawn.smallest(groups, alternative)
    return Test(t, p, drawn.method, means.size, groups, alternative, "", floor)


def wild_interval(
    values: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    weights: Weights = "rademacher",
    draws: int = 9_999,
    rng: np.random.Generator | int = 0,
    bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Mean over tasks with the interval of all nulls that `wild_test` does not reject two-sided at 1 - level.

    Arguments and errors as in `wild_test`; the interval is cut to `bounds`, the range of a single value.

    Returns:
        No interval for one cluster, for clusters that all have the same mean, and where so few clusters cannot reject
        any null at this level (Rademacher: 2**(1 - clusters) > 1 - level).
    """
    valid_level(level)
    _valid(weights, draws)
    means = task_means(values, "values")
    n = means.size
    index, groups = cluster_index(clusters, n)
    if n == 0:
        return Estimate(None, None, None, level, 0, 0, "none", "there is nothing to average")
    value = float(means.mean())
    if bounds is not None and (means.min() < bounds[0] or means.max() > bounds[1]):
        raise InputError(f"values reach from {means.min():g} to {means.max():g}, allowed is {bounds}", where="values")
    if groups < 2:
        why = "one unit" if n == 1 else "one cluster"
        return Estimate(value, None, None, level, n, groups, "none", f"{why}: its spread cannot be known")
    sums, sizes = cluster_sums(means - value, index, groups)
    error = float(((sums**2).sum() * groups / (groups - 1)) ** 0.5) / n
    if error <= 1e-12 * max(1.0, float(np.abs(means).max())):
        return Estimate(value, None, None, level, n, groups, "none", "all clusters have the same mean")
    seen, drawn = _Ts.seen(sums, sizes), _Ts.drawn(sums, sizes, weights, draws, rng)
    low, high = (_limit(seen, drawn, step, 1.0 - level) for step in (-error, error))
    if low is None or high is None:
        why = f"{groups} clusters cannot reject any value at level {level:g}"
        return Estimate(value, None, None, level, n, groups, "none", why)
    low, high = value + low, value + high
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(value, low, high, level, n, groups, f"{drawn.method}, inverted")


@dataclass(frozen=True, slots=True)
class _Ts:
    """The t of each draw as a function of the null, without the draws themselves.

    With weights v, cluster sums s and sizes z, all that t needs are the sums of v s, v z, v s z, v z z (`linear`, a row per
    draw) and of v v s s, v v s z, v v z z (`square`). `whole` = every pattern of signs, of which only one of two mirror
    images is stored.
    """

    linear: Floats
    square: Floats
    total: float
    total_squares: float
    whole: bool
    method: str

    @classmethod
    def seen(cls, sums: Floats, sizes: Floats) -> _Ts:
        """The data themselves: one draw, all of whose weights are 1."""
        return cls._of([np.ones((1, sums.size))], sums, sizes, False, "")

    @classmethod
    def drawn(cls, sums: Floats, sizes: Floats, weights: Weights, draws: int, rng: np.random.Generator | int) -> _Ts:
        groups = sums.size
        if weights == "rademacher" and 2 ** min(groups, 64) <= 2 * draws:
            bits = (np.arange(2 ** (groups - 1))[:, None] >> np.arange(groups)) & 1
            signs: Floats = np.where(bits == 1, -1.0, 1.0)
            name = f"wild cluster bootstrap-t, Rademacher, all {2**groups} patterns"
            return cls._of([signs], sums, sizes, True, name)
        generator = np.random.default_rng(rng)
        points, rows = _POINTS[weights], max(1, _CELLS // groups)
        chunks = (
            points[generator.integers(0, points.size, size=(min(rows, draws - start), groups))]
            for start in range(0, draws, rows)
        )
        return cls._of(chunks, sums, sizes, False, f"wild cluster bootstrap-t, {weights.capitalize()}, {draws} draws")

    @classmethod
    def _of(cls, chunks: Iterable[Floats], sums: Floats, sizes: Floats, whole: bool, method: str) -> _Ts:
        once = np.column_stack([sums, sizes, sums * sizes, sizes**2])
        twice = np.column_stack([sums**2, sums * sizes, sizes**2])
        parts = [(v @ once, v**2 @ twice) for v in chunks]
        linear, square = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(linear, square, float(sizes.sum()), float((sizes**2).sum()), whole, method)

    def at(self, null: float) -> Floats:
        """t of each draw (without the factor of CR1, which all share); infinite where a draw has no spread."""
        s, z, sz, zz = self.linear.T
        ss_, sz_, zz_ = self.square.T
        deviation = s - null * z
        squares = ss_ - 2 * null * sz_ + null**2 * zz_
        mean = deviation / self.total
        spread = squares - 2 * mean * (sz - null * zz) + mean**2 * self.total_squares
        flat = spread <= 1e-12 * squares
        t = deviation / np.sqrt(np.where(flat, 1.0, spread))
        some = np.abs(deviation) > 1e-9 * np.sqrt(squares)
        ts: Floats = np.where(flat, np.where(some, np.copysign(np.inf, deviation), 0.0), t)
        return ts

    def p(self, seen: _Ts, null: float, alternative: Alternative) -> float:
        t0, ts = float(seen.at(null)[0]), self.at(null)
        # draws that equal the data on paper may differ in their last digits
        slack = 1e-9 * max(1.0, abs(t0)) if math.isfinite(t0) else 0.0
        if alternative == "two-sided":
            extreme = np.abs(ts) >= abs(t0) - slack
        else:
            toward = 1.0 if alternative == "greater" else -1.0
            ts = np.concatenate([ts, -ts]) if self.whole else toward * ts
            extreme = ts >= toward * t0 - slack
        extra = 0 if self.whole else 1
        return (int(extreme.sum()) + extra) / (len(ts) + extra)

    def smallest(self, groups: int, alternative: Alternative) -> float:
        if self.whole:
            return smallest_p(groups, alternative)
        return 1 / (1 + len(self.linear))


def _limit(seen: _Ts, drawn: _Ts, step: float, alpha: float) -> float | None:
    """The last null on the way from 0 in the direction of `step` that is not rejected; None where none is."""
    inside, outside = 0.0, step
    for _ in range(40):
        if drawn.p(seen, outside, "two-sided") <= alpha:
            break
        inside, outside = outside, 2 * outside
    else:
        return None
    for _ in range(24):  # to within 1e-7 of the error of the mean
        middle = (inside + outside) / 2
        if drawn.p(seen, middle, "two-sided") <= alpha:
            outside = middle
        else:
            inside = middle
    return inside


def _valid(weights: Weights, draws: int) -> None:
    if weights not in _POINTS:
        raise InputError(f"{weights!r} is unknown", where="weights", remedy="rademacher or webb")
    valid_draws(draws)
