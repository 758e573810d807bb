"""What a task's reference says, read once per task: who feeds whom, and which parameters are critical."""

from __future__ import annotations

from dataclasses import dataclass

from rise_bench.refs import bindings, escape
from rise_bench.score.assign import levels
from rise_bench.types import Critical, Task

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Per reference call: its bindings as (place, producer, pointer), its critical parameters; and the levels of calls."""

    levels: list[list[int]]
    bindings: tuple[tuple[tuple[str, int, str], ...], ...]
    critical: tuple[tuple[Critical, ...], ...]
    others: tuple[tuple[str, ...], ...]
    """Per reference call the arguments that no critical parameter names."""
    semantic: bool
    """Whether a critical parameter needs a judge."""


_PLANS: dict[int, tuple[Task, Plan]] = {}
_MOST = 8192


def plan_of(task: Task) -> Plan:
    """The plan of a task; the same object for the same task object."""
    cached = _PLANS.get(id(task))
    if cached is not None and cached[0] is task:
        return cached[1]
    if len(_PLANS) >= _MOST:
        _PLANS.clear()
    calls = range(len(task.reference))
    plan = Plan(
        levels=levels(task.reference),
        bindings=tuple(tuple(bindings(call.arguments)) for call in task.reference),
        critical=tuple(tuple(item for item in task.intent.critical if item.call == i) for i in calls),
        others=tuple(
            tuple(name for name in call.arguments if f"/{escape(name)}" not in named)
            for call, named in (
                (task.reference[i], {item.argument for item in task.intent.critical if item.call == i}) for i in calls
            )
        ),
        semantic=any(item.match == "semantic" for item in task.intent.critical),
    )
    _PLANS[id(task)] = (task, plan)
    return plan
