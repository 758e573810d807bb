"""tau-bench simulations (gold actions, messages, reward) as tasks and logged trajectories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.importers.accepted import critical
from rise_bench.importers.effects import Reading, infer_effects, infer_failures
from rise_bench.importers.imported import Attempt, Imported, json_file
from rise_bench.importers.messages import messages_of, reference_of, unseen_tools
from rise_bench.types import (
    Assistant,
    Fact,
    Ground,
    Intent,
    Message,
    Server,
    Stop,
    Task,
    ToolResult,
    Trajectory,
    Usage,
    User,
)

__all__ = ["import_tau"]

STOP_WORD = "###STOP###"
"""What tau-bench's simulated user writes when it is done."""


def import_tau(path: str | Path) -> Imported:
    """Tasks, ground and logged trajectories of tau-bench simulations, with the reward as official verdict.

    Args:
        path: a JSON file (a list of simulations of one domain), or a folder of such files; a file's name is the model's.

    The tools are those that the files call; what they do is inferred (`effects.py`). Critical are all arguments of the
    gold actions that are not read-only; facts are the required outputs.

    Raises:
        InputError: no such file, another layout, or files of different domains in one folder.
    """
    root = Path(path)
    files = sorted(root.glob("*.json")) if root.is_dir() else [root]
    if not files:
        raise InputError("has no *.json", where=str(root), remedy="give a file of simulations or a folder of them")
    rows = [(file, number, row) for file in files for number, row in enumerate(_rows(file))]
    logs = [messages_of(row.get("traj"), f"{file}, simulation {number}") for file, number, row in rows]
    specs = _specs(rows)
    references = {task: reference_of(spec.get("actions"), where) for task, (spec, where) in specs.items()}
    names = [call.tool for calls in references.values() for call in calls]
    names += [call.tool for log in logs for m in log if isinstance(m, Assistant) for call in m.tool_calls]
    effects = infer_effects(unseen_tools((), names), logs)
    tools = tuple(t.model_copy(update={"effect": effects[t.id].effect}) for t in unseen_tools((), names))
    failures = infer_failures(m.content for log in logs for m in log if isinstance(m, ToolResult))
    tasks = {
        task: Task(
            id=task,
            request=str(spec.get("instruction") or ""),
            reference=references[task],
            intent=Intent(
                critical=tuple(
                    critical(index, name, [value], None)
                    for index, call in enumerate(references[task])
                    if effects[call.tool].effect != "read"
                    for name, value in call.arguments.items()
                )
            ),
            answer=tuple(_fact(value) for value in spec.get("outputs") or ()),
            cluster=task,
            reference_state=None if references[task] else (),  # gold without any action: nothing may change
        )
        for task, (spec, _) in specs.items()
    }
    return Imported(
        name=f"tau/{root.stem}",
        ground=Ground(name=f"tau/{root.stem}", servers=(Server(name="", tools=tools, failures=failures),)),
        tasks=tasks,
        models=tuple(file.stem for file in files),
        read=partial(_attempts, rows, logs, {name for name, reading in effects.items() if reading.hand_over}),
        notes=_notes(effects, failures),
    )


def _rows(file: Path) -> list[dict[str, Any]]:
    content = json_file(file)
    if not isinstance(content, list):
        raise InputError("is not a list of simulations", where=str(file), remedy="give tau-bench's own result file")
    for number, row in enumerate(content):
        task = row.get("info", {}).get("task") if isinstance(row, dict) else None
        if not isinstance(task, dict) or "task_id" not in row:
            what = "has no task_id or no info.task"
            raise InputError(what, where=f"{file}, simulation {number}", remedy="give tau-bench's own result file")
    return content


def _specs(rows: Sequence[tuple[Path, int, dict[str, Any]]]) -> dict[str, tuple[dict[str, Any], str]]:
    """Task id -> (what the file says of the task, where it stands first)."""
    specs: dict[str, tuple[dict[str, Any], str]] = {}
    for file, number, row in rows:
        task, where = row["info"]["task"], f"{file}, simulation {number}"
        first = specs.setdefault(str(row["task_id"]), (task, where))
        if task.get("actions") != first[0].get("actions"):
            remedy = "import files of different domains one by one"
            raise InputError(f"is another task {row['task_id']} than in {first[1]}", where=where, remedy=remedy)
    return specs


def _fact(value: JsonValue) -> Fact:
    try:
        return Fact(value=float(str(value).replace(",", "")), type="number")
    except ValueError:
        return Fact(value=str(value), type="text")


def _notes(effects: dict[str, Reading], failures: Sequence[str]) -> tuple[str, ...]:
    lines = [f"{tool}: {reading.effect} ({reading.why})" for tool, reading in sorted(effects.items())]
    return (*lines, *(f"failure text: {pattern}" for pattern in failures))


def _attempts(
    rows: Sequence[tuple[Path, int, dict[str, Any]]], logs: Sequence[tuple[Message, ...]], hand_overs: set[str]
) -> Iterator[Attempt]:
    for (file, _, row), messages in zip(rows, logs, strict=True):
        reward = row.get("reward")
        turns = [message for message in messages if isinstance(message, Assistant)]
        yield Attempt(
            model=file.stem,
            trajectory=Trajectory(
                task=str(row["task_id"]),
                attempt=int(row.get("trial") or 0),
                mode="log",
                messages=messages,
                stop=_stop(messages, hand_overs),
                usage=Usage(turns=len(turns), calls=sum(len(turn.tool_calls) for turn in turns)),
            ),
            official=None if not isinstance(reward, int | float) else reward >= 1,
            official_reason="" if reward is None else f"reward {reward}",
        )


def _stop(messages: Sequence[Message], hand_overs: set[str]) -> Stop:
    """`answered` where the user was done or a hand-over closed the talk; a log cut elsewhere ran out of turns."""
    last = messages[-1]
    if isinstance(last, Assistant):
        return "max_turns" if last.tool_calls else "answered"
    if isinstance(last, User):
        return "answered" if STOP_WORD in last.content else "max_turns"
    return "answered" if isinstance(last, ToolResult) and last.tool in hand_overs else "max_turns"
