"""What the commands on servers share: which of them, from which folder, and what of the machine they lack."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rise_bench.errors import InputError
from rise_bench.ground.recipe import CATALOG, Recipe, catalog, load_recipe, recipes_in
from rise_bench.ground.sandbox import find_program

__all__ = ["add_servers", "chosen", "lacking", "to_install", "writable"]


def add_servers(parser: argparse.ArgumentParser) -> None:
    """Names of servers, and the folder of one's own."""
    parser.add_argument("servers", nargs="*", metavar="SERVER", help="names or recipe files (default: all)")
    parser.add_argument(
        "--recipes", type=Path, metavar="FOLDER", help="your own servers (`ground add`) instead of the catalogue"
    )


def chosen(names: Iterable[str], folder: Path | None) -> list[tuple[Recipe, Path]]:
    """The servers that are named, or all: of the folder that is given, else of the catalogue, or by the paths of files.

    Each with the folder that its entry is in: there are its calls (`probes/NAME`) and its contract (`contracts`), too.

    Raises:
        InputError: a server that is not known, or no server in the folder.
    """
    if folder is None:
        return [(load_recipe(name), _folder_of(name)) for name in names or catalog()]
    own = recipes_in(folder)
    if not own:
        raise InputError("holds no servers", where=str(folder), remedy="rise-bench ground add FILE --to FOLDER")
    for name in names:
        if name not in own:
            raise InputError(f"has no server {name!r}", where=str(folder), remedy=f"it has: {', '.join(own)}")
    return [(own[name], folder) for name in names or own]


def _folder_of(name: str) -> Path:
    return Path(name).parent if Path(name).suffix else CATALOG


def lacking(recipe: Recipe) -> dict[str, str]:
    """The programs that a server needs and this machine has not, each with the Debian package that brings it."""
    return {program: package for program, package in recipe.needs.items() if find_program(program) is None}


def to_install(recipes: Iterable[Recipe]) -> str:
    """How to install all programs that these servers lack, in one line; empty where they lack none."""
    packages = sorted({package for recipe in recipes for package in lacking(recipe).values()})
    return f"programs are missing: apt-get install {' '.join(packages)}" if packages else ""


def writable(folder: Path) -> str:
    """Why nothing can be written into a folder, which need not be there yet; empty where it can."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            return f"{there} is no folder"
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror}"
