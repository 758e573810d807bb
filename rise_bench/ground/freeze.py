"""Freezes what servers publish into a `Ground`, and refuses a live server that has drifted from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rise_bench.errors import GroundFault, SetupError
from rise_bench.ground.client import Connection
from rise_bench.ground.install import Progress, ensure
from rise_bench.ground.offer import mask_root
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.sandbox import Sandbox
from rise_bench.types import Effect, Ground, Server, Tool, canonical

__all__ = ["drift", "freeze", "published"]

FREEZE_CLOCK = "2026-01-01T00:00:00+00:00"


def freeze(
    name: str, recipes: Sequence[Recipe], *, progress: Progress | None = None, allow_unsafe: bool = False
) -> Ground:
    """A ground of these servers as they publish themselves now, with effects, groups and failures from the recipes.

    Raises:
        SetupError: a server cannot be installed or started, or publishes other tools than its recipe speaks of.
    """
    return Ground(name=name, servers=tuple(_frozen(recipe, progress, allow_unsafe) for recipe in recipes))


def _frozen(recipe: Recipe, progress: Progress | None, allow_unsafe: bool) -> Server:
    tools = published(recipe, progress=progress, allow_unsafe=allow_unsafe)
    spoken_of = recipe.effects.keys() | {tool for names in recipe.groups.values() for tool in names}
    absent = sorted(spoken_of - {tool.name for tool in tools})
    if absent:
        raise SetupError(f"does not publish {', '.join(absent)}", where=recipe.name, remedy="correct the recipe")
    known = [
        tool.model_copy(update={"effect": _effect(recipe, tool), "group": recipe.group_of(tool.name)}) for tool in tools
    ]
    return Server(
        name=recipe.name,
        version=recipe.version,
        license=recipe.license,
        domain=recipe.domain,
        tools=tuple(known),
        failures=recipe.failures,
    )


def published(recipe: Recipe, *, progress: Progress | None = None, allow_unsafe: bool = False) -> tuple[Tool, ...]:
    """The tools that a server publishes in an empty sandbox, its path as `{root}`.

    Raises:
        SetupError: it cannot be installed or started.
    """
    installed = ensure(recipe, progress)
    sandbox = Sandbox(allow_unsafe=allow_unsafe)
    sandbox.set_clock(FREEZE_CLOCK)
    connection = Connection(recipe.name, sandbox.launch(recipe, installed), sandbox.log(recipe.name))
    try:
        connection.start(recipe.start_seconds)
        return tuple(_masked(tool, sandbox.root) for tool in connection.list_tools())
    except GroundFault as error:
        raise SetupError(error.what, where=recipe.name) from error
    finally:
        connection.close()
        sandbox.close()


def _effect(recipe: Recipe, tool: Tool) -> Effect:
    """What the recipe says, else what the server itself claims, else unknown."""
    if tool.name in recipe.effects:
        return recipe.effects[tool.name]
    hint = tool.annotations.get("readOnlyHint")
    return "unknown" if hint is None else "read" if hint is True else "write"


def _masked(tool: Tool, root: str) -> Tool:
    return Tool.model_validate(mask_root(tool.model_dump(mode="json"), root))


def drift(frozen: Server, live: Sequence[Tool], root: str) -> None:
    """Nothing, where the live tools' contracts are the frozen ones.

    Args:
        live: what the server lists now.
        root: path of the sandbox in which it lists it.

    Raises:
        GroundFault: a tool came, went or changed; it names them.
    """
    before = {tool.name: _contract(tool) for tool in frozen.tools}
    now = {tool.name: _contract(_masked(tool, root)) for tool in live}
    different = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if different:
        shown = ", ".join(different[:5]) + (", ..." if len(different) > 5 else "")
        raise GroundFault(
            f"publishes other contracts than the frozen ground for {shown}",
            where=frozen.name,
            remedy=f"install version {frozen.version or 'of the ground'}, or freeze the ground again",
        )


def _contract(tool: Tool) -> str:
    parts = [tool.name, tool.description, tool.parameters, tool.annotations]
    return hashlib.sha256(canonical(parts).encode()).hexdigest()
