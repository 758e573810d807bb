"""Arguments that the commands on servers share: which of them, and from which folder."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from rise_bench.errors import InputError
from rise_bench.ground.contract import CONTRACTS
from rise_bench.ground.probes import PROBES
from rise_bench.ground.recipe import Recipe, catalog, load_recipe, recipes_in

__all__ = ["Chosen", "add_servers", "chosen"]


@dataclass(frozen=True)
class Chosen:
    """Servers, and where their calls and recorded contracts are kept."""

    recipes: tuple[Recipe, ...]
    probes: Path
    contracts: Path


def add_servers(parser: argparse.ArgumentParser) -> None:
    """Names of servers, and the folder of one's own."""
    parser.add_argument("servers", nargs="*", metavar="SERVER", help="names or recipe files (default: all)")
    parser.add_argument(
        "--recipes", type=Path, metavar="FOLDER", help="your own servers (`ground add`) instead of the catalogue"
    )


def chosen(args: argparse.Namespace) -> Chosen:
    """The servers that are named, or all: of the folder that is given, else of the catalogue.

    Raises:
        InputError: a server that is not known, or no server in the folder.
    """
    folder: Path | None = args.recipes
    if folder is None:
        return Chosen(tuple(load_recipe(name) for name in args.servers or catalog()), PROBES, CONTRACTS)
    own = recipes_in(folder)
    if not own:
        raise InputError("holds no servers", where=str(folder), remedy="rise-bench ground add FILE --to FOLDER")
    for name in args.servers:
        if name not in own:
            raise InputError(f"has no server {name!r}", where=str(folder), remedy=f"it has: {', '.join(own)}")
    names = args.servers or own
    return Chosen(tuple(own[name] for name in names), folder / "probes", folder / "contracts")
