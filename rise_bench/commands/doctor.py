"""`doctor`: say what is missing on this machine, and the remedy. Needs no key and no network."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rise_bench.commands.arguments import RUNS, add_json, read_env_file
from rise_bench.commands.grounds import lacking, writable
from rise_bench.commands.terminal import print_json, say, table, text
from rise_bench.errors import InputError
from rise_bench.ground.install import INSTALL_NODE, NODE, cache_dir, find_uv, is_installed
from rise_bench.ground.recipe import Recipe, catalog, load_recipe, recipes_in
from rise_bench.ground.sandbox import bwrap_problem, faketime_library, means
from rise_bench.ground.trial import Wall, walls
from rise_bench.store import find_suite, read_yaml

__all__ = ["add_arguments", "run"]

State = Literal["ok", "missing", "degraded"]
_STYLE: dict[State, str] = {"ok": "green", "missing": "bold red", "degraded": "yellow"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `missing` = needed and not there; `degraded` = works without, and `found` says how."""

    name: str
    state: State
    found: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The suite whose servers are looked at."""
    parser.add_argument(
        "--tasks", default="desk", metavar="SUITE", help="suite whose servers are looked at (default: desk)"
    )
    parser.add_argument("--output", type=Path, default=RUNS, metavar="DIR", help="folder that runs will be written to")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Look and print; 1 if something needed is missing, else 0."""
    read_env_file()
    findings = list(_look(args.tasks, args.output))
    missing = any(finding.state == "missing" for finding in findings)
    if args.json:
        print_json({"ok": not missing, "findings": [asdict(finding) for finding in findings]})
        return int(missing)
    rows = [(f.name, text(f.state, _STYLE[f.state]), f.found, f.remedy) for f in findings]
    say(table(["", "", "found", "remedy"], rows), "")
    say(text("something needed is missing" if missing else "all that is needed is there", "bold"))
    return int(missing)


def _look(suite: str, output: Path) -> Iterator[Finding]:
    yield Finding("Python", "ok", f"{platform.python_version()} at {sys.executable}")
    recipes, problem = _recipes(suite)
    if problem:
        yield problem
    uses_npm = any(package.registry == "npm" for recipe in recipes for package in recipe.packages)
    yield from (_node(program, uses_npm) for program in ("node", "npm"))
    yield _program("git", "fixtures with repositories need it", needed=True)
    uv = find_uv()
    yield Finding("uv", "ok", uv) if uv else _without("uv", "servers are installed by pip, slower", "pip install uv")
    yield _bubblewrap(recipes)
    risky = [recipe.name for recipe in recipes if recipe.risky]
    yield from (_wall(wall, risky) for wall in walls(means()))
    library = faketime_library()
    if library:
        yield Finding("faketime", "ok", str(library))
    else:
        yield _without("faketime", "servers see the real clock, not the task's", "apt-get install faketime")
    chromium = shutil.which("chromium")
    yield (
        Finding("chromium", "ok", chromium)
        if chromium
        else _without("chromium", "only some of the project's own tests use it", "apt-get install chromium")
    )
    yield _writable("servers' folder", cache_dir(), "set RISE_BENCH_CACHE to a folder that can be written")
    yield _writable("runs' folder", output, "choose another with --output")
    yield _key()
    yield from map(_server, recipes)
    yield from _lacking(recipes)


def _recipes(suite: str) -> tuple[list[Recipe], Finding | None]:
    """Launch recipes of the suite's servers, or of the whole catalogue where the suite cannot be read."""
    try:
        folder = find_suite(suite.partition("@")[0])
        head, own = read_yaml(folder / "suite.yaml"), recipes_in(folder / "recipes")
        names = head.get("servers") if isinstance(head, dict) else None
        return [own.get(str(name)) or load_recipe(str(name)) for name in names or catalog()], None
    except InputError as error:
        found = Finding("suite", "missing", f"{error.where}: {error.what}" if error.where else error.what, error.remedy)
        return [load_recipe(name) for name in catalog()], found


def _version(program: str, path: str) -> str:
    """What `PROGRAM --version` says, or why it says nothing."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    first = (done.stdout or done.stderr).strip().partition("\n")[0]
    return first if done.returncode == 0 else f"does not run: {first}"


def _program(name: str, why: str, *, needed: bool, remedy: str = "") -> Finding:
    path = shutil.which(name)
    remedy = remedy or f"apt-get install {name}"
    version = _version(name, path) if path else "not found"
    if path and not version.startswith("does not run"):
        return Finding(name, "ok", f"{version} at {path}")
    return Finding(name, "missing" if needed else "degraded", f"{version}: {why}", remedy)


def _node(name: str, needed: bool) -> Finding:
    why = "some servers are npm packages" if needed else "no server of this suite needs it"
    found = _program(name, why, needed=needed, remedy=INSTALL_NODE)
    version = re.match(r"v(\d+)\.(\d+)", found.found)
    if name == "node" and version and tuple(map(int, version.groups())) < NODE:
        return Finding(name, "degraded", f"{found.found}: some npm packages want a newer one", INSTALL_NODE)
    return found


def _without(name: str, what: str, remedy: str) -> Finding:
    return Finding(name, "degraded", f"not found: {what}", remedy)


def _bubblewrap(recipes: list[Recipe]) -> Finding:
    problem = bwrap_problem()
    if problem is None:
        user = "each sandbox as a user of its own" if means().own_uid else "as this user"
        return Finding("bubblewrap", "ok", f"servers run isolated, without network, {user}, by {shutil.which('bwrap')}")
    risky = [recipe.name for recipe in recipes if recipe.risky]
    remedy = "apt-get install bubblewrap"
    if risky:
        what = f"{problem}: {', '.join(risky)} run code or open connections, and are refused without it"
        return Finding("bubblewrap", "missing", what, f"{remedy}, or pass --allow-unsafe")
    return Finding("bubblewrap", "degraded", f"{problem}: servers run unisolated in a temporary folder", remedy)


def _wall(wall: Wall, risky: list[str]) -> Finding:
    """What came of trying to get over one wall of the sandbox, and which servers are refused if it can be done."""
    name = f"sandbox: {wall.name}"
    if wall.holds:
        return Finding(name, "ok", f"holds, by {wall.by}: {wall.found}")
    if risky:
        what = f"does not hold: {wall.found}; {', '.join(risky)} are refused"
        return Finding(name, "missing", what, f"{wall.remedy}; or pass --allow-unsafe")
    return Finding(name, "degraded", f"does not hold: {wall.found}", wall.remedy)


def _writable(name: str, folder: Path, remedy: str) -> Finding:
    """Try to write where the folder is, or would be made."""
    if problem := writable(folder):
        return Finding(name, "missing", problem, remedy)
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    return Finding(name, "ok", f"{folder} ({free:.1f} GB free)")


def _key() -> Finding:
    if os.environ.get("OPENAI_API_KEY"):
        return Finding("OPENAI_API_KEY", "ok", "set")
    return Finding(
        "OPENAI_API_KEY", "ok", "not set: only endpoints that want a key need it", "set it, or write it in .env"
    )


def _server(recipe: Recipe) -> Finding:
    version = f"{recipe.package.name} {recipe.version}" if recipe.package else "needs no package"
    if is_installed(recipe):
        return Finding(f"server {recipe.name}", "ok", version)
    return Finding(f"server {recipe.name}", "degraded", f"{version}: installed on first use, from its package registry")


def _lacking(recipes: list[Recipe]) -> Iterator[Finding]:
    """Programs of the machine that the servers start and that are not there."""
    for recipe in recipes:
        for program, package in lacking(recipe).items():
            what = f"not found: server {recipe.name} cannot start without it"
            yield Finding(program, "missing", what, f"apt-get install {package}")
