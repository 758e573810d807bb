"""Installs each server into an isolated environment of its own, once a machine."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from rise_bench.errors import SetupError
from rise_bench.ground.recipe import Package, Recipe
from rise_bench.store import cache_folder
from rise_bench.types import canonical

__all__ = [
    "INSTALL_NODE",
    "NODE",
    "Installed",
    "cache_dir",
    "ensure",
    "environment_dir",
    "find_uv",
    "installer_environment",
    "is_installed",
    "only_wheels",
]

NODE = (20, 19)
"""Version of Node.js from which the catalogue's npm packages run: the highest that their `engines` ask for."""

INSTALL_NODE = f"install Node.js {'.'.join(map(str, NODE))} or newer: apt-get install nodejs npm, or https://nodejs.org"

INSTALL_SECONDS = 900
PROBE_SECONDS = 20
NEEDS_BUILD = "a package comes as source alone; name it under `build` of the entry's package if you trust its author"
_SOURCE_ALONE = re.compile(r"no usable wheels|no-build|--only-binary|No matching distribution")

TAIL = 300
"""Characters of the installer's output that an error shows."""

Progress = Callable[[str], None]

_HANDED_ON = re.compile(
    r"PATH|HOME|TMPDIR|LANG|LC_\w+|XDG_\w+|PYENV_\w+|UV_(?!PUBLISH)\w+|PIP_\w+|SSL_\w+|NODE_EXTRA_CA_CERTS|\w+_CA_BUNDLE|\w+_PROXY"
    r"|NPM_CONFIG_.+",
    re.IGNORECASE,
)
"""Variables that installers need to find programs, registries and certificates."""


@dataclass(frozen=True)
class Installed:
    """Where a recipe's packages lie on this machine; None where it has none of that kind."""

    folder: Path | None
    venv: Path | None
    node: Path | None


def cache_dir() -> Path:
    """Folder of the servers' environments, in the cache folder."""
    return cache_folder() / "servers"


def find_uv() -> str | None:
    """The `uv` program beside this interpreter or on PATH, if one runs."""
    beside = Path(sys.executable).parent / "uv"
    for candidate in (str(beside) if beside.is_file() else None, shutil.which("uv")):
        if candidate and subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def installer_environment() -> dict[str, str]:
    """The variables that an installer gets: none of the user's keys, for a package may run programs as it is built."""
    return {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name)}


def only_wheels(build: Iterable[str] = ()) -> list[str]:
    """Options of uv and pip: nothing is built but these packages. What builds one is its author's program."""
    return ["--only-binary", ":all:", *(word for name in build for word in ("--no-binary", name))]


def environment_dir(recipe: Recipe) -> Path:
    """The folder of the recipe's environment: name, version, and a digest of packages, Python and machine."""
    # How a package is made does not tell environments apart.
    parts: list[object] = [
        package.model_dump(mode="json", exclude_none=True, exclude={"build"}) for package in recipe.packages
    ]
    parts += [platform.python_version(), platform.system(), platform.machine(), sys.base_prefix]
    digest = hashlib.sha256(canonical(parts).encode()).hexdigest()[:8]
    return cache_dir() / f"{recipe.name}-{recipe.version}-{digest}"


def is_installed(recipe: Recipe) -> bool:
    """Whether `ensure` has nothing to do."""
    return not recipe.packages or environment_dir(recipe).is_dir()


def ensure(recipe: Recipe, progress: Progress | None = None) -> Installed:
    """The recipe's environment, installed if it is not there yet; safe against concurrent processes.

    Raises:
        SetupError: the installer failed or is missing; one line with the tail of its output and a remedy.
    """
    if not recipe.packages:
        return Installed(None, None, None)
    target = environment_dir(recipe)
    if not target.is_dir():
        _make(target.parent)
        with FileLock(str(target.parent / f"{target.name}.lock")):
            if not target.is_dir():
                _install(recipe, target, progress or _quiet)
    venv, node = target / "venv", target / "node"
    return Installed(target, venv if venv.is_dir() else None, node if node.is_dir() else None)


def _quiet(line: str) -> None:
    """Progress that nobody asked for."""


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"cannot make the servers' folder: {error}", remedy="set RISE_BENCH_CACHE to a writable folder"
        ) from error


def _install(recipe: Recipe, target: Path, progress: Progress) -> None:
    """Install into a temporary sibling, then rename: a half-made environment is never seen."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{recipe.name}-", ignore_cleanup_errors=True) as temp:
        made = Path(temp) / "made"
        made.mkdir()
        for registry in ("pypi", "npm"):
            packages = [package for package in recipe.packages if package.registry == registry]
            if packages:
                progress(f"installing {', '.join(package.requirement for package in packages)}")
                (_pypi if registry == "pypi" else _npm)(recipe, packages, made)
        made.rename(target)
    progress(f"installed {recipe.name}")


def _pypi(recipe: Recipe, packages: list[Package], made: Path) -> None:
    venv = made / "venv"
    wanted = only_wheels(name for package in packages for name in package.build)
    wanted += [package.requirement for package in packages] + [pin for package in packages for pin in package.pins]
    python = str(venv / "bin" / "python")
    uv = find_uv()
    other = next((package.python for package in packages if package.python), None)
    if uv:
        _run(recipe, [uv, "venv", "--quiet", "--python", _interpreter(other) if other else sys.executable, str(venv)])
        _run(recipe, [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *wanted])
    elif other and not platform.python_version().startswith(f"{other}."):
        raise SetupError(f"needs Python {other}", where=recipe.name, remedy="pip install uv, which finds or fetches it")
    else:
        _run(recipe, [sys.executable, "-m", "venv", str(venv)])
        _run(recipe, [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])


def _interpreter(version: str) -> str:
    """A Python of that version on this machine, pyenv's too where none is active; else the version, for uv to fetch."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    found = [shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))]
    for candidate in filter(None, found):
        words = [candidate, "-c", "import sys, venv; print('{}.{}'.format(*sys.version_info))"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout.strip() == version:  # pyenv's shim is there and fails where that version is not chosen
            return candidate
    return version


def _npm(recipe: Recipe, packages: list[Package], made: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SetupError("npm is not installed", where=recipe.name, remedy=INSTALL_NODE)
    wanted = [package.requirement for package in packages] + [pin for package in packages for pin in package.pins]
    node = made / "node"
    node.mkdir()
    # Install scripts of a package tree are third-party code outside the sandbox; none of the catalogue needs them.
    flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
    _run(recipe, [npm, "install", "--prefix", str(node), *flags, *wanted])


def _run(recipe: Recipe, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSTALL_SECONDS,
            check=False,
            env=installer_environment(),
            umask=0o022,  # servers run as another user, who must be able to read what is installed
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"cannot be installed: {error}", where=recipe.name) from error
    if done.returncode:
        output = " ".join((done.stderr or done.stdout).split())
        raise SetupError(
            f"cannot be installed: {Path(command[0]).name} ended with {done.returncode}: ...{output[-TAIL:]}",
            where=recipe.name,
            remedy=NEEDS_BUILD
            if _SOURCE_ALONE.search(output)
            else "check the network and the package registry, then run the same command again",
        )
