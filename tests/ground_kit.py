"""What the tests of the ground share: a server that misbehaves on request, and calls on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rise_bench.ground.client import Connection
from rise_bench.ground.freeze import freeze
from rise_bench.ground.install import ensure
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.sandbox import Sandbox, Variation
from rise_bench.ground.transport import stdio
from rise_bench.types import Ground, JsonValue, Task, ToolCall

SERVERS = Path(__file__).parent / "fixtures" / "ground" / "servers"
NOW = "2026-04-02T09:00:00Z"


def odd_recipe(start: str = "well", **more: object) -> Recipe:
    """The recipe of `fixtures/ground/servers/odd.py`, which needs no package."""
    python = Path(sys.executable).resolve()
    values: dict[str, object] = {
        "name": "odd",
        "command": str(python),
        "args": (str(SERVERS / "odd.py"), start),
        "mounts": (str(python.parents[1]), str(SERVERS)),
        "reset": "wipe",
        "start_seconds": 30,
    }
    return Recipe.model_validate(values | more)


def odd_ground(recipe: Recipe | None = None) -> Ground:
    """The frozen contract of the odd server."""
    return freeze("odd", [recipe or odd_recipe()])


def odd_task(setup: str = "", now: str = NOW) -> Task:
    """A task that offers the odd server."""
    return Task(id="odd/one", request="do it", now=now, servers=("odd",), setup=setup)


def call(tool: str, **arguments: JsonValue) -> ToolCall:
    """A call of one of the odd server's tools."""
    return ToolCall(id="1", tool=f"odd.{tool}", arguments=arguments)


@contextmanager
def connected(
    start: str = "well", *, now: str = "", variation: Variation | None = None
) -> Iterator[tuple[Connection, Sandbox]]:
    """A running odd server in a sandbox of its own."""
    recipe = odd_recipe(start)
    sandbox = Sandbox(variation)
    sandbox.set_clock(now)
    connection = Connection("odd", stdio(sandbox.launch(recipe, ensure(recipe))), sandbox.log("odd"))
    try:
        connection.start(30)
        yield connection, sandbox
    finally:
        connection.close()
        sandbox.close()
