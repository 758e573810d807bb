"""Which ranks a system may have, given how far its paired scores tell it from the others."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rise_bench.errors import InputError
from rise_bench.stats.cr2 import cr2_test
from rise_bench.stats.estimate import Floats, cluster_index, finite_vector, valid_level

__all__ = ["RankInterval", "rank_intervals"]


@dataclass(frozen=True, slots=True)
class RankInterval:
    """Ranks of one system, 1 = best: `rank` by its mean (equal means share the better one), `best` to `worst` by tests.

    With probability `level` the intervals of all systems hold their true ranks together. Systems whose true means are
    equal may each have any of the ranks that they share. `reason` says why nothing could be told apart.
    """

    system: int
    rank: int
    best: int
    worst: int
    mean: float
    level: float
    n: int
    clusters: int
    method: str
    reason: str = ""


def rank_intervals(
    scores: ArrayLike, clusters: Sequence[Hashable] | None = None, *, level: float = 0.95
) -> tuple[RankInterval, ...]:
    """Simultaneous confidence intervals for the ranks of all systems (Mogstad, Romano, Shaikh and Wilhelm 2024).

    Every ordered pair is tested one-sided ("the first is better") on the same tasks; Holm's step-down method keeps the
    probability of even one false claim at most 1 - level. A system's best rank is 1 + the number of systems shown to be
    better, its worst rank the number of systems less those shown to be worse. The pair tests are CR2 t tests; the paper's
    own bootstrap of the largest statistic is sharper, Holm needs no resampling.

    Args:
        scores: systems x tasks, finite; more is better. Faulted tasks are left out for all systems.
        clusters: label of each task's cluster; None = independent tasks.
        level: confidence level in (0, 1).

    Returns:
        One interval per system, in the order given. Without tasks, or with one cluster, each reaches over all ranks.

    Raises:
        InputError: scores that are not a matrix of finite numbers, or labels that do not fit them.
    """
    matrix = _matrix(scores)
    index, groups = cluster_index(clusters, matrix.shape[1])
    alpha = 1.0 - valid_level(level)
    systems, n = matrix.shape
    means = matrix.mean(axis=1) if n else np.zeros(systems)
    reason = "" if groups > 1 else "nothing to compare" if n == 0 else "one cluster: its spread cannot be known"
    first, second = np.nonzero(~np.eye(systems, dtype=np.bool_))
    # row by row of the board, so that the differences of all pairs are never held at once
    p = np.ones(first.size)
    if not reason:
        for system in range(systems):
            mine = first == system
            p[mine] = cr2_test(matrix[system] - matrix[second[mine]], index, "greater")
    shown = _holm(p, alpha)
    better = np.bincount(second[shown], minlength=systems)
    worse = np.bincount(first[shown], minlength=systems)
    method = f"CR2 t on {first.size} ordered pairs, Holm"
    return tuple(
        RankInterval(
            system=system,
            rank=1 + int((means > means[system] + 1e-12).sum()),
            best=1 + int(better[system]),
            worst=systems - int(worse[system]),
            mean=float(means[system]),
            level=level,
            n=n,
            clusters=groups,
            method=method,
            reason=reason,
        )
        for system in range(systems)
    )


def _matrix(scores: ArrayLike) -> Floats:
    try:
        matrix = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"no matrix of numbers: {error}", where="scores", remedy="one row per system") from error
    if matrix.ndim != 2 or not len(matrix):
        raise InputError(f"has shape {matrix.shape}, needed is systems x tasks", where="scores")
    finite_vector(matrix.ravel(), "scores")
    return matrix


def _holm(p: Floats, alpha: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which hypotheses Holm's step-down method (1979) rejects."""
    order = np.argsort(p, kind="stable")
    passed = p[order] <= alpha / (p.size - np.arange(p.size))
    count = p.size if passed.all() else int(np.argmin(passed))
    rejected = np.zeros(p.size, dtype=np.bool_)
    rejected[order[:count]] = True
    return rejected
