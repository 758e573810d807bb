"""Known-good calls of a catalogue server, and what running them in order on a fresh sandbox shows."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydantic import Field, JsonValue, ValidationError

from rise_bench.errors import InputError, ServerDied
from rise_bench.ground.client import Connection, Outcome
from rise_bench.ground.contrast import check_names
from rise_bench.ground.fixture import materialise
from rise_bench.ground.install import Installed
from rise_bench.ground.offer import mask_tool
from rise_bench.ground.recipe import CATALOG, Recipe
from rise_bench.ground.remote import connect
from rise_bench.ground.sandbox import Sandbox
from rise_bench.ground.secrets import secrets_of
from rise_bench.ground.state import Rules, State, difference
from rise_bench.refs import resolve, result_value, substitute_root
from rise_bench.store import read_yaml
from rise_bench.types import Record, Tool, ToolResult

__all__ = ["PROBES", "Made", "Probe", "Probed", "load_probes", "run_on", "run_probes"]

PROBES = CATALOG / "probes"
"""One folder a server: `probes.yaml`, and what lies in the sandbox before (`files/`, `build.yaml`)."""

PROBE_CLOCK = "2026-01-01T00:00:00+00:00"
"""Where the servers' clock stands while they are frozen and probed."""

SHOWN = 200
"""Characters of a result that are kept."""


class Probe(Record):
    """One call that is known to work, or to fail in a way worth knowing.

    Arguments may hold `{root}`, `{"$ref": [NAME, POINTER]}` (part of the result that an earlier probe saved) and
    `{"$find": [NAME, REGEX]}` (the first group of the expression in that result's text; `$number` is the same, as a
    whole number).
    """

    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    save: str = ""
    """Name under which later probes speak of the result."""
    fails: bool = False
    """It is meant to fail: the server's way of saying so is what is looked for."""
    seconds: float = Field(default=60.0, gt=0)
    """Time that it may take."""


@dataclass(frozen=True, slots=True)
class Made:
    """A probe that ran."""

    probe: Probe
    status: str
    """As the trajectory would have it; `failed` where the text is one of the recipe's `failures`."""
    text: str
    changed: tuple[str, ...]
    """State paths that changed."""
    milliseconds: float

    @property
    def as_meant(self) -> bool:
        """Did it do what its author said: succeed, or fail?"""
        return (self.status != "ok") == self.probe.fails


@dataclass(slots=True)
class Probed:
    """What starting a server and running its probes showed."""

    tools: tuple[Tool, ...]
    start_seconds: float
    memory_mb: float
    made: list[Made] = field(default_factory=list)

    @property
    def called(self) -> frozenset[str]:
        """Tools of which a call succeeded."""
        return frozenset(made.probe.tool for made in self.made if made.status == "ok")


def load_probes(folder: Path) -> tuple[Probe, ...]:
    """The probes of a folder; none where it has no `probes.yaml`.

    Raises:
        InputError: the file is no list of probes.
    """
    path = folder / "probes.yaml"
    if not path.is_file():
        return ()
    rows = read_yaml(path)
    if not isinstance(rows, list):
        raise InputError("is no list of probes", where=str(path))
    found: list[Probe] = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(Probe.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise InputError(what, where=f"{path}: probe {number}", remedy="see ground/probes.py") from error
    return tuple(found)


def run_probes(
    recipe: Recipe, installed: Installed, folder: Path, *, limit: int | None = None, allow_unsafe: bool = False
) -> Probed:
    """Start the server in a fresh sandbox with the folder's files, and run its probes in order.

    Args:
        folder: with `probes.yaml`; may not exist.
        limit: run only so many; None = all.

    Raises:
        SetupError: it cannot be started.
        InputError: a probe binds to what is not there.
    """
    probes = load_probes(folder)[:limit]
    sandbox = Sandbox(allow_unsafe=allow_unsafe)
    try:
        sandbox.set_clock(PROBE_CLOCK)
        if folder.is_dir():
            sandbox.fill(partial(materialise, folder))
        connection = connect(recipe, installed, sandbox)
        try:
            begun = time.perf_counter()
            connection.start(recipe.start_seconds)
            started = time.perf_counter() - begun
            listed = connection.list_tools()
            check_names(recipe.name, listed)
            probed = Probed(tuple(mask_tool(tool, sandbox.root) for tool in listed), started, 0.0)
            probed.made += run_on(connection, sandbox, recipe, probes)
            probed.memory_mb = connection.memory_mb()
            return probed
        finally:
            connection.close()
    finally:
        sandbox.close()


def run_on(
    connection: Connection, sandbox: Sandbox, recipe: Recipe, probes: Sequence[Probe], *, shown: int | None = SHOWN
) -> list[Made]:
    """Run probes in order on a server that runs; they end early where it dies.

    Args:
        shown: characters of each result to keep; None = all.

    Raises:
        InputError: a probe binds to what is not there.
    """
    run: list[Made] = []
    rules = Rules(state=recipe.state, ignore=recipe.ignore, keys=recipe.keys)
    state = State(sandbox.home, sandbox.root, rules, secrets_of([recipe]))
    before = state.snapshot()
    saved: dict[str, ToolResult] = {}
    failures = [re.compile(pattern, re.MULTILINE) for pattern in recipe.failures]
    for probe in probes:
        arguments = _bound(probe, saved, sandbox.root)
        begun = time.perf_counter()
        try:
            outcome = connection.call(probe.tool, arguments, probe.seconds)
            status = _status(outcome, failures)
        except ServerDied as error:
            outcome, status = Outcome("tool_error", str(error)), "died"
        took = (time.perf_counter() - begun) * 1000
        now = state.snapshot()
        changed = tuple(change.path for change in difference(before, now))
        before = now
        text = outcome.content.replace(sandbox.root, "{root}")
        run.append(Made(probe, status, text[:shown], changed, round(took, 1)))
        if status == "died":
            break
        if probe.save:
            saved[probe.save] = ToolResult(
                call_id="", tool=probe.tool, content=outcome.content, structured=outcome.structured
            )
    return run


def _status(outcome: Outcome, failures: Sequence[re.Pattern[str]]) -> str:
    if outcome.status == "ok" and any(pattern.search(outcome.content) for pattern in failures):
        return "failed"
    return outcome.status


def _bound(probe: Probe, saved: dict[str, ToolResult], root: str) -> dict[str, JsonValue]:
    """The probe's arguments with root and bindings filled in."""
    where = f"probe of {probe.tool}"
    names = list(saved)
    results = [result_value(result) for result in saved.values()]

    def named(value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [named(item) for item in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"$ref": [str(name), str(pointer)]} if len(value) == 1:
                return {"$ref": [index(name), pointer]}
            case {"$find": [str(name), str(pattern)]} if len(value) == 1:
                return found(saved[names[index(name)]].content, pattern)
            case {"$number": [str(name), str(pattern)]} if len(value) == 1:
                return number(found(saved[names[index(name)]].content, pattern))
        return {key: named(item) for key, item in value.items()}

    def index(name: str) -> int:
        if name not in saved:
            raise InputError(f"nothing is saved as {name!r}", where=where, remedy="bind to earlier")
        return names.index(name)

    def found(text: str, pattern: str) -> str:
        try:
            expression = re.compile(pattern)
        except re.error as error:
            raise InputError(f"{pattern!r} is no regular expression: {error}", where=where) from error
        match = expression.search(text)
        part: str | None = match[min(expression.groups, 1)] if match else None
        if part is None:
            raise InputError(f"{pattern!r} finds nothing in {text[:100]!r}", where=where)
        return part

    def number(text: str) -> int:
        try:
            return int(text)
        except ValueError as error:
            raise InputError(f"found {text[:100]!r}, which is no whole number", where=where) from error

    whole = resolve(named(substitute_root(dict(probe.arguments), root)), results)
    assert isinstance(whole, dict), "arguments are an object"
    return whole
