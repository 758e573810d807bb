"""Catalogue entries: how one MCP server is installed, started, confined, reset and read, and what is known of it."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from rise_bench.errors import InputError
from rise_bench.types import Record

__all__ = [
    "CATALOG",
    "DOMAINS",
    "PERMISSIVE",
    "Domain",
    "Limits",
    "Package",
    "Popularity",
    "Recipe",
    "Risk",
    "Service",
    "catalog",
    "load_recipe",
    "recipes_in",
]

CATALOG = Path(__file__).parent / "catalog"
"""The shipped recipes, one YAML file a server."""

Domain = Literal[
    "calendar and time",
    "communication",
    "data analysis and charts",
    "databases",
    "developer tools",
    "documents and office",
    "files",
    "finance",
    "games",
    "health",
    "home and food",
    "knowledge and memory",
    "maps and geography",
    "mathematics and science",
    "media",
    "operating system",
    "productivity",
    "security",
    "web",
]
"""The 19 domains of the catalogue. The list is ours: the paper names a number of domains, not which."""

DOMAINS: tuple[str, ...] = get_args(Domain)

PERMISSIVE = frozenset(
    {"MIT", "MIT-0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Unlicense", "CC0-1.0"}
)
"""SPDX identifiers that a released suite may rest on."""

_STRONG = re.compile(r"\bA?GPL")

Risk = Literal["reads", "writes", "network", "executes"]
"""The worst that a server's tools do, from harmless to not: read what is there; write in the sandbox; open network
connections, of the agent's choosing or to fixed places, or listen; run code that the agent gives, also by way of files that it
writes. The last two run only in bubblewrap."""


_NAMES = {
    "pypi": r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?",
    "npm": r"(@[a-z0-9][a-z0-9._~-]*/)?[A-Za-z0-9][A-Za-z0-9._~-]*",
}
_RULE = r"(===|[=<>!~]=|[<>])[A-Za-z0-9][A-Za-z0-9.*+!_-]*"
_PINS = {
    "pypi": rf"{_NAMES['pypi']}({_RULE}(,{_RULE})*)?",
    "npm": rf"{_NAMES['npm']}(@([~^]|[<>]=?)?[A-Za-z0-9*][A-Za-z0-9.*+_-]*)?",
}
"""What may stand on an installer's command line: names of a registry's packages, no options, paths or addresses."""


class Package(Record):
    """One package of a registry, at an exact version."""

    registry: Literal["pypi", "npm"]
    name: str
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9.+!_-]*$")
    pins: tuple[str, ...] = ()
    """Further requirements of the same environment, such as `mcp<2`."""
    python: str | None = Field(default=None, pattern=r"^3\.[0-9]+$")
    """Version of Python that it wants, such as 3.12, where this one's will not do."""
    build: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], ...] = ()
    """Packages of the environment that PyPI has as source alone: only their build programs run, outside any sandbox."""

    @model_validator(mode="after")
    def _named(self) -> Package:
        if not re.fullmatch(_NAMES[self.registry], self.name):
            raise ValueError(f"{self.name!r} is no name of a package")
        for pin in self.pins:
            if not re.fullmatch(_PINS[self.registry], pin):
                raise ValueError(f"{pin!r} is no requirement of a registry's package, such as {self.name}>=1")
        return self

    @property
    def requirement(self) -> str:
        """The package as its installer wants it."""
        return f"{self.name}{'==' if self.registry == 'pypi' else '@'}{self.version}"


class Service(Record):
    """A loopback service that a server talks to; it runs in the same sandbox and dies with it."""

    command: str
    args: tuple[str, ...] = ()


class Limits(Record):
    """What a server and all that it starts may use; how each limit is held, and where it is not, `doctor` says."""

    memory_mb: int = Field(default=2048, gt=0)
    processes: int = Field(default=128, gt=0)
    """Threads count as processes."""
    disk_mb: int = Field(default=512, gt=0)
    """Of the sandbox and its /tmp together."""


class Popularity(Record):
    """How widely a server is used, as it was recorded; a server without one is of unknown popularity."""

    official: bool = False
    """From the vendor of what it opens, or from the MCP organisation."""
    benchmarks: tuple[str, ...] = ()
    """Other MCP benchmarks that use the same package."""
    recorded: date
    source: str


VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""Of the environment, such as a shell can set."""


class Recipe(Record):
    """How one server is installed, launched, confined and reset, and what is known about its tools.

    `command`, `args` and `env` have the shape of an `mcpServers` entry. They may hold `{venv}` and `{node}` (the
    server's own environment), `{root}` (the sandbox as the server sees it), `{port}` (a loopback port of its own),
    `{program:NAME}` (the path of a program of `needs`) and, in `env`, `headers` and `url`, `${NAME}`: a variable of the
    user's own environment, such as a key, which is never written anywhere.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str = ""
    """What it is, in a few words."""
    domain: Domain | Literal[""] = ""
    license: str = ""
    """SPDX identifier; empty where the package states none."""
    copyleft: dict[str, str] = Field(default_factory=dict)
    """Package that comes with it to its licence, where that is copyleft (SPDX); not what the user's machine has of itself."""
    homepage: str = ""
    popularity: Popularity | None = None
    package: Package | None = None
    also: tuple[Package, ...] = ()
    """Packages that `services` need."""
    needs: dict[str, str] = Field(default_factory=dict)
    """Programs of the machine, each with the Debian package that brings it. Node.js and Python go without saying."""
    command: str = ""
    args: tuple[str, ...] = ()
    url: str = ""
    """Of a server that runs elsewhere and speaks streamable HTTP; then there is no command and no sandbox."""
    headers: dict[str, str] = Field(default_factory=dict)
    env: dict[VariableName, str] = Field(default_factory=dict)
    services: tuple[Service, ...] = ()
    """Started before the server; it is started once `{port}` answers."""
    mounts: tuple[str, ...] = ()
    """Further host paths that the sandboxed server may read."""
    keeps: Literal["nothing", "files", "process", "service"] = "files"
    """Where its state lies: it has none; files in the sandbox; the memory of its process; a service of its own, whose files
    in the sandbox no rule here can read. Only `files` (and `nothing`) can be compared."""
    state: tuple[str, ...] = ("**",)
    """Globs, relative to the sandbox, of what counts as state."""
    ignore: tuple[str, ...] = ()
    """Globs of caches, logs and locks that do not."""
    keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """For JSON Lines files whose order means nothing: glob to the fields that name a line."""
    reset: Literal["wipe", "refill", "restart"] = "restart"
    """`wipe`: emptying the folder resets a running process; `refill`: so does filling it with the same files under the same
    clock, since it read what it remembers of them when it started; `restart`: only a new process is clean."""
    early: bool = False
    """Of a server that is restarted: it reads neither its folder nor the clock when it starts, so its next process may be
    started before the next attempt's files are there and its clock is set. `reset: wipe` implies as much."""
    risk: Risk = "writes"
    limits: Limits = Limits()
    effects: dict[str, Literal["read", "write"]] = Field(default_factory=dict)
    """Stated by hand, from documentation or from what it does; other tools are what their annotation says."""
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Function group to this server's tools in it; group names are shared by all servers."""
    failures: tuple[str, ...] = ()
    """Regular expressions of result texts that are failures although `isError` is false."""
    start_seconds: float = Field(default=60.0, gt=0)
    notes: tuple[str, ...] = ()
    """Quirks that an author of tasks must know."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if bool(self.command) == bool(self.url):
            raise ValueError("needs either a `command` (it is started here) or a `url` (it runs elsewhere)")
        if self.risk == "executes" and self.reset != "restart":
            raise ValueError("a server that runs code may leave processes behind, so `reset` must be `restart`")
        if self.keeps in ("process", "service") and self.reset != "restart":
            raise ValueError(f"its state is in its {self.keeps}, so `reset` must be `restart`")
        seen: dict[str, str] = {}
        for group, tools in self.groups.items():
            for tool in tools:
                if tool in seen:
                    raise ValueError(f"tool {tool!r} is in two groups, {seen[tool]!r} and {group!r}")
                if self.effects and tool not in self.effects:
                    raise ValueError(f"tool {tool!r} of group {group!r} has no entry in `effects`")
                seen[tool] = group
        for pattern in self.failures:
            try:
                re.compile(pattern, re.MULTILINE)
            except re.error as error:
                raise ValueError(f"failure pattern {pattern!r}: {error}") from error
        return self

    @property
    def packages(self) -> tuple[Package, ...]:
        """All packages to install, the server's own first."""
        return ((self.package,) if self.package else ()) + self.also

    @property
    def risky(self) -> bool:
        """Must it not run outside bubblewrap?"""
        return self.risk in ("network", "executes")

    @property
    def releasable(self) -> bool:
        """May a released suite rest on it? Its licence is permissive, and it is made of nothing under the GPL or AGPL.

        What runs beside it as a program of its own (`also`, such as a calendar service) does not make its licence.
        """
        beside = {package.name for package in self.also}
        bound = any(_STRONG.search(license) for name, license in self.copyleft.items() if name not in beside)
        return self.license in PERMISSIVE and not bound

    @property
    def asks(self) -> str:
        """What it takes of the user's machine and says to the outside, in words; empty where nothing."""
        texts = (*self.env.values(), *self.headers.values(), self.url)
        variables = dict.fromkeys(found for text in texts for found in re.findall(r"\$\{[A-Za-z_]\w*\}", text))
        folders = f"to read {', '.join(self.mounts)}" if self.mounts else ""
        secrets = f"the variables {', '.join(variables)}" if variables else ""
        calls = f"all calls, at {urlsplit(self.url).netloc.rpartition('@')[2]}" if self.url else ""
        return "; ".join(filter(None, (folders, secrets, calls)))

    @property
    def version(self) -> str:
        """Version of the server's package, empty where it has none."""
        return self.package.version if self.package else ""

    def group_of(self, tool: str) -> str:
        """The function group of a tool, empty where it has no siblings."""
        return next((group for group, tools in self.groups.items() if tool in tools), "")


def catalog() -> tuple[str, ...]:
    """Names of the shipped recipes, sorted."""
    return tuple(sorted(path.stem for path in CATALOG.glob("*.yaml")))


def recipes_in(folder: Path) -> dict[str, Recipe]:
    """Name to recipe of the YAML files in a folder (a suite's own servers); none where there is no such folder.

    Raises:
        InputError: a file that is no recipe.
    """
    return {recipe.name: recipe for recipe in map(load_recipe, sorted(folder.glob("*.yaml")))}


def load_recipe(source: str | Path) -> Recipe:
    """The recipe of a shipped server by name, or of a YAML / JSON file by path.

    Raises:
        InputError: unknown name, unreadable file, or a file that is no recipe (one line with the field).
    """
    path = Path(source)
    if path.suffix not in {".yaml", ".yml", ".json"}:
        path = CATALOG / f"{source}.yaml"
        if not re.fullmatch(r"[a-z][a-z0-9-]*", str(source)) or not path.is_file():
            raise InputError(f"unknown server {str(source)!r}", remedy=f"one of: {', '.join(catalog())}; or a file")
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        return Recipe.model_validate(data)
    except FileNotFoundError as error:
        raise InputError("no such recipe file", where=str(path)) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {' '.join(str(error).split())}", where=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise InputError(
            f"{field}: {first['msg']}", where=str(path), remedy="see rise_bench/ground/recipe.py"
        ) from error
