"""Small hand-made grounds, tasks and trajectories for the scorer's tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rise_bench.score import score
from rise_bench.types import (
    Assistant,
    Ground,
    GroundMode,
    Label,
    Server,
    StateChange,
    Stop,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Trajectory,
    User,
    Verdict,
)

__all__ = ["GROUND", "Did", "attempt", "call", "label_names", "static", "task", "values", "verdicts", "wrote"]


def _tool(name: str, effect: str, group: str = "", **properties: Any) -> Tool:
    required = [key for key, schema in properties.items() if "default" not in schema and not schema.pop("free", False)]
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": True}
    return Tool.model_validate(
        {"server": "s", "name": name, "parameters": parameters, "effect": effect, "group": group}
    )


def _text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


GROUND = Ground(
    name="kit",
    servers=(
        Server(
            name="s",
            failures=("^Error:", "^No such "),
            tools=(
                _tool("look", "read", path=_text(default=".")),
                _tool("peek", "read", group="peeking", path=_text(default=".")),
                _tool("total", "read", path=_text(), unit=_text(default="EUR"), since=_text(free=True)),
                _tool(
                    "book",
                    "write",
                    "booking",
                    day=_text(),
                    room=_text(default="A"),
                    seats={"type": "number", "default": 1},
                ),
                _tool("reserve", "write", "booking", day=_text(), room=_text(default="A")),
                _tool("drop", "write", day=_text()),
                _tool("note", "write", text=_text(), to={"type": "object", "free": True}),
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Did:
    """One call of an agent and what it gave."""

    tool: str
    arguments: dict[str, Any] | str
    content: str = "ok"
    status: str = "ok"
    changed: tuple[str, ...] | None = None
    id: str = ""


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """A reference call."""
    return {"tool": f"s.{tool}", "arguments": arguments}


def wrote(path: str, after: str | None, before: str | None = None, match: str = "exact") -> StateChange:
    """One leaf of a state difference."""
    return StateChange.model_validate({"path": path, "before": before, "after": after, "match": match})


def task(*reference: dict[str, Any], **fields: Any) -> Task:
    """A task over the kit's ground; its recorded results are null and its reference state empty unless given."""
    given = {"id": "kit/task", "request": "Do it.", "reference": reference, "recorded": [None] * len(reference)}
    return Task.model_validate({**given, "reference_state": (), **fields})


def attempt(
    *did: Did | tuple[Did, ...],
    say: str | None = "Here you are.",
    end: Sequence[StateChange] | None = (),
    mode: GroundMode = "live",
    stop: Stop = "answered",
    root: str = "",
    fault: str = "",
) -> Trajectory:
    """One attempt: each item is a message with one call or several, then the final message (None = there is none)."""
    messages: list[Any] = [User(content="Do it.")]
    number = 0
    for item in did:
        turn = item if isinstance(item, tuple) else (item,)
        ids = [one.id or f"c{number + i}" for i, one in enumerate(turn)]
        number += len(turn)
        calls = [
            ToolCall(id=i, tool=f"s.{one.tool}", arguments=one.arguments) for i, one in zip(ids, turn, strict=True)
        ]
        messages.append(Assistant(tool_calls=tuple(calls)))
        if mode != "static":
            messages.extend(
                ToolResult.model_validate(
                    {"call_id": i, "status": one.status, "content": one.content, "changed": one.changed}
                )
                for i, one in zip(ids, turn, strict=True)
            )
    if say is not None:
        messages.append(Assistant(content=say))
    return Trajectory(
        task="kit/task",
        mode=mode,
        messages=tuple(messages),
        stop=stop,
        fault=fault,
        root=root,
        end_state=tuple(end) if end is not None and mode in ("live", "replay") else None,
    )


def static(*did: Did, say: str | None = None) -> Trajectory:
    """One next message, not executed."""
    calls = tuple(ToolCall(id=f"c{i}", tool=f"s.{one.tool}", arguments=one.arguments) for i, one in enumerate(did))
    return Trajectory(task="kit/task", mode="static", messages=(Assistant(content=say or "", tool_calls=calls),))


def verdicts(about: Task, done: Trajectory, **more: Any) -> tuple[Verdict, Verdict]:
    """Both verdicts over the kit's ground."""
    return score(about, done, GROUND, **more)


def values(about: Task, done: Trajectory, **more: Any) -> tuple[float | None, float | None]:
    """(Acc_task, Acc_intent)."""
    on_task, on_intent = verdicts(about, done, **more)
    return on_task.value, on_intent.value


def label_names(about: Task, done: Trajectory) -> set[str]:
    """Names of all labels of both verdicts."""
    labels: list[Label] = [label for verdict in verdicts(about, done) for label in verdict.labels]
    return {label.name for label in labels}
