"""The door to what needs the extra `plots` (matplotlib): comparisons work without it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from rise_bench.compare.records import Comparison
from rise_bench.errors import SetupError

__all__ = ["drawer"]


def drawer() -> Callable[[Comparison, Path], None]:
    """`rise_bench.compare.forest.draw`, which writes a forest plot.

    Raises:
        SetupError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise SetupError("matplotlib is not installed", where="--plot", remedy="pip install 'rise-bench[plots]'")
    draw: Callable[[Comparison, Path], None] = importlib.import_module("rise_bench.compare.forest").draw
    return draw
