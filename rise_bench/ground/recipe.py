"""Launch recipes: how one MCP server is installed, started, reset and read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from rise_bench.errors import InputError
from rise_bench.types import Record

__all__ = ["CATALOG", "Package", "Recipe", "Service", "catalog", "load_recipe", "recipes_in"]

CATALOG = Path(__file__).parent / "catalog"
"""The shipped recipes, one YAML file a server."""


class Package(Record):
    """One package of a registry, at an exact version."""

    registry: Literal["pypi", "npm"]
    name: str
    version: str
    pins: tuple[str, ...] = ()
    """Further requirements of the same environment, such as `mcp<2`."""

    @property
    def requirement(self) -> str:
        """The package as its installer wants it."""
        return f"{self.name}{'==' if self.registry == 'pypi' else '@'}{self.version}"


class Service(Record):
    """A loopback service that a server talks to; it runs in the same sandbox and dies with it."""

    command: str
    args: tuple[str, ...] = ()


class Recipe(Record):
    """How one server is installed, launched and reset, and what is known about its tools.

    `command`, `args` and `env` have the shape of an `mcpServers` entry. They may hold `{venv}` and `{node}` (the
    server's own environment), `{root}` (the sandbox as the server sees it) and `{port}` (a loopback port of its own).
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    domain: str = ""
    license: str = ""
    package: Package | None = None
    also: tuple[Package, ...] = ()
    """Packages that `services` need."""
    command: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    services: tuple[Service, ...] = ()
    """Started before the server; it is started once `{port}` answers."""
    mounts: tuple[str, ...] = ()
    """Further host paths that the sandboxed server may read."""
    state: tuple[str, ...] = ("**",)
    """Globs, relative to the sandbox, of what counts as state."""
    ignore: tuple[str, ...] = ()
    """Globs of caches, logs and locks that do not."""
    keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """For JSON Lines files whose order means nothing: glob to the fields that name a line."""
    reset: Literal["wipe", "restart"] = "restart"
    """`wipe`: emptying the folder resets a running process; `restart`: only a new process is clean."""
    executes_code: bool = False
    effects: dict[str, Literal["read", "write"]] = Field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Function group to this server's tools in it; group names are shared by all servers."""
    failures: tuple[str, ...] = ()
    """Regular expressions of result texts that are failures although `isError` is false."""
    start_seconds: float = Field(default=60.0, gt=0)
    notes: tuple[str, ...] = ()
    """Quirks that an author of tasks must know."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if self.executes_code and self.reset == "wipe":
            raise ValueError("a server that runs code may leave processes behind, so `reset` must be `restart`")
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
