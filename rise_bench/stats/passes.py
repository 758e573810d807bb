"""Reliability over repeated attempts: pass^k (all k succeed) and pass@k (one of k does), both unbiased."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Estimate, Floats, finite_vector
from rise_bench.stats.means import mean_interval

__all__ = ["pass_at_k", "pass_hat_k"]


def pass_hat_k(
    successes: ArrayLike,
    attempts: ArrayLike,
    k: int,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Mean over tasks of P(k attempts drawn without replacement all succeed) = C(c, k) / C(n, k).

    Args:
        successes: successful attempts c of each task.
        attempts: attempts n of each task, faults left out; at least k.
        k: attempts that must all succeed, at least 1.
        clusters: label of each task's cluster; None = independent tasks.
        level: confidence level in (0, 1).

    Raises:
        InputError: a task with fewer than k attempts, or counts that do not fit together.
    """
    won, tried = _counts(successes, attempts, k)
    return mean_interval(_all_of(won, tried, k), clusters, level)


def pass_at_k(
    successes: ArrayLike,
    attempts: ArrayLike,
    k: int,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Mean over tasks of P(one of k attempts drawn without replacement succeeds) = 1 - C(n - c, k) / C(n, k).

    Arguments and errors as in `pass_hat_k`.
    """
    won, tried = _counts(successes, attempts, k)
    return mean_interval(1.0 - _all_of(tried - won, tried, k), clusters, level)


def _all_of(hits: Floats, tried: Floats, k: int) -> Floats:
    shares: Floats = special.binom(hits, k) / special.binom(tried, k)
    return np.where(hits >= k, np.clip(shares, 0.0, 1.0), 0.0)


def _counts(successes: ArrayLike, attempts: ArrayLike, k: int) -> tuple[Floats, Floats]:
    won, tried = finite_vector(successes, "successes"), finite_vector(attempts, "attempts")
    if k < 1:
        raise InputError(f"k is {k}, the least is 1", where="k")
    if won.size != tried.size:
        raise InputError(f"{won.size} counts of successes for {tried.size} of attempts", where="successes")
    if (won % 1).any() or (tried % 1).any() or (won < 0).any() or (won > tried).any():
        raise InputError("counts must be whole, with 0 <= successes <= attempts", where="successes")
    if (tried < k).any():
        position = int(np.flatnonzero(tried < k)[0])
        raise InputError(
            f"task {position} has {tried[position]:.0f} attempts, k = {k} needs as many",
            where="attempts",
            remedy="lower k, or leave such tasks out and say how many",
        )
    return won, tried
