"""The result record of every test, and the input handling that tests and paired estimates share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Floats, Indices, finite_vector

__all__ = ["Alternative", "Test", "cluster_sums", "task_differences", "task_means", "valid_alternative", "valid_draws"]

Alternative = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True, slots=True)
class Test:
    """A test's p value, and how it came about.

    `p` is None where no p can be given, `statistic` is None where there is nothing to compute; `reason` says why. `n`
    counts units, `clusters` the groups of units that may depend on each other. `smallest_p` is the least p that the test
    could have given here, None where it has no such floor: where it exceeds alpha, nothing could have been shown.
    `discordant` is set by `mcnemar`: (tasks that only the first solves, tasks that only the second solves).
    """

    __test__: ClassVar[bool] = False  # pytest collects classes of this name

    statistic: float | None
    p: float | None
    method: str
    n: int
    clusters: int
    alternative: Alternative
    reason: str = ""
    smallest_p: float | None = None
    discordant: tuple[int, int] | None = None


def task_means(scores: ArrayLike, name: str = "scores") -> Floats:
    """Mean score of each task.

    Args:
        scores: one finite number per task, or a matrix tasks x attempts in which NaN marks an attempt that is not there.
        name: what an error calls them.

    Raises:
        InputError: not numbers, not finite, another number of dimensions, or a task without any attempt.
    """
    try:
        matrix = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"not a table of numbers: {error}", where=name, remedy="fill rows up with NaN") from error
    if matrix.ndim != 2:
        return finite_vector(matrix, name)
    there = ~np.isnan(matrix)
    if np.isinf(matrix).any():
        row = int(np.flatnonzero(np.isinf(matrix).any(axis=1))[0])
        raise InputError(f"task {row} has a score that is infinite", where=name, remedy="leave faulted attempts out")
    counts = there.sum(axis=1)
    if (counts == 0).any():
        row = int(np.flatnonzero(counts == 0)[0])
        raise InputError(f"task {row} has no attempt", where=name, remedy="leave such tasks out and say how many")
    means: Floats = np.where(there, matrix, 0.0).sum(axis=1) / counts
    return means


def task_differences(a: ArrayLike, b: ArrayLike) -> Floats:
    """mean(b) - mean(a) of each task; each of the two as in `task_means`, attempts may differ in number.

    Raises:
        InputError: another number of tasks in one than in the other, or scores that cannot be averaged.
    """
    first, second = task_means(a, "a"), task_means(b, "b")
    if first.size != second.size:
        raise InputError(f"{first.size} tasks of one, {second.size} of the other", where="paired scores")
    return second - first


def cluster_sums(values: Floats, index: Indices, groups: int) -> tuple[Floats, Floats]:
    """(sum, number of units) of each cluster, both as floats; `index` and `groups` from `cluster_index`."""
    sums: Floats = np.bincount(index, weights=values, minlength=groups).astype(np.float64)
    return sums, np.bincount(index, minlength=groups).astype(np.float64)


def valid_alternative(alternative: Alternative) -> Alternative:
    """The alternative, checked.

    Raises:
        InputError: not one of the three.
    """
    if alternative not in get_args(Alternative):
        raise InputError(f"{alternative!r} is unknown", where="alternative", remedy="two-sided, greater or less")
    return alternative


def valid_draws(draws: int, name: str = "draws") -> int:
    """The number of draws, checked.

    Raises:
        InputError: less than 1.
    """
    if draws < 1:
        raise InputError(f"{draws} is less than 1", where=name, remedy="10000 is usual")
    return draws
