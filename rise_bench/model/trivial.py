"""Agents that know nothing and hardly try: the floors of every suite."""

from __future__ import annotations

import random
from collections.abc import Mapping

from pydantic import JsonValue

from rise_bench.model import history
from rise_bench.model.load import refuse_unknown
from rise_bench.model.sample import arguments_for
from rise_bench.types import Model, ModelRequest, Reply, Sampling, Suite, ToolCall

__all__ = ["RandomTool", "Saying", "always_ask", "always_decline", "silent"]


class Saying:
    """Answers every request with the same text and no call."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text

    def content(self) -> str:
        """Name and text: all there is to it."""
        return f"{self.name} 1: {self._text}"

    def reply(self, request: ModelRequest) -> Reply:
        """The text."""
        return history.answer(self._text)

    def close(self) -> None:
        """Nothing is held."""


def silent() -> Saying:
    """The do-nothing agent: an empty final message."""
    return Saying("silent", "")


def always_ask() -> Saying:
    """Asks back whatever it is asked, without naming what is missing."""
    return Saying("always-ask", "Before I do anything: could you tell me exactly what you mean?")


def always_decline() -> Saying:
    """Declines whatever it is asked, without naming what is lacking."""
    return Saying("always-decline", "I am sorry, I cannot do that with the tools that I have.")


class RandomTool:
    """Makes one schema-valid call of a tool chosen at random, then says that it is done.

    Seeded by (seed, task, attempt): the same attempt makes the same call whatever runs beside it.
    """

    name = "random-tool"

    def content(self) -> str:
        """A constant: the seed is in the run's spec."""
        return "random-tool 1"

    def reply(self, request: ModelRequest) -> Reply:
        """A random call, or the final message after it."""
        if history.steps(request) or not request.tools:
            return history.answer("Done.")
        rng = random.Random(f"{request.seed}/{request.task}/{request.attempt}")
        tool = rng.choice(request.tools)
        call = ToolCall(id="", tool=tool.id, arguments=arguments_for(tool.parameters, rng))
        return history.calling(request, call)

    def close(self) -> None:
        """Nothing is held."""


def make_silent(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """Raises `InputError` on arguments: it takes none."""
    refuse_unknown("silent", args)
    return silent()


def make_always_ask(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """Raises `InputError` on arguments: it takes none."""
    refuse_unknown("always-ask", args)
    return always_ask()


def make_always_decline(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """Raises `InputError` on arguments: it takes none."""
    refuse_unknown("always-decline", args)
    return always_decline()


def make_random_tool(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """Raises `InputError` on arguments: it takes none."""
    refuse_unknown("random-tool", args)
    return RandomTool()
