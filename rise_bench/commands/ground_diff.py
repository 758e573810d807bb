"""`ground diff`: how servers' contracts differ from what was recorded, in words."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass

from rise_bench.commands.arguments import add_json, positive, read_env_file
from rise_bench.commands.grounds import add_servers, chosen, to_install
from rise_bench.commands.terminal import print_json, progress, say, text, warn
from rise_bench.errors import InputError, RiseError
from rise_bench.ground.contract import load_contract
from rise_bench.ground.contrast import differences
from rise_bench.ground.freeze import published
from rise_bench.ground.recipe import Recipe, load_recipe, recipes_in
from rise_bench.ground.side_by_side import side_by_side
from rise_bench.store import load_suite
from rise_bench.types import Server

__all__ = ["add_arguments", "run"]


@dataclass(frozen=True)
class _Row:
    """One server, compared."""

    server: str
    drift: tuple[str, ...] = ()
    problem: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which servers, and against what."""
    add_servers(parser)
    parser.add_argument("--tasks", metavar="SUITE", help="against what a suite froze, with the suite's own servers")
    parser.add_argument("--concurrency", type=positive, default=0, metavar="N", help="servers side by side")
    parser.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print; 1 if a contract differs or cannot be compared, else 0.

    Raises:
        InputError: a server or suite that is not known.
    """
    read_env_file()
    pairs = _of_suite(args) if args.tasks else _of_catalogue(args)
    rows: list[_Row] = []
    with progress("comparing servers", quiet=args.json) as tick:
        tick(0, len(pairs))
        for row in side_by_side(lambda pair: _compared(*pair, args.allow_unsafe), pairs, _workers(args)):
            rows.append(row)
            tick(len(rows), len(pairs), rows[-1].server)
    rows.sort(key=lambda row: row.server)
    failed = {row.server for row in rows if row.problem}
    if line := to_install(recipe for recipe, _ in pairs if recipe.name in failed):
        warn(line)
    if args.json:
        print_json({row.server: {"drift": list(row.drift), "problem": row.problem} for row in rows})
    else:
        _show(rows)
    return int(any(row.drift or row.problem for row in rows))


def _workers(args: argparse.Namespace) -> int:
    return int(args.concurrency) or os.cpu_count() or 2


def _of_catalogue(args: argparse.Namespace) -> list[tuple[Recipe, Server | None]]:
    servers = chosen(args.servers, args.recipes)
    contracts = [load_contract(recipe.name, folder / "contracts") for recipe, folder in servers]
    return [(recipe, had.server if had else None) for (recipe, _), had in zip(servers, contracts, strict=True)]


def _of_suite(args: argparse.Namespace) -> list[tuple[Recipe, Server | None]]:
    loaded = load_suite(args.tasks, proved=False)
    own: Mapping[str, Recipe] = recipes_in(args.recipes or loaded.recipes)
    frozen = {server.name: server for server in loaded.ground.servers}
    for name in args.servers:
        if name not in frozen:
            raise InputError(f"has no server {name!r}", where=args.tasks, remedy=f"it has: {', '.join(frozen)}")
    return [(own.get(name) or load_recipe(name), frozen[name]) for name in args.servers or frozen]


def _compared(recipe: Recipe, frozen: Server | None, allow_unsafe: bool) -> _Row:
    if frozen is None:
        return _Row(recipe.name, problem="is not recorded; `rise-bench ground record` does it")
    try:
        live = published(recipe, progress=warn, allow_unsafe=allow_unsafe)
    except RiseError as error:
        return _Row(recipe.name, problem=" ".join(str(error).split()))
    return _Row(recipe.name, differences(frozen.tools, live))


def _show(rows: list[_Row]) -> None:
    for row in rows:
        for line in (*row.drift, *([row.problem] if row.problem else [])):
            say(text(f"{row.server}: {line}", "red" if row.problem else "yellow"))
    other = sum(bool(row.drift) for row in rows)
    failed = sum(bool(row.problem) for row in rows)
    say(text(f"{len(rows) - other - failed} as recorded, {other} differ, {failed} cannot be compared", "bold"))
