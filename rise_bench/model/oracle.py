"""The agent that knows each task's reference and plays it: what it does not score is wrong with the task."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pydantic import JsonValue

from rise_bench.errors import InputError, RiseError
from rise_bench.model import history
from rise_bench.model.load import refuse_unknown
from rise_bench.refs import resolve, result_value, substitute_root
from rise_bench.types import Assistant, Fact, Model, ModelRequest, Reply, Sampling, Suite, Task, ToolCall, canonical

__all__ = ["Oracle", "final_message", "make"]


class Oracle:
    """Plays `task.reference` one call a message, then says what the task asks for.

    Bindings are resolved from the results *observed in this attempt*, so that a second run with another sandbox path or
    clock still calls what it should. Source: DESIGN 4.4.
    """

    name = "oracle"

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._tasks = dict(tasks)

    def content(self) -> str:
        """A constant: the tasks that it knows are in the suite's digest already."""
        return "oracle 1"

    def close(self) -> None:
        """Nothing is held."""

    def reply(self, request: ModelRequest) -> Reply:
        """The next reference call, or the final message after the last one.

        A reference that cannot be continued (a binding finds nothing) ends the attempt as `agent_failed` and says why.
        """
        task = self._tasks.get(request.task)
        if task is None:
            return _failed(f"the oracle does not know task {request.task!r}")
        observed = history.results(request)
        if len(observed) >= len(task.reference):
            return history.answer(final_message(task, request.root))
        call = task.reference[len(observed)]
        try:
            arguments = resolve(substitute_root(call.arguments, request.root), [result_value(r) for r in observed])
        except RiseError as error:
            return _failed(f"reference call {len(observed)} ({call.tool}) cannot be made: {error}")
        if not isinstance(arguments, dict):
            return _failed(f"the arguments of reference call {len(observed)} ({call.tool}) are not an object")
        return history.calling(request, ToolCall(id="", tool=call.tool, arguments=arguments))


def _failed(why: str) -> Reply:
    return Reply(message=Assistant(content=why), stop="agent_failed")


def final_message(task: Task, root: str = "") -> str:
    """What an agent that did everything right says: its question, its refusal, or each fact in its own sentence."""
    if task.kind == "underspecified":
        return "\n".join(f"Before I do anything: what about the {words[0]}?" for words in task.asks if words)
    if task.kind == "infeasible":
        return f"I cannot do that here: none of my tools offers {task.reasons[0]}."
    if task.answer:
        return "\n".join(_sentence(fact, root) for fact in task.answer)
    return "No tool is needed for that." if task.kind == "no_call" else "Done as you asked."


def _sentence(fact: Fact, root: str) -> str:
    value = substitute_root(fact.value, root)
    return f"{fact.about[0] if fact.about else 'Answer'}: {plain(value)}."


def plain(value: JsonValue) -> str:
    """A value as a person writes it: text bare, numbers without exponent, lists with commas."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        number = Decimal(repr(value))
        return format(number.quantize(Decimal(1)) if number == number.to_integral_value() else number, "f")
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    return canonical(value)


def make(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """The oracle of a suite.

    Raises:
        InputError: no suite, or an argument that it does not take.
    """
    refuse_unknown("oracle", args)
    if suite is None:
        what = "the oracle needs the tasks' references"
        raise InputError(what, where="model oracle", remedy="load it with the suite")
    return Oracle({task.id: task for task in suite.tasks})
