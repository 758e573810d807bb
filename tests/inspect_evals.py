"""Real evals of Inspect's own agents on two tools, with a model that does as its script says; run as a program.

In a process of its own, since Inspect leaves streams and traces behind that are no business of our tests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import inspect_ai
from inspect_ai.agent import react
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessage, ChatMessageUser, Model, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, Scorer, Target, accuracy, scorer
from inspect_ai.solver import TaskState, basic_agent, generate, use_tools
from inspect_ai.tool import Tool, ToolError, tool

REFERENCE = [{"name": "book_table", "arguments": {"table": 4, "day": "2026-04-20"}}]
NAMES = ("good", "wrong", "failing", "endless", "broken")


@tool
def find_table() -> Tool:
    async def execute(day: str) -> str:
        """Find a free table.

        Args:
            day: The day, as 2026-04-20.
        """
        return f"table 4 is free on {day}"

    return execute


@tool
def book_table() -> Tool:
    async def execute(table: int, day: str) -> str:
        """Book a table.

        Args:
            table: The table's number.
            day: The day, as 2026-04-20.
        """
        if table > 9:
            raise ToolError(f"there is no table {table}")
        return f"booked table {table} on {day}"

    return execute


@scorer(metrics=[accuracy()])
def said_booked() -> Scorer:
    async def judge(state: TaskState, target: Target) -> Score:
        return Score(value="C" if "booked" in state.output.completion.lower() else "I")

    return judge


def calling(name: str, **arguments: Any) -> ModelOutput:
    return ModelOutput.for_tool_call("mockllm/model", name, arguments)


def saying(text: str) -> ModelOutput:
    return ModelOutput.from_content("mockllm/model", text)


def script(name: str, turn: int) -> ModelOutput:
    """What the model answers in this turn of the sample."""
    find, book = "find_table", "book_table"
    done = "Booked table 4 on 2026-04-20."
    turns: dict[str, list[Callable[[], ModelOutput]]] = {
        "good": [
            lambda: calling(find, day="2026-04-20"),
            lambda: calling(book, table=4, day="2026-04-20"),
            lambda: saying(done),
        ],
        "submitting": [
            lambda: calling(find, day="2026-04-20"),
            lambda: calling(book, table=4, day="2026-04-20"),
            lambda: calling("submit", answer=done),
        ],
        "wrong": [lambda: calling(book, table=4, day="2026-04-21"), lambda: saying(done)],
        "failing": [lambda: calling(book, table=12, day="2026-04-20"), lambda: saying("There is no such table.")],
    }
    if name == "broken":
        raise RuntimeError("the provider is down")
    return calling(find, day="2026-04-20") if name == "endless" else turns[name][turn]()


def model() -> Model:
    def reply(messages: list[ChatMessage], *_: Any) -> ModelOutput:
        request = next(message.text for message in messages if isinstance(message, ChatMessageUser))
        output = script(request.partition(":")[0], sum(message.role == "assistant" for message in messages))
        output.usage = ModelUsage(input_tokens=10, output_tokens=3, total_tokens=13)
        return output

    return get_model("mockllm/model", custom_outputs=reply)


def evaluate(target: Path, names: tuple[str, ...], solver: Any, **more: Any) -> None:
    samples = [
        Sample(input=f"{name}: book a table for the 20th of April", id=name, target=json.dumps(REFERENCE))
        for name in names
    ]
    task = inspect_ai.Task(dataset=samples, solver=solver, scorer=said_booked(), name="tables")
    form: Any = target.suffix.removeprefix(".")
    options = {"log_dir": str(target.parent / "raw"), "log_format": form, "display": "none", "fail_on_error": False}
    (log,) = inspect_ai.eval(task, model=model(), **options, **more)
    Path(log.location.removeprefix("file://")).rename(target)


def main(folder: Path) -> None:
    tools = [find_table(), book_table()]
    for form in ("eval", "json"):
        plain = [use_tools(tools), generate()]
        evaluate(folder / f"five.{form}", NAMES, plain, epochs=2, message_limit=12)
    evaluate(folder / "react.eval", ("submitting",), react(tools=tools))
    evaluate(folder / "basic.eval", ("submitting",), basic_agent(tools=tools))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
