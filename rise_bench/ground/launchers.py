"""Reads the command lines by which hosts start packaged servers (`uvx`, `npx`, ...) into packages of exact versions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from rise_bench.errors import InputError, SetupError
from rise_bench.ground.install import INSTALL_NODE, Installed, find_uv, installer_environment, only_wheels
from rise_bench.ground.recipe import Package

__all__ = ["Wanted", "pinned", "program_in", "script_needs", "wanted"]

RESOLVE_SECONDS = 180
TAIL = 300

PINNED_TOO = ("mcp", "fastmcp", "pydantic")
"""What a Python server's schemas and results hang on, besides itself."""

_PYPI = re.compile(r"([A-Za-z0-9][\w.-]*)(\[[\w,. -]+\])?(?:(?:@|===?)([0-9][\w.+!-]*)|@latest|([<>=~!].+))?")
_NPM = re.compile(r"((?:@[\w.-]+/)?[\w.-]+)(?:@(.+))?")
_EXACT = re.compile(r"\d+\.\d+\.\d+[\w.+-]*")
_NODE = {
    "npx": ("",),
    "bunx": ("",),
    "pnpx": ("",),
    "pnpm": ("dlx",),
    "yarn": ("dlx",),
    "bun": ("x",),
    "npm": ("exec", "x"),
}
"""Programs that run an npm package, and the word that must follow; `` where none has to."""

_FLAGS = frozenset(
    {
        *("-y", "--yes", "-q", "--quiet", "--silent", "--isolated", "--no-cache", "--refresh", "--offline", "-s"),
        *("--prefer-offline", "--native-tls", "--no-config", "--no-project", "--no-sync", "--frozen", "--locked"),
        *("--active", "--script", "--exact", "--no-env-file", "--upgrade", "-U", "--no-progress"),
    }
)
"""Options without a value that change nothing here."""


@dataclass(frozen=True)
class Wanted:
    """What a command line wants installed, and what it runs of it."""

    registry: Literal["pypi", "npm"]
    requirements: tuple[str, ...]
    """The server's own package first, as written."""
    program: str
    """Empty where the package says which."""
    args: tuple[str, ...]
    python: str | None = None


def wanted(command: str, args: Sequence[str], where: str) -> Wanted | None:
    """What a launcher's command line wants; None where it is no launcher but a plain command.

    Raises:
        InputError: it cannot be done in a sandbox (containers), or holds an option that is not understood.
    """
    name, words = _bare(command), list(args)
    if name == "cmd" and words[:1] and words[0].lower() == "/c":  # how hosts on Windows start npx
        name, words = _bare(words[1]) if len(words) > 1 else "", words[2:]
    if name in ("docker", "podman", "nerdctl"):
        remedy = "give the command that the image runs (uvx, npx, python ...): it gets a sandbox of its own here"
        raise InputError(
            f"starts a container with {name}, which cannot run inside the sandbox", where=where, remedy=remedy
        )
    if name in ("uvx", "pipx") or (name == "uv" and words[:2] == ["tool", "run"]):
        if name == "pipx" and words[:1] != ["run"]:
            raise InputError("does not say `pipx run`", where=where, remedy='args: ["run", "PACKAGE"]')
        return _python_tool(words[{"uvx": 0, "pipx": 1, "uv": 2}[name] :], where)
    if name == "uv" and "run" in words:
        return _uv_run(words, where)
    if name in _NODE and ("" in _NODE[name] or (words[:1] and words[0] in _NODE[name])):
        return _node_tool(words if "" in _NODE[name] else words[1:], where)
    return None


def _bare(command: str) -> str:
    return re.sub(r"\.(exe|cmd|bat)$", "", re.split(r"[/\\]", command)[-1].lower())


def _options(words: Sequence[str], taking: dict[str, str], where: str) -> tuple[dict[str, list[str]], list[str]]:
    """Options up to the first word that is none: meaning to values; and the words from there on."""
    found: dict[str, list[str]] = {meaning: [] for meaning in taking.values()}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if option == "--":
            break
        if option in taking:
            if not equals and not rest:
                raise InputError(f"option {option} has no value", where=where)
            found[taking[option]].append(value if equals else rest.pop(0))
        elif option not in _FLAGS:
            remedy = "leave it out, or give the plain command"
            raise InputError(f"option {option} is not understood", where=where, remedy=remedy)
    return found, rest


def _python_tool(words: Sequence[str], where: str) -> Wanted:
    taking = {"--from": "from", "--spec": "from", "--with": "with", "-w": "with", "--python": "python", "-p": "python"}
    options, rest = _options(words, taking, where)
    if not rest:
        raise InputError("names no package", where=where, remedy='args: ["PACKAGE@VERSION"]')
    package = (options["from"] or rest)[0]
    program = rest[0] if options["from"] else _pypi(package, where)[0]
    more = [item for text in options["with"] for item in text.split(",")]
    return Wanted("pypi", (package, *more), program, tuple(rest[1:]), _python(options["python"]))


def _uv_run(words: Sequence[str], where: str) -> Wanted | None:
    """`uv run --with PACKAGE PROGRAM`; None for a project's own environment, which is a plain command."""
    taking = {"--with": "with", "-w": "with", "--python": "python", "-p": "python"}
    taking |= {"--directory": "folder", "--project": "folder"}
    before, rest = _options(words, taking, where)
    options, rest = _options(rest[1:], taking, where)
    more = [item for text in (*before["with"], *options["with"]) for item in text.split(",")]
    if not more:
        return None
    if not rest:
        raise InputError("names no program", where=where)
    program, args = (rest[0], rest[1:]) if not rest[0].endswith(".py") else ("python", rest)
    return Wanted("pypi", tuple(more), program, tuple(args), _python(options["python"]))


def _python(given: Sequence[str]) -> str | None:
    """A version such as 3.12, where one is asked for."""
    found = re.search(r"3\.\d+", given[-1]) if given else None
    return found[0] if found else None


def _node_tool(words: Sequence[str], where: str) -> Wanted:
    options, rest = _options(words, {"--package": "package", "-p": "package"}, where)
    if not rest and not options["package"]:
        raise InputError("names no package", where=where, remedy='args: ["-y", "PACKAGE@VERSION"]')
    if not options["package"]:
        return Wanted("npm", (rest[0],), "", tuple(rest[1:]))
    return Wanted("npm", tuple(options["package"]), rest[0] if rest else "", tuple(rest[1:]))


# --- exact versions ---------------------------------------------------------------------------------------------------


def script_needs(script: Path) -> tuple[str, ...]:
    """What a Python script says that it needs, in the block that PEP 723 describes; empty where it says nothing."""
    try:
        _, _, block = script.read_text(encoding="utf-8").partition("# /// script\n")
        lines = block.partition("\n# ///\n")[0].splitlines()
        needs = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)).get(
            "dependencies", []
        )
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return ()
    return tuple(map(str, needs)) if isinstance(needs, list) else ()


def pinned(wish: Wanted, where: str, build: Sequence[str] = ()) -> tuple[Package, bool]:
    """The packages at exact versions, those that the registry gives today where none is named; were all named?

    Args:
        build: packages that may be built from source, which runs programs of their authors.

    Raises:
        InputError: a requirement that is no name of a registry's package.
        SetupError: the registry cannot be asked, or has no such package.
    """
    try:
        return _pinned_npm(wish, where) if wish.registry == "npm" else _pinned_pypi(wish, where, tuple(build))
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise InputError(problem, where=where, remedy="name a released one: PACKAGE@VERSION") from None


def _pinned_pypi(wish: Wanted, where: str, build: tuple[str, ...]) -> tuple[Package, bool]:
    read = [_pypi(text, where) for text in wish.requirements]
    lines = [f"{name}{extra}{f'=={version}' if version else rule}" for name, extra, version, rule in read]
    found = _resolved(lines, wish.python, where, only_wheels(build))
    name, extra, version, _ = read[0]
    also = dict.fromkeys([_same(other[0]) for other in read[1:]] + [one for one in PINNED_TOO if one in found])
    pins = tuple(f"{other}=={found[other]}" for other in also if other != _same(name))
    exact = version or found[_same(name)]
    package = Package(registry="pypi", name=f"{name}{extra}", version=exact, pins=pins, python=wish.python, build=build)
    return package, bool(version)


def _pypi(text: str, where: str) -> tuple[str, str, str, str]:
    """Name, extras, exact version, other rule of a requirement."""
    found = _PYPI.fullmatch(text.replace(" ", ""))
    if found is None:
        raise InputError(
            f"{text!r} is no package of a registry", where=where, remedy="name a released one: PACKAGE@VERSION"
        )
    return found[1], found[2] or "", found[3] or "", found[4] or ""


def _same(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _resolved(lines: Sequence[str], python: str | None, where: str, wheels: Sequence[str]) -> dict[str, str]:
    """Canonical name to version of what installing these requirements brings."""
    if uv := find_uv():
        version = ["--python-version", python] if python else ["--python", sys.executable]
        command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", *wheels, *version, "-"]
        text = _ask(command, "\n".join(lines), where)
        pairs = [line.split(";")[0].strip().split("==") for line in text.splitlines() if "==" in line]
        return {_same(name.split("[")[0]): version.split()[0] for name, version in pairs}
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = json.loads(_ask([*pip, *wheels, *lines], "", where))
    return {_same(item["metadata"]["name"]): item["metadata"]["version"] for item in report["install"]}


def _pinned_npm(wish: Wanted, where: str) -> tuple[Package, bool]:
    made: list[tuple[str, str, bool]] = []
    for text in wish.requirements:
        found = _NPM.fullmatch(text)
        if found is None or (found[2] or "").startswith(("git", "http", "file:", "github:")):
            remedy = "name a released one: PACKAGE@VERSION"
            raise InputError(f"{text!r} is no package of a registry", where=where, remedy=remedy)
        exact = bool(found[2] and _EXACT.fullmatch(found[2]))
        made.append((found[1], found[2] if exact else _newest(text, where), exact))
    (name, version, _), *others = made
    pins = tuple(f"{other}@{number}" for other, number, _ in others)
    return Package(registry="npm", name=name, version=version, pins=pins), all(exact for *_, exact in made)


def _newest(text: str, where: str) -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise SetupError("npm is not installed", where=where, remedy=INSTALL_NODE)
    found = json.loads(_ask([npm, "view", "--json", "--", text, "version"], "", where) or '""')
    version = found[-1] if isinstance(found, list) and found else found
    if not isinstance(version, str) or not version:
        raise SetupError(f"the registry has no {text}", where=where, remedy="check name and version")
    return version


def _ask(command: list[str], text: str, where: str) -> str:
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=RESOLVE_SECONDS,
            check=False,
            env=installer_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"the package registry cannot be asked: {error}", where=where) from error
    if done.returncode:
        tail = " ".join((done.stderr or done.stdout).split())[-TAIL:]
        remedy = "check name, version and network; where it wants another Python, add --python 3.12"
        if "no usable wheels" in tail or "no-build" in tail:
            remedy = "if you trust the author of that source, let it be built: ground add --build NAME"
        raise SetupError(f"the package cannot be found: ...{tail}", where=where, remedy=remedy)
    return done.stdout


# --- what to run ------------------------------------------------------------------------------------------------------


def program_in(installed: Installed, package: Package, program: str, where: str) -> str:
    """The command of a package that is installed, with the placeholder of its environment.

    Raises:
        InputError: the package has no such program, or several and none is named.
    """
    if package.registry == "pypi":
        assert installed.venv is not None
        folder, place, name = installed.venv / "bin", "{venv}/bin", program
        own = frozenset({"activate", "pip", "python", "deactivate", "pydoc", "uv"})
        there = sorted(path.name for path in folder.iterdir() if not path.stem.startswith(tuple(own)))
    else:
        assert installed.node is not None
        folder, place = installed.node / "node_modules" / ".bin", "{node}/node_modules/.bin"
        there = _bins(installed.node / "node_modules" / package.name / "package.json", package.name)
        bare = package.name.rpartition("/")[2]
        name = program or (there[0] if len(there) == 1 else bare)
    if not (folder / name).exists():
        known = ", ".join(there[:8]) or "none"
        remedy = f"it has: {known}; name one (uvx --from PACKAGE PROGRAM, npx -p PACKAGE PROGRAM)"
        raise InputError(f"{package.requirement} has no program {name!r}", where=where, remedy=remedy)
    return f"{place}/{name}"


def _bins(description: Path, name: str) -> list[str]:
    try:
        found = json.loads(description.read_text(encoding="utf-8")).get("bin", {})
    except (OSError, ValueError):
        return []
    return [name.rpartition("/")[2]] if isinstance(found, str) else sorted(found)
