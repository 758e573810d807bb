"""p values adjusted for how many questions were asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rise_bench.errors import InputError
from rise_bench.stats.estimate import Floats

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p of each, to hold the chance of any false finding in the family (Holm 1979).

    Valid under any dependence. The result has the order of `p_values`; a None stays None and does not count as a question.

    Raises:
        InputError: a p that is not within [0, 1].
    """
    asked, ps = _asked(p_values)
    order = np.argsort(ps, kind="stable")
    raised = np.maximum.accumulate(ps[order] * np.arange(ps.size, 0, -1))
    adjusted = np.empty_like(ps)
    adjusted[order] = np.minimum(raised, 1.0)
    return _put_back(adjusted, asked, len(p_values))


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p of each, to hold the expected share of false findings (Benjamini and Hochberg 1995).

    Valid for independent or positively dependent tests. Order and None as in `holm`.

    Raises:
        InputError: a p that is not within [0, 1].
    """
    asked, ps = _asked(p_values)
    order = np.argsort(-ps, kind="stable")
    lowered = np.minimum.accumulate(ps[order] * ps.size / np.arange(ps.size, 0, -1))
    adjusted = np.empty_like(ps)
    adjusted[order] = lowered
    return _put_back(adjusted, asked, len(p_values))


def _asked(p_values: Sequence[float | None]) -> tuple[list[int], Floats]:
    """(positions that hold a p, these p values)."""
    for position, p in enumerate(p_values):
        if p is not None and not 0.0 <= p <= 1.0:
            raise InputError(f"{p} at position {position} is no p value", where="p_values", remedy="give None for no p")
    asked = [position for position, p in enumerate(p_values) if p is not None]
    return asked, np.array([p for p in p_values if p is not None], dtype=np.float64)


def _put_back(adjusted: Floats, asked: list[int], size: int) -> list[float | None]:
    found: list[float | None] = [None] * size
    for position, p in zip(asked, adjusted, strict=True):
        found[position] = float(p)
    return found
