"""BFCL folders (questions, answers, results, official verdicts) as tasks and static trajectories."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from rise_bench.errors import InputError
from rise_bench.importers.accepted import critical, expand
from rise_bench.importers.bfcl_schema import json_schema, literal_texts, valid_default, widen
from rise_bench.importers.bfcl_text import parse_output
from rise_bench.importers.imported import Attempt, Imported, json_file, json_lines
from rise_bench.model.calls import read_arguments
from rise_bench.refs import strict_json
from rise_bench.types import (
    Assistant,
    Call,
    Critical,
    Ground,
    Intent,
    Message,
    Server,
    System,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Trajectory,
    Usage,
    User,
)

__all__ = ["import_bfcl"]

NO_CALL = re.compile(r"^(?:relevance$|.*irrelevance)", re.IGNORECASE)
"""Categories where no call is right: `relevance` of 2024, and whatever later versions call irrelevance."""

HARNESS_ERROR = re.compile(r"\A\s*(?:error\s*\Z|error during inference|error code: \d{3}|an error occurred:)", re.I)
"""What BFCL's own runner writes in place of a model's output."""

AS_TEXT = re.compile(r"java", re.IGNORECASE)
"""Categories (Java, JavaScript) whose models were told that every parameter is a text holding a literal."""

UNWIRED = re.compile(r"[^A-Za-z0-9_-]")
SUFFIX = re.compile(r"[ _]\d+\Z")


@dataclass(slots=True)
class Notes:
    """What was found wrong in the source, by kind of finding: the items it concerns."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, item: str) -> None:
        """Remember that `item` has this finding."""
        self.found.setdefault(what, []).append(item)

    def lines(self) -> tuple[str, ...]:
        """One line a kind of finding, with at most eight ids."""
        return tuple(
            f"{what}: {len(set(items))} item(s), {', '.join(dict.fromkeys(items[:8]))}{' ...' if len(items) > 8 else ''}"
            for what, items in self.found.items()
        )


def import_bfcl(folder: str | Path, models: Sequence[str] | None = None) -> Imported:
    """Tasks and static trajectories of a BFCL folder, with official verdicts where they lie beside.

    Args:
        folder: holds `questions/<category>.jsonl`, `answers/<category>.jsonl` (none where no call is right),
            `results/<model>/<category>.jsonl` and, per model or not at all, `official/<model>.json`.
        models: names under `results/`; None = all.

    Raises:
        InputError: a folder, file, line or model that is missing or cannot be read.
    """
    root = Path(folder)
    questions = sorted((root / "questions").glob("*.jsonl"))
    if not questions:
        raise InputError("has no questions/*.jsonl", where=str(root), remedy="give the folder that holds questions/")
    notes = Notes()
    tasks: dict[str, Task] = {}
    for path in questions:
        for task in _category(path, root / "answers" / path.name, notes):
            if task.id in tasks:
                raise InputError(f"id {task.id!r} occurs twice", where=str(path), remedy="remove one of the two")
            tasks[task.id] = task
    present = sorted(path.name for path in (root / "results").glob("*") if path.is_dir())
    for name in models or ():
        if name not in present:
            raise InputError(f"no results of {name!r}", where=str(root / "results"), remedy=f"one of {present}")
    chosen = tuple(models or present)
    return Imported(
        name=f"bfcl/{root.name}",
        ground=Ground(name=f"bfcl/{root.name}", servers=(Server(name=""),)),
        tasks=tasks,
        models=chosen,
        read=partial(_attempts, root, chosen, tasks),
        notes=notes.lines(),
    )


# --- tasks ------------------------------------------------------------------------------------------------------------


def _category(path: Path, answers: Path, notes: Notes) -> Iterator[Task]:
    category = path.stem
    no_call = NO_CALL.match(category) is not None
    if not no_call and not answers.exists():
        notes.add("category without answers, left out", category)
        return
    gold = {} if no_call else {_field(row, "id", answers, line): row for line, row in json_lines(answers)}
    for line, row in json_lines(path):
        task_id = _field(row, "id", path, line)
        if _turns(row.get("question")) > 1:
            notes.add("question of several turns, left out", task_id)
            continue
        history, request = _question(row.get("question"), path, line)
        tools = {tool.name: tool for tool in (_tool(s, path, line) for s in _as_list(row.get("function")))}
        if not no_call and task_id not in gold:
            notes.add("question without an answer, left out", task_id)
            continue
        calls = [] if no_call else _gold_calls(gold[task_id].get("ground_truth"), tools, task_id, notes)
        if not no_call and not calls:
            notes.add("answer holds no call of an offered tool, left out", task_id)
            continue
        reference, criticals = _reference(calls, tools, task_id, notes, as_text=AS_TEXT.search(category) is not None)
        yield Task(
            id=task_id,
            kind="no_call" if no_call else "complete",
            request=request,
            reference=reference,
            intent=Intent(critical=criticals),
            cluster=task_id,
            tags=(category,),
            tools=tuple(tools.values()),
            history=history,
        )


def _field(row: Any, name: str, path: Path, line: int) -> str:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, str | int):
        raise InputError(f"has no {name!r}", where=f"{path}:{line}", remedy="one object with an id on each line")
    return str(value)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _turns(question: Any) -> int:
    return len(question) if isinstance(question, list) and question and isinstance(question[0], list) else 1


def _question(question: Any, path: Path, line: int) -> tuple[tuple[Message, ...], str]:
    """(messages before the request, request). A text, a message list, or a list with one message list (one turn)."""
    if isinstance(question, str):
        return (), question
    messages = question[0] if isinstance(question, list) and question and isinstance(question[0], list) else question
    if isinstance(messages, list) and all(isinstance(m, dict) and isinstance(m.get("content"), str) for m in messages):
        last = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=-1)
        if last >= 0:
            return tuple(_turn(m) for m in messages[:last]), messages[last]["content"]
    raise InputError("`question` is neither text nor messages with one from the user", where=f"{path}:{line}")


def _turn(message: dict[str, Any]) -> Message:
    kinds: dict[str, Callable[..., Message]] = {"system": System, "assistant": Assistant}
    return kinds.get(message.get("role", ""), User)(content=message["content"])


def _tool(spec: Any, path: Path, line: int) -> Tool:
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        raise InputError("`function` holds something without a name", where=f"{path}:{line}")
    parameters = json_schema(spec.get("parameters") or {})
    return Tool(
        server="",
        name=spec["name"],
        description=spec.get("description") or "",
        parameters=parameters if isinstance(parameters, dict) else {},
    )


GoldCall = tuple[str, dict[str, list[JsonValue]]]


def _gold_calls(truth: Any, tools: dict[str, Tool], task_id: str, notes: Notes) -> list[GoldCall]:
    """(tool, argument -> accepted values) per gold call; what is no call of an offered tool is noted and left out."""
    entries: list[tuple[str, Any]] = []
    for part in _as_list(truth):
        if isinstance(part, dict):
            entries.extend(part.items())
        elif isinstance(part, str):
            for call in parse_output(part).calls:
                arguments = call.arguments if isinstance(call.arguments, dict) else {}
                entries.append((call.tool, {name: [value] for name, value in arguments.items()}))
    calls: list[GoldCall] = []
    for name, arguments in entries:
        tool = _meant(name, tools)
        if not isinstance(arguments, dict) or tool is None:
            notes.add("answer names something that is no call of an offered tool, entry left out", task_id)
            continue
        if tool != name and tool != SUFFIX.sub("", name):
            notes.add("answer misspells the tool's name, the offered one is taken", task_id)
        calls.append((tool, {key: _as_list(values) for key, values in arguments.items()}))
    return calls


def _meant(name: str, tools: dict[str, Tool]) -> str | None:
    """The offered tool that a gold name means: itself, without its number, by its last part, or the only one."""
    for candidate in (name, SUFFIX.sub("", name)):
        if candidate in tools:
            return candidate
        endings = [
            tool for tool in tools if tool.rpartition(".")[2] == candidate or UNWIRED.sub("_", tool) == candidate
        ]
        if len(endings) == 1:
            return endings[0]
    return next(iter(tools)) if len(tools) == 1 else None


def _reference(
    calls: Sequence[GoldCall], tools: dict[str, Tool], task_id: str, notes: Notes, *, as_text: bool
) -> tuple[tuple[Call, ...], tuple[Critical, ...]]:
    """Reference calls with every argument critical. Widens `tools` in place where a contract refuses what is accepted."""
    reference: list[Call] = []
    criticals: list[Critical] = []
    for index, (name, gold) in enumerate(calls):
        arguments: dict[str, JsonValue] = {}
        for argument, accepted in gold.items():
            values = [variant for value in accepted if value != "" for variant in expand(value)]
            optional = "" in accepted
            schema = _property(tools[name], argument)
            if schema is None and optional:
                notes.add("answer lists an optional argument that the tool does not have, left out", task_id)
                continue
            if schema is None:
                notes.add("answer demands an argument that the tool does not have", task_id)
            if not values and not optional:
                values = [""]
            if not values:
                continue  # may only be left out: nothing to match, and sending it is an extra argument
            texts = literal_texts(values) if as_text else []
            if schema is not None:
                tools[name], changed = widen(tools[name], argument, [*values, *texts])
                if changed and not texts:
                    notes.add("answer accepts a value that the tool's own type refuses, type widened", task_id)
                if optional and valid_default(schema) and schema["default"] not in values:
                    values = [*values, schema["default"]]
            values = [*values, *texts]
            arguments[argument] = values[0]
            criticals.append(critical(index, argument, values, schema, optional=optional))
        reference.append(Call(tool=name, arguments=arguments))
    return tuple(reference), tuple(criticals)


def _property(tool: Tool, argument: str) -> dict[str, JsonValue] | None:
    properties = tool.parameters.get("properties")
    schema = properties.get(argument) if isinstance(properties, dict) else None
    return schema if isinstance(schema, dict) else None


# --- attempts ---------------------------------------------------------------------------------------------------------


def _attempts(root: Path, models: Iterable[str], tasks: dict[str, Task]) -> Iterator[Attempt]:
    for model in models:
        official = _official(root / "official" / f"{model}.json")
        files = {path: list(json_lines(path)) for path in sorted((root / "results" / model).glob("*.jsonl"))}
        rows = [row for lines in files.values() for _, row in lines if isinstance(row, dict)]
        native = any(_is_native(row.get("result")) for row in rows)
        for path, lines in files.items():
            verdicts = official.get(path.stem)
            for line, row in lines:
                task = tasks.get(_field(row, "id", path, line))
                if task is None:
                    continue
                yield Attempt(
                    model=model,
                    trajectory=_trajectory(task, row, native),
                    official=None if verdicts is None else task.id not in verdicts,
                    official_reason=(verdicts or {}).get(task.id, ""),
                )


def _is_native(result: Any) -> bool:
    return isinstance(result, list) and any(isinstance(item, dict) for item in result)


def _official(path: Path) -> dict[str, dict[str, str]]:
    """Category -> id -> reason of each failed item; a category without verdicts is absent."""
    if not path.exists():
        return {}
    content = json_file(path)
    try:
        return {category: {str(k): str(v) for k, v in entry["failed"].items()} for category, entry in content.items()}
    except (AttributeError, KeyError, TypeError) as error:
        remedy = "write {category: {failed: {id: reason}}}"
        raise InputError("has another layout than category -> failed", where=str(path), remedy=remedy) from error


def _trajectory(task: Task, row: dict[str, Any], native: bool) -> Trajectory:
    result = row.get("result")
    usage = _usage(row)
    if isinstance(result, str) and HARNESS_ERROR.match(result):
        if task.kind == "no_call":  # an error text is no abstention (DESIGN 4.2)
            return Trajectory(task=task.id, mode="static", stop="agent_failed", usage=usage)
        return Trajectory(task=task.id, mode="static", stop="fault", fault=result.strip()[:200], usage=usage)
    names = {UNWIRED.sub("_", tool.name): tool.name for tool in task.tools} | {t.name: t.name for t in task.tools}
    if isinstance(result, list) and any(isinstance(item, str) for item in result):
        result = "\n".join(map(str, result))  # one Python-style call an entry
    message = _native(result, names) if isinstance(result, list) else _text(str(result or ""), names, native)
    results = tuple(ToolResult(call_id=c.id, tool=c.tool, status="not_executed") for c in message.tool_calls)
    usage = usage.model_copy(update={"turns": 1, "calls": len(message.tool_calls)})
    messages = (*task.history, User(content=task.request), message, *results)
    return Trajectory(task=task.id, mode="static", messages=messages, usage=usage)


def _usage(row: dict[str, Any]) -> Usage:
    counts = {name: row.get(f"{name}_token_count") for name in ("input", "output")}
    tokens = {f"{name}_tokens": count for name, count in counts.items() if isinstance(count, int)}
    latency = row.get("latency")
    return Usage(**tokens, seconds=float(latency) if isinstance(latency, int | float) else 0.0)


def _native(result: list[Any], names: dict[str, str]) -> Assistant:
    """`[{name: arguments}]` of an endpoint with native calls; arguments as JSON text or as an object."""
    calls: list[ToolCall] = []
    for item in result:
        if not isinstance(item, dict):
            return Assistant(content=str(result), malformed="an entry of the call list is no object")
        calls.extend(
            ToolCall(id=f"call_{number}", tool=names.get(str(name), str(name)), arguments=read_arguments(arguments))
            for number, (name, arguments) in enumerate(item.items(), len(calls))
        )
    return Assistant(tool_calls=tuple(calls))


def _text(text: str, names: dict[str, str], native: bool) -> Assistant:
    """A text: prose where the model has native calls, else read for calls in its own syntax."""
    if native:
        return Assistant(content=text)
    try:
        value = strict_json(text)
    except ValueError:
        value = None
    if isinstance(value, list) and value and all(isinstance(v, dict) and v and v.keys() <= names.keys() for v in value):
        return _native(value, names)
    parsed = parse_output(text)
    calls = [
        ToolCall(id=f"call_{i}", tool=names.get(call.tool, call.tool), arguments=call.arguments)
        for i, call in enumerate(parsed.calls)
    ]
    return Assistant(content=parsed.text, tool_calls=tuple(calls), malformed=parsed.malformed)
