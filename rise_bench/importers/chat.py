"""JSONL logs of OpenAI-style messages with tool calls as tasks and logged trajectories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from rise_bench.errors import InputError
from rise_bench.importers.accepted import critical
from rise_bench.importers.effects import infer_effects, infer_failures
from rise_bench.importers.imported import Attempt, Imported, json_lines
from rise_bench.importers.messages import messages_of, reference_of, tools_of, unseen_tools
from rise_bench.types import (
    Assistant,
    Call,
    Critical,
    Fact,
    Ground,
    Intent,
    Message,
    Server,
    Task,
    Tool,
    ToolResult,
    Trajectory,
    Usage,
    User,
)

__all__ = ["import_chat", "import_rows"]

_FIELDS = """
    messages tools id task_id task attempt trial model reference intent answer passed official request now metadata
"""
FIELDS = frozenset(_FIELDS.split())
_OF_TASK = ("request", "reference", "intent", "answer", "now")


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the log, read but not yet turned into a task."""

    where: str
    row: dict[str, Any]
    task: str
    model: str
    messages: tuple[Message, ...]


def import_chat(path: str | Path) -> Imported:
    """Tasks, ground and logged trajectories of a JSONL log.

    Each line is a list of messages, or an object with `messages` and, as far as known: `id` (or `task_id`; the line
    number if absent), `attempt`, `model`, `tools`, `request` (else the user's messages), `now`, `reference` (calls
    that solve it, `{name, arguments}`), `intent` (a list of critical parameters as in a task; else every argument of each
    reference call that is not read-only), `answer` (a list of facts as in a task, or of plain values), `passed` (an
    outside verdict: true, false, 1 or 0). Of several lines with one id it is enough that one says what the task is;
    where two do, they must agree. What tools do and how they fail is inferred (`effects.py`).

    Raises:
        InputError: no such file, or a line that cannot be used or contradicts another; names file and line.
    """
    file = Path(path)
    values = ((f"{file}:{number}", number, value) for number, value in json_lines(file))
    imported = import_rows(f"openai-chat/{file.stem}", values, file.stem)
    if not imported.tasks:
        raise InputError("holds no line", where=str(file), remedy="write one conversation a line")
    return imported


def import_rows(name: str, rows: Iterable[tuple[str, int, Any]], model: str) -> Imported:
    """Tasks, ground and logged trajectories of such lines, wherever they come from; attempts in the order of the rows.

    Args:
        name: of the source.
        rows: (where it stands, its number, the line's value).
        model: whose the lines are that do not say it.

    Raises:
        InputError: as `import_chat`.
    """
    lines = [_line(value, number, where, model) for where, number, value in rows]
    described = {tool.name: tool for line in lines for tool in tools_of(line.row.get("tools") or [], line.where)}
    told = _told(lines)
    references = {task: reference_of(line.row.get("reference") or [], line.where) for task, line in told.items()}
    called = [call.tool for line in lines for m in line.messages if isinstance(m, Assistant) for call in m.tool_calls]
    called += [call.tool for calls in references.values() for call in calls]
    tools = (*described.values(), *unseen_tools(tuple(described.values()), called))
    effects = infer_effects(tools, [line.messages for line in lines])
    tools = tuple(tool.model_copy(update={"effect": effects[tool.id].effect}) for tool in tools)
    failures = infer_failures(m.content for line in lines for m in line.messages if isinstance(m, ToolResult))
    by_id = {tool.id: tool for tool in tools}
    tasks = {task: _task(line, references[task], by_id) for task, line in told.items()}
    without = sum(not task.reference and not task.answer and task.reference_state is None for task in tasks.values())
    notes = [f"{tool}: {reading.effect} ({reading.why})" for tool, reading in sorted(effects.items())]
    if without:
        notes.append(
            f"{without} task(s) hold neither reference calls nor facts: there is nothing to judge them against"
        )
    return Imported(
        name=name,
        ground=Ground(name=name, servers=(Server(name="", tools=tools, failures=failures),)),
        tasks=tasks,
        models=tuple(dict.fromkeys(line.model for line in lines)),
        read=partial(_attempts, lines),
        notes=tuple(notes),
    )


def _line(value: Any, number: int, where: str, model: str) -> _Line:
    row = {"messages": value} if isinstance(value, list) else value
    if not isinstance(row, dict):
        raise InputError(f"is a {type(row).__name__}", where=where, remedy="write an object with `messages`, or a list")
    unknown = sorted(set(row) - FIELDS)
    if unknown:
        remedy = f"known: {', '.join(sorted(FIELDS))}; put anything else under metadata"
        raise InputError(f"unknown key {unknown[0]!r}", where=where, remedy=remedy)
    task = next((row[key] for key in ("task_id", "task", "id") if row.get(key) is not None), number)
    _check(row, where)
    return _Line(where, row, str(task), str(row.get("model") or model), messages_of(row.get("messages"), where))


def _check(row: dict[str, Any], where: str) -> None:
    """Refuse what would be read as something else than its writer meant.

    Raises:
        InputError: facts that are no list, a verdict that is no yes or no, an attempt that is no number.
    """
    for key in ("answer", "intent"):
        if row.get(key) is not None and not isinstance(row[key], list):
            raise InputError(f"`{key}` is a {type(row[key]).__name__}", where=where, remedy="write a list")
    for key in ("passed", "official"):
        if row.get(key) not in (None, True, False):  # 1 and 0 are equal to these, "false" is not
            raise InputError(f"`{key}` is {row[key]!r}", where=where, remedy="write true or false")
    for key in ("attempt", "trial"):
        number = row.get(key)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
            raise InputError(f"`{key}` is {number!r}", where=where, remedy="write a whole number from 0")


def _told(lines: Sequence[_Line]) -> dict[str, _Line]:
    """Task id -> its first line, completed by what other lines say of the task.

    Raises:
        InputError: two lines say different things of one task.
    """
    told: dict[str, _Line] = {}
    for line in lines:
        first = told.setdefault(line.task, line)
        said = {key: line.row[key] for key in _OF_TASK if line.row.get(key) is not None}
        for key, value in said.items():
            if first.row.get(key) not in (None, value):
                what = f"says another `{key}` of task {line.task!r} than {first.where}"
                raise InputError(what, where=line.where, remedy="give different tasks different ids")
        told[line.task] = replace(first, row=first.row | said)
    return told


def _task(line: _Line, reference: Sequence[Call], tools: dict[str, Tool]) -> Task:
    row = line.row
    said = "\n\n".join(message.content for message in line.messages if isinstance(message, User))
    try:
        return Task(
            id=line.task,
            request=str(row.get("request") or said),
            now=str(row.get("now") or ""),
            reference=tuple(reference),
            intent=Intent(critical=_criticals(row.get("intent"), reference, tools)),
            answer=tuple(_fact(value) for value in row.get("answer") or ()),
            cluster=line.task,
            reference_state=() if row.get("reference") == [] else None,  # said to need no call: nothing may change
        )
    except (ValidationError, TypeError, AttributeError) as error:
        first = str(error).splitlines()
        raise InputError(f"intent or answer cannot be read: {' '.join(first[:3])[:300]}", where=line.where) from error


def _criticals(given: Any, reference: Sequence[Call], tools: dict[str, Tool]) -> tuple[Critical, ...]:
    if given is not None:
        return tuple(Critical.model_validate(item) for item in given)
    return tuple(
        critical(index, name, [value], _schema(tools[call.tool], name))
        for index, call in enumerate(reference)
        if tools[call.tool].effect != "read"
        for name, value in call.arguments.items()
    )


def _schema(tool: Tool, argument: str) -> JsonValue:
    properties = tool.parameters.get("properties")
    return properties.get(argument) if isinstance(properties, dict) else None


def _fact(value: Any) -> Fact:
    if isinstance(value, dict):
        return Fact.model_validate(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fact(value=value, type="number")
    return Fact(value=str(value), type="text")


def _attempts(lines: Sequence[_Line]) -> Iterator[Attempt]:
    count: dict[tuple[str, str], int] = {}
    for line in lines:
        key = (line.model, line.task)
        given = line.row.get("attempt", line.row.get("trial"))
        number = count.get(key, 0) if given is None else given
        count[key] = max(number, count.get(key, 0)) + 1
        passed = line.row.get("passed", line.row.get("official"))
        turns = [message for message in line.messages if isinstance(message, Assistant)]
        unfinished = not turns or bool(turns[-1].tool_calls)
        yield Attempt(
            model=line.model,
            trajectory=Trajectory(
                task=line.task,
                attempt=number,
                mode="log",
                messages=line.messages,
                stop="max_turns" if unfinished else "answered",
                usage=Usage(turns=len(turns), calls=sum(len(turn.tool_calls) for turn in turns)),
            ),
            official=None if passed is None else bool(passed),
        )
