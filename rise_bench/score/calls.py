"""The calls that an agent made, each with what the frozen ground says about it: contract, effect, success."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import JsonValue
from referencing.jsonschema import EMPTY_REGISTRY

from rise_bench.types import Assistant, Effect, Ground, Task, Tool, ToolResult, Trajectory, canonical

__all__ = ["Made", "Tools", "calls_made", "plainly_valid", "tools_of"]


@dataclass(frozen=True, slots=True)
class Made:
    """One call that the agent made.

    `succeeded`: status `ok` and no known failure text; where nothing is executed: schema-valid (DESIGN 4.1, 4.2).
    `invalid`: why the frozen contract refuses the arguments; empty where it does not.
    """

    index: int
    tool: str
    arguments: dict[str, JsonValue] | None
    raw: str
    result: ToolResult | None
    known: bool
    effect: Effect
    group: str
    invalid: str
    succeeded: bool


class Tools:
    """Look-up over a ground's tools, or a task's own: contract, effect, group, ways of failing."""

    def __init__(self, tools: Iterable[Tool], failures: dict[str, tuple[str, ...]], digest: str) -> None:
        self.by_id = {tool.id: tool for tool in tools}
        self.digest = digest
        self._failures = {server: [_pattern(text) for text in texts] for server, texts in failures.items()}
        self._validators: dict[str, Any] = {}
        self._judged: dict[tuple[str, str], str] = {}

    def effect(self, tool: str) -> Effect:
        """Effect of a tool; `unknown` where the ground does not know it."""
        found = self.by_id.get(tool)
        return found.effect if found else "unknown"

    def group(self, tool: str) -> str:
        """Function group of a tool; its own id where it has none."""
        found = self.by_id.get(tool)
        return found.function_group if found else tool

    def schema(self, tool: str, argument: str) -> dict[str, JsonValue] | None:
        """JSON Schema of a top-level argument, or None."""
        found = self.by_id.get(tool)
        properties = found.parameters.get("properties") if found else None
        schema = properties.get(argument) if isinstance(properties, dict) else None
        return schema if isinstance(schema, dict) else None

    def failed_text(self, tool: str, text: str) -> bool:
        """True where the text is one of this server's ways of failing."""
        found = self.by_id.get(tool)
        patterns = self._failures.get(found.server) if found else self._failures.get("")
        return any(pattern.search(text) for pattern in patterns or ())

    def invalid(self, tool: str, arguments: dict[str, JsonValue]) -> str:
        """Why the contract refuses the arguments, one line; empty where it accepts them."""
        if tool not in self.by_id:
            return "unknown tool"
        if plainly_valid(self.by_id[tool].parameters, arguments):
            return ""
        key = (tool, canonical(arguments))  # attempts at one task make the same calls again and again
        refusal = self._judged.get(key)
        if refusal is None:
            refusal = self._refusal(tool, arguments)
            if len(self._judged) >= _MOST_JUDGED:
                self._judged.clear()
            if len(key[1]) <= _LONGEST_JUDGED:
                self._judged[key] = refusal
        return refusal

    def _refusal(self, tool: str, arguments: dict[str, JsonValue]) -> str:
        found = self.by_id[tool]
        validator = self._validators.get(tool)
        if validator is None:
            validator = self._validators[tool] = Draft202012Validator(found.parameters, registry=EMPTY_REGISTRY)
        try:
            for error in validator.iter_errors(arguments):
                where = "/".join(str(part) for part in error.absolute_path)
                return f"{where}: {error.message[:200]}" if where else str(error.message[:200])
        except RecursionError:
            return "the arguments nest too deeply"
        except Exception:  # whatever jsonschema meets in a broken contract: what cannot be read can refuse nothing
            return ""
        return ""


_PLAIN_WORDS = frozenset(
    ["$schema", "title", "description", "default", "examples", "type", "enum", "properties", "required", "items",
     "additionalProperties"]
)  # fmt: skip
_PLAIN_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,), "object": (dict,),
}  # fmt: skip


def plainly_valid(schema: JsonValue, value: JsonValue) -> bool:
    """True only where a schema of the plainest kind accepts the value; False says nothing, jsonschema has to.

    Nearly every call that is made is valid under such a schema, and asking jsonschema costs most of a verdict's time.
    """
    if not isinstance(schema, dict) or not schema.keys() <= _PLAIN_WORDS:
        return False
    kind, choices = schema.get("type"), schema.get("enum")
    if not isinstance(kind, str) or type(value) not in _PLAIN_TYPES.get(kind, ()):
        return False
    if "enum" in schema and not (isinstance(value, str) and isinstance(choices, list) and value in choices):
        return False
    if isinstance(value, list):
        items = schema.get("items", True)
        return items is True or all(plainly_valid(items, item) for item in value)
    if isinstance(value, dict):
        return _plain_object(schema, value)
    return True


def _plain_object(schema: dict[str, JsonValue], value: dict[str, JsonValue]) -> bool:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return False
    if not all(isinstance(name, str) and name in value for name in required):
        return False
    further = schema.get("additionalProperties", True) is True
    return all(plainly_valid(properties[n], v) if n in properties else further for n, v in value.items())


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.MULTILINE)


_MOST_JUDGED = 1024
_LONGEST_JUDGED = 4000
_MOST_TASKS = 8192
_TOOLS: dict[int, tuple[Ground, Tools]] = {}
_TASK_TOOLS: dict[int, tuple[Task, Ground, Tools]] = {}


def tools_of(task: Task, ground: Ground) -> Tools:
    """The look-up for a task: its own tools (imported tasks) or the ground's, built once per ground."""
    cached = _TOOLS.get(id(ground))
    if cached is None or cached[0] is not ground:
        if len(_TOOLS) > 64:
            _TOOLS.clear()
        tools = Tools(
            (tool for server in ground.servers for tool in server.tools),
            {server.name: server.failures for server in ground.servers},
            ground.digest(),
        )
        cached = _TOOLS[id(ground)] = (ground, tools)
    if not task.tools:
        return cached[1]
    own = _TASK_TOOLS.get(id(task))
    if own is None or own[0] is not task or own[1] is not ground:
        if len(_TASK_TOOLS) >= _MOST_TASKS:
            _TASK_TOOLS.clear()
        tools = Tools(task.tools, {server.name: server.failures for server in ground.servers}, cached[1].digest)
        own = _TASK_TOOLS[id(task)] = (task, ground, tools)
    return own[2]


def calls_made(trajectory: Trajectory, tools: Tools) -> list[Made]:
    """All calls of a trajectory in order, each with its result and the ground's judgement."""
    results = _results(trajectory)
    executed = trajectory.mode != "static"
    made: list[Made] = []
    for message in trajectory.messages:
        if not isinstance(message, Assistant):
            continue
        for call in message.tool_calls:
            arguments = call.arguments if isinstance(call.arguments, dict) else None
            result = results.get(len(made))
            invalid = tools.invalid(call.tool, arguments) if arguments is not None else "not a JSON object"
            made.append(
                Made(
                    index=len(made),
                    tool=call.tool,
                    arguments=arguments,
                    raw="" if arguments is not None else str(call.arguments),
                    result=result,
                    known=call.tool in tools.by_id,
                    effect=tools.effect(call.tool),
                    group=tools.group(call.tool),
                    invalid=invalid,
                    succeeded=_succeeded(result, call.tool, tools) if executed else not invalid,
                )
            )
    return made


def _results(trajectory: Trajectory) -> dict[int, ToolResult]:
    """Position of a call -> its result. Some models use an id again in a later turn: the oldest open call is answered."""
    found: dict[int, ToolResult] = {}
    open_calls: dict[str, list[int]] = {}
    position = 0
    for message in trajectory.messages:
        if isinstance(message, Assistant):
            for call in message.tool_calls:
                open_calls.setdefault(call.id, []).append(position)
                position += 1
        elif isinstance(message, ToolResult) and (waiting := open_calls.get(message.call_id)):
            found[waiting.pop(0)] = message
    return found


def _succeeded(result: ToolResult | None, tool: str, tools: Tools) -> bool:
    return result is not None and result.status == "ok" and not tools.failed_text(tool, result.content)
