"""The agent that says what a file tells it to: exact histories for tests, dummies and deviating scripts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from rise_bench.errors import InputError, RiseError
from rise_bench.model import history
from rise_bench.model.load import refuse_unknown
from rise_bench.refs import resolve, result_value, substitute_root
from rise_bench.types import Assistant, Model, ModelRequest, Record, Reply, Sampling, Suite, ToolCall, canonical

__all__ = ["ANY_TASK", "Script", "Scripted", "ScriptedCall", "Step", "make", "read_script"]

ANY_TASK = "*"
"""Key of the steps for every task that the script does not name."""


class ScriptedCall(Record):
    """One call. Arguments may hold `{root}` and `$ref` bindings to results of this attempt; raw text stays raw."""

    tool: str
    arguments: dict[str, JsonValue] | str = Field(default_factory=dict)
    id: str = ""


class Step(Record):
    """One assistant message, and the stop reason where the attempt is to end with it."""

    content: str = ""
    tool_calls: tuple[ScriptedCall, ...] = ()
    malformed: str = ""
    stop: Literal["context_overflow", "output_limit", "content_filter", "agent_failed"] | None = None


Script = dict[str, tuple[Step, ...]]
"""Task id (or `ANY_TASK`) -> assistant messages in order."""

_SCRIPT: TypeAdapter[Script] = TypeAdapter(Script)


class _PlainLoader(yaml.SafeLoader):
    """YAML as JSON has it: a date stays text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Scripted:
    """Gives a script's messages one after the other; a script that ends with calls is closed with "Done."."""

    def __init__(self, script: Script, name: str = "scripted") -> None:
        self.name = name
        self._script = script

    def content(self) -> str:
        """SHA-256 of the script."""
        plain = {task: [step.model_dump(mode="json") for step in steps] for task, steps in self._script.items()}
        return hashlib.sha256(canonical(plain).encode()).hexdigest()

    def reply(self, request: ModelRequest) -> Reply:
        """The next message of this task's script.

        A task without a script, or a binding that finds nothing, ends the attempt as `agent_failed` and says why.
        """
        steps = self._script.get(request.task, self._script.get(ANY_TASK))
        if steps is None:
            return _failed(f"the script has no messages for task {request.task!r}")
        number = history.steps(request)
        if number >= len(steps):
            return history.answer("Done.")
        step = steps[number]
        try:
            calls = tuple(_call(call, request, history.call_id(number, i)) for i, call in enumerate(step.tool_calls))
        except RiseError as error:
            return _failed(f"script step {number} cannot be played: {error}")
        content = step.content.replace("{root}", request.root)
        return Reply(message=Assistant(content=content, tool_calls=calls, malformed=step.malformed), stop=step.stop)

    def close(self) -> None:
        """Nothing is held."""


def _call(call: ScriptedCall, request: ModelRequest, default_id: str) -> ToolCall:
    arguments = substitute_root(call.arguments, request.root)
    if isinstance(arguments, dict):
        arguments = resolve(arguments, [result_value(result) for result in history.results(request)])
    if not isinstance(arguments, dict | str):
        raise InputError(f"arguments of {call.tool} resolve to no object", remedy="bind single arguments")
    return ToolCall(id=call.id or default_id, tool=call.tool, arguments=arguments)


def _failed(why: str) -> Reply:
    return Reply(message=Assistant(content=why), stop="agent_failed")


def read_script(path: Path) -> Script:
    """The script in a YAML or (by suffix) JSON file.

    Raises:
        InputError: no such file, not UTF-8, broken syntax, or not a mapping of task ids to lists of steps.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text) if path.suffix == ".json" else yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader
        return _SCRIPT.validate_python(raw)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise InputError(what, where=str(path), remedy="give an existing file") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "top level"
        what = f"{field}: {first['msg']}"
        raise InputError(what, where=str(path), remedy="write TASK: [{content, tool_calls}]") from error
    except (yaml.YAMLError, ValueError) as error:
        first_line = str(error).replace("\n", " ")
        raise InputError(f"cannot be parsed: {first_line}", where=str(path), remedy="correct the syntax") from error


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The agent that plays the script at path `target`.

    Raises:
        InputError: no path, a file that cannot be used, or an argument that it does not take.
    """
    refuse_unknown("scripted", args)
    if not target:
        raise InputError("no script named", where="model scripted", remedy="write scripted:PATH")
    return Scripted(read_script(Path(target)), name=f"scripted:{Path(target).name}")
