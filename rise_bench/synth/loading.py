"""A recipe read from its file: each mistake in it one line with file, key and remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from rise_bench.errors import InputError, RiseError
from rise_bench.ground.clock import parse_now
from rise_bench.store import read_yaml
from rise_bench.synth.recipe import LoadedRecipe, SynthRecipe, Worlds
from rise_bench.synth.records import World

__all__ = ["at_key", "choices", "load_recipe", "nearest", "place"]

_FEW = 8
"""So many names can be read at a glance."""


def load_recipe(path: Path, seed: int | None = None) -> LoadedRecipe:
    """The recipe in a YAML file.

    Args:
        path: the file.
        seed: instead of its own.

    Raises:
        InputError: it cannot be read, a field is wrong, or it names a world, server or folder that there is not.
    """
    value = read_yaml(path)
    if not isinstance(value, dict):
        raise InputError("is not a mapping", where=str(path), remedy="see docs/synthesis.md")
    if seed is not None:
        value = {**value, "seed": seed}
    recipe = _validated(value, path)
    suite = (path.parent / recipe.suite).resolve()
    head = read_yaml(suite / "suite.yaml")
    named = head.get("servers") if isinstance(head, dict) else None
    servers = recipe.servers or tuple(map(str, named or ()))
    if not servers:
        raise InputError("names no servers", where=str(path), remedy="add `servers: [...]` here or in suite.yaml")
    worlds = tuple(_world(number, world, servers, suite, path) for number, world in enumerate(recipe.worlds))
    _refuse_strange("splits.unseen_servers", recipe.splits.unseen_servers, servers, "the recipe's servers", path)
    called = tuple(world.calls or made.servers for world, made in zip(recipe.worlds, worlds, strict=True))
    return LoadedRecipe(recipe=recipe, path=str(path), folder=str(suite), servers=servers, worlds=worlds, called=called)


def place(path: Path | str, key: str) -> str:
    """`FILE:LINE` of a dotted key, by the line of its first part; the file alone where that begins no line."""
    first = key.partition(".")[0]
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if re.match(rf"{re.escape(first)}\s*:", line):
            return f"{path}:{number}"
    return str(path)


def nearest(name: str, names: Collection[str]) -> str:
    """Which of the names was probably meant, and all of them where they are few, for a remedy; may be empty."""
    close = difflib.get_close_matches(name, names, n=3)
    told = [f"did you mean {' or '.join(map(repr, close))}?"] if close else []
    if len(names) <= _FEW:
        told.append(f"there are: {', '.join(sorted(names)) or 'none'}")
    return " ".join(told)


def choices(*remedies: str) -> str:
    """What can be done, the likeliest first; those that are empty are none."""
    return "; else ".join(filter(None, remedies)).replace("?; else", "? else")


def at_key(error: RiseError, path: Path | str, key: str, remedy: str = "") -> RiseError:
    """The same error as of a key of a recipe, with its own remedy if no other is given."""
    what = f"{error.where}: {error.what}" if error.where and error.where != key else error.what
    told = remedy or error.remedy or "see docs/synthesis.md"
    return type(error)(f"{key}: {what}", where=place(path, key), remedy=told)


def _validated(value: dict[str, object], path: Path) -> SynthRecipe:
    try:
        return SynthRecipe.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        line = f"{field}: {what}{more}" if field else f"{what}{more}"
        where = place(path, field) if field else str(path)
        raise InputError(line, where=where, remedy="see docs/synthesis.md for the keys of a recipe") from None


def _world(number: int, world: Worlds, servers: tuple[str, ...], suite: Path, path: Path) -> World:
    key, fixtures = f"worlds.{number}", suite / "fixtures"
    if not (fixtures / world.setup).is_dir():
        there = [folder.name for folder in fixtures.iterdir() if folder.is_dir()] if fixtures.is_dir() else []
        raise InputError(
            f"{key}.setup: there is no fixture {world.setup!r} in {fixtures}",
            where=place(path, key),
            remedy=choices(nearest(world.setup, there), f"put its files below {fixtures / world.setup / 'files'}"),
        )
    _refuse_strange(f"{key}.servers", world.servers, servers, "the recipe's servers", path)
    _refuse_strange(f"{key}.calls", world.calls, world.servers or servers, "the servers of its world", path)
    try:
        parse_now(world.now)
    except InputError:
        what = f"{key}.now: {world.now!r} is no ISO 8601 instant"
        raise InputError(what, where=place(path, key), remedy="write it as 2026-04-02T09:00:00Z") from None
    return World(setup=world.setup, now=world.now, servers=world.servers or servers)


def _refuse_strange(key: str, names: tuple[str, ...], known: tuple[str, ...], whose: str, path: Path) -> None:
    """Nothing, where all names are known.

    Raises:
        InputError: one is not.
    """
    if strange := sorted(set(names) - set(known)):
        raise InputError(
            f"{key}: {strange[0]!r} is none of {whose}",
            where=place(path, key),
            remedy=choices(nearest(strange[0], known), f"add it to {whose}"),
        )
