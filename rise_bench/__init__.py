"""rise-bench: does a tool-using agent do what its user meant?

The door: these names open the rooms behind them on first use, so that importing the package loads nothing heavy.
(`rise_bench.report` and `rise_bench.score` are rooms; their verbs are `bench.report` and `score_attempt`.)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rise_bench.bench import evaluate, plan, score_run
    from rise_bench.errors import RiseError
    from rise_bench.report import Report
    from rise_bench.runs import Run
    from rise_bench.store import load_suite
    from rise_bench.suites import check_suite
    from rise_bench.types import Ground, Model, Task, Trajectory, Verdict
    from rise_bench.work import Options, score_attempt

__all__ = [
    "Ground",
    "Model",
    "Options",
    "Report",
    "RiseError",
    "Run",
    "Task",
    "Trajectory",
    "Verdict",
    "check_suite",
    "evaluate",
    "load_suite",
    "plan",
    "score_attempt",
    "score_run",
]

_ROOMS = {
    "bench": ("evaluate", "plan", "score_run"),
    "errors": ("RiseError",),
    "report": ("Report",),
    "runs": ("Run",),
    "store": ("load_suite",),
    "suites": ("check_suite",),
    "types": ("Ground", "Model", "Task", "Trajectory", "Verdict"),
    "work": ("Options", "score_attempt"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    """The object behind a name of the door."""
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'rise_bench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"rise_bench.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    """The names of the door."""
    return sorted(__all__)
