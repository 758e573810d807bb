"""The door to what needs the extra `synth` (scikit-learn): synthesis works without it, and says what it leaves out."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

__all__ = ["INSTALL", "lacking", "learners"]

INSTALL = "pip install 'rise-bench[synth]'"


def learners() -> Any:
    """The module `rise_bench.synth.gates.learners`; None where scikit-learn is not installed."""
    return importlib.import_module("rise_bench.synth.gates.learners") if find_spec("sklearn") else None


def lacking() -> str:
    """One line on what is left out; empty where nothing is."""
    if find_spec("sklearn"):
        return ""
    return f"gate 7 keeps all and no distances of requests are shown without scikit-learn: {INSTALL}"
