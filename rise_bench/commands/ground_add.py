"""`ground add`: take servers from an MCP host's JSON into a folder of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from rise_bench.commands.arguments import add_json, amount, read_env_file
from rise_bench.commands.grounds import writable
from rise_bench.commands.terminal import print_json, progress, say, table, text, warn
from rise_bench.errors import InputError, RiseError
from rise_bench.ground.adding import Added, Adding, add_server, fit_names
from rise_bench.ground.hosts import read_hosts
from rise_bench.ground.recipe import Risk

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, which of its servers, and where they go."""
    parser.add_argument("file", type=Path, help='JSON as MCP hosts have it: {"mcpServers": {NAME: {"command": ...}}}')
    parser.add_argument(
        "servers", nargs="*", default=[], metavar="SERVER", help="only these of its servers (default: all)"
    )
    parser.add_argument(
        "--to", type=Path, default=Path("recipes"), metavar="FOLDER", help="where they go (default: recipes)"
    )
    parser.add_argument(
        "--force", action="store_true", help="write over what is there; take invalid schemas as they are"
    )
    parser.add_argument("--probe", action="store_true", help="also try tools that may write (in the sandbox)")
    parser.add_argument("--risk", choices=get_args(Risk), help="the worst that its tools do (default: guessed)")
    parser.add_argument(
        "--start-seconds",
        type=amount,
        default=60.0,
        metavar="N",
        help="time that a server may take to start (default: 60)",
    )
    parser.add_argument(
        "--allow-unsafe", action="store_true", help="run servers that execute code even without bubblewrap"
    )
    parser.add_argument(
        "--build",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="a package that may be built from source: that runs its author's program outside the sandbox",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Add and print; 2 if a server could not be added (the others are), else 0.

    Raises:
        RiseError: the file cannot be used, or its only server cannot be added.
    """
    read_env_file()
    entries = {entry.name: entry for entry in read_hosts(args.file)}
    for name in args.servers:
        if name not in entries:
            raise InputError(f"has no server {name!r}", where=str(args.file), remedy=f"it has: {', '.join(entries)}")
    if problem := writable(args.to):
        raise InputError(problem, where="--to", remedy="choose a folder that can be written")
    names = fit_names(entries)
    wanted = args.servers or list(entries)
    how = Adding(
        args.to, args.force, args.probe, args.risk, args.start_seconds, args.allow_unsafe, warn, tuple(args.build)
    )
    added: list[Added] = []
    refused: dict[str, RiseError] = {}
    taken: dict[str, str] = {}
    with progress("adding servers", quiet=args.json) as tick:
        tick(0, len(wanted))
        for done, name in enumerate(wanted, 1):
            try:
                added.append(add_server(entries[name], names[name], how, taken))
            except RiseError as error:
                if len(wanted) == 1:
                    raise
                refused[name] = error
            tick(done, len(wanted), name)
    _say(added, refused, args.json)
    return 2 if refused else 0


def _say(added: list[Added], refused: dict[str, RiseError], as_json: bool) -> None:
    if as_json:
        told = [{**_row(one), "told": list(one.told)} for one in added]
        print_json({"added": told, "refused": {name: str(error) for name, error in refused.items()}})
        return
    if added:
        rows = [list(_row(one).values()) for one in added]
        say(table(["server", "tools", "called", "start s", "risk", "entry"], rows, numbers=(1, 2, 3)))
    for one in added:
        for line in one.told:
            say(text(f"{one.recipe.name}: {line}", "yellow"))
    for name, error in refused.items():
        warn(f"error: {name} was not added: {error}")


def _row(one: Added) -> dict[str, object]:
    return {
        "server": one.recipe.name,
        "tools": len(one.contract.server.tools),
        "called": sum(seen.ok > 0 for seen in one.contract.seen.values()),
        "start_seconds": one.contract.start_seconds,
        "risk": one.recipe.risk,
        "entry": str(one.path),
    }
