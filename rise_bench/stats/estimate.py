"""The result record of every estimate, and the validation that all estimators share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rise_bench.errors import InputError

__all__ = ["Estimate", "cluster_index", "finite_vector", "valid_level"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A point estimate with its interval, and how both came about.

    `value` is None where nothing can be estimated; `low` and `high` are None where no interval can be given. In both
    cases `reason` says why. `n` counts units, `clusters` the groups of units that may depend on each other.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    clusters: int
    method: str
    reason: str = ""


def finite_vector(values: ArrayLike, name: str) -> Floats:
    """The values as a one-dimensional float array.

    Raises:
        InputError: not one-dimensional, not numbers, or not finite.
    """
    try:
        vector = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"not numbers: {error}", where=name, remedy="leave faulted attempts (None) out") from error
    if vector.ndim != 1:
        raise InputError(f"has {vector.ndim} dimensions, one is needed", where=name)
    if not np.isfinite(vector).all():
        position = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise InputError(
            f"{vector[position]} at position {position} is not finite", where=name, remedy="leave faulted attempts out"
        )
    return vector


def cluster_index(clusters: Sequence[Hashable] | None, n: int) -> tuple[Indices, int]:
    """(group number of each unit, number of groups); without `clusters` every unit is a group of its own.

    Raises:
        InputError: another number of labels than of units.
    """
    if clusters is None:
        return np.arange(n), n
    if len(clusters) != n:
        raise InputError(f"{len(clusters)} cluster labels for {n} values", where="clusters")
    numbers: dict[Hashable, int] = {}
    index = np.fromiter((numbers.setdefault(label, len(numbers)) for label in clusters), dtype=np.intp, count=n)
    return index, len(numbers)


def valid_level(level: float) -> float:
    """The confidence level, checked.

    Raises:
        InputError: not strictly between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"{level} is not between 0 and 1", where="level", remedy="give a share such as 0.95")
    return level
