"""Models for end-to-end tests, named as `toy_models:NAME`: one that costs, one that fails, one that waits for a gate."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from pydantic import JsonValue

from rise_bench.errors import ModelFault
from rise_bench.model import load
from rise_bench.types import Model, ModelRequest, Reply, Sampling, Suite

GATE = "TOY_GATE"
"""Environment variable: `REACHED,GATE`, two file descriptors. Unset = the gate is open."""

MADE = "TOY_MADE"
"""Environment variable: file that takes a line `TASK ATTEMPT STEP` for each reply."""


class _Around:
    """Answers as another model does."""

    name = "around"

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    def content(self) -> str:
        return f"{self.name} of {self.inner.content()}"

    def reply(self, request: ModelRequest) -> Reply:
        return self.inner.reply(request)

    def close(self) -> None:
        self.inner.close()


class Metered(_Around):
    """Says that each reply costs 1000 tokens in and 100 out."""

    name = "metered"

    def reply(self, request: ModelRequest) -> Reply:
        return super().reply(request).model_copy(update={"input_tokens": 1000, "output_tokens": 100})


class Flaky(_Around):
    """Faults at every task whose id stands in a file, as long as it stands there."""

    name = "flaky"

    def __init__(self, inner: Model, broken: Path) -> None:
        super().__init__(inner)
        self.broken = broken
        self.asked: list[tuple[str, int]] = []

    def reply(self, request: ModelRequest) -> Reply:
        self.asked.append((request.task, request.attempt))
        if self.broken.exists() and request.task in self.broken.read_text(encoding="utf-8").split():
            raise ModelFault("HTTP 500", where="toy", remedy="wait")
        return super().reply(request)


class Gated(_Around):
    """Announces each reply on one descriptor and waits on another for leave to give it: a byte, or its closing."""

    name = "gated"

    def __init__(self, inner: Model) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._made = os.environ.get(MADE, "")
        self._gate = tuple(map(int, os.environ[GATE].split(","))) if GATE in os.environ else None

    def reply(self, request: ModelRequest) -> Reply:
        if self._gate:
            reached, gate = self._gate
            os.write(reached, b".")
            os.read(gate, 1)
        if self._made:
            with self._lock, Path(self._made).open("a", encoding="utf-8") as file:
                file.write(f"{request.task} {request.attempt} {len(request.messages)}\n")
        return super().reply(request)


def _oracle(suite: Suite | None) -> Model:
    return load("oracle", suite=suite)


def metered(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """A metered oracle."""
    return Metered(_oracle(suite))


def flaky(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """An oracle that faults at the tasks that stand in the file `broken`."""
    return Flaky(_oracle(suite), Path(str(args["broken"])))


def gated(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> Model:
    """An oracle behind the gate."""
    return Gated(_oracle(suite))


def defective(target: str, args: Mapping[str, JsonValue], suite: Suite | None, sampling: Sampling) -> NoReturn:
    """A plug-in with a bug of its own."""
    raise ZeroDivisionError("division by zero")
