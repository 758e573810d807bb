"""Freezes what servers publish into a `Ground`, and refuses a live server that has drifted from it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from rise_bench.errors import GroundFault, SetupError
from rise_bench.ground.contract import effect_of, server_of
from rise_bench.ground.contrast import check_names, differences
from rise_bench.ground.install import Progress, ensure
from rise_bench.ground.offer import mask_tool
from rise_bench.ground.probes import PROBE_CLOCK
from rise_bench.ground.recipe import Recipe
from rise_bench.ground.remote import connect
from rise_bench.ground.sandbox import Sandbox
from rise_bench.types import Ground, Server, Tool

__all__ = ["drift", "drifted", "freeze", "published", "shown"]


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
    return server_of(recipe, [tool.model_copy(update={"effect": effect_of(recipe, tool)}) for tool in tools])


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
        sandbox.set_clock(PROBE_CLOCK)
        connection = connect(recipe, installed, sandbox)
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
        return tuple(mask_tool(tool, sandbox.root) for tool in listed)


def drifted(frozen: Server, live: Sequence[Tool], root: str) -> tuple[str, ...]:
    """How the live tools' contracts differ from the frozen ones, in words; empty = not at all.

    Args:
        live: what the server lists now.
        root: path of the sandbox in which it lists it.
    """
    return differences(frozen.tools, [mask_tool(tool, root) for tool in live])


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
