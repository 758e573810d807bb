"""Freezes what servers publish into a `Ground`, and refuses a live server that has drifted from it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from rise_bench.errors import GroundFault, SetupError
from rise_bench.ground.client import Connection
from rise_bench.ground.contrast import check_names, differences
from rise_bench.ground.install import Progress, ensure
from rise_bench.ground.offer import mask_root
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.remote import way_to
from rise_bench.ground.sandbox import Sandbox
from rise_bench.ground.secrets import secrets_of
from rise_bench.types import Effect, Ground, Server, Tool

__all__ = ["differences", "drift", "drifted", "freeze", "published", "shown"]

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


def published(
    recipe: Recipe, *, progress: Progress | None = None, allow_unsafe: bool = False, steady: bool = False
) -> tuple[Tool, ...]:
    """The tools that a server publishes in an empty sandbox, its path as `{root}`.

    Args:
        steady: ask twice, and refuse a server that answers differently.

    Raises:
        SetupError: it cannot be installed or started, or what it publishes cannot be frozen.
    """
    installed = ensure(recipe, progress)
    with ExitStack() as stack:
        sandbox = Sandbox(allow_unsafe=allow_unsafe)
        stack.callback(sandbox.close)
        sandbox.set_clock(FREEZE_CLOCK)
        way = way_to(recipe, installed, sandbox)
        connection = Connection(recipe.name, way, sandbox.log(recipe.name), sandbox.exceeded, secrets_of([recipe]))
        stack.callback(connection.close)
        try:
            connection.start(recipe.start_seconds)
            listed = connection.list_tools()
            again = connection.list_tools() if steady else listed
        except GroundFault as error:
            raise SetupError(error.what, where=recipe.name, remedy=error.remedy) from error
        check_names(recipe.name, listed)
        if found := differences(listed, again):
            remedy = "such a server cannot be frozen: give it a fixed list"
            raise SetupError(f"changes its tools while it runs: {shown(found)}", where=recipe.name, remedy=remedy)
        return tuple(_masked(tool, sandbox.root) for tool in listed)


def _effect(recipe: Recipe, tool: Tool) -> Effect:
    """What the recipe says, else what the server itself claims, else unknown."""
    if tool.name in recipe.effects:
        return recipe.effects[tool.name]
    hint = tool.annotations.get("readOnlyHint")
    return "unknown" if hint is None else "read" if hint is True else "write"


def _masked(tool: Tool, root: str) -> Tool:
    return Tool.model_validate(mask_root(tool.model_dump(mode="json"), root))


def drifted(frozen: Server, live: Sequence[Tool], root: str) -> tuple[str, ...]:
    """How the live tools' contracts differ from the frozen ones, in words; empty = not at all.

    Args:
        live: what the server lists now.
        root: path of the sandbox in which it lists it.
    """
    return differences(frozen.tools, [_masked(tool, root) for tool in live])


def drift(frozen: Server, live: Sequence[Tool], root: str) -> None:
    """Nothing, where the live tools' contracts are the frozen ones; arguments as `drifted`.

    Raises:
        GroundFault: a tool came, went or changed; it says how.
    """
    if found := drifted(frozen, live, root):
        raise GroundFault(
            f"publishes other contracts than the frozen ones: {shown(found)}",
            where=frozen.name,
            remedy=f"install version {frozen.version or 'of the ground'}, freeze the ground again, or --allow-drift",
        )


def shown(found: Sequence[str], most: int = 5) -> str:
    """The first differences on one line, with the number of the others."""
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if len(found) > most else "")
