"""Calls that are known to work, from the catalogue's probes: what arguments of a tool look like."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache

from pydantic import JsonValue

from rise_bench.ground.probes import PROBE_CLOCK, PROBES, load_probes
from rise_bench.refs import ROOT

__all__ = ["Seed", "bare_paths", "brought_to", "seeds_of", "varied_value"]


_CLOCK = datetime.fromisoformat(PROBE_CLOCK).date()
_DAY = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class Seed:
    """Arguments of one call that works on the probes' own files."""

    arguments: Mapping[str, JsonValue]
    holes: frozenset[str]
    """Arguments that the probe takes from an earlier result: here something that exists must stand."""
    paths: frozenset[str]
    """Arguments that name a file or folder of the probes' own: here one of the world's must stand."""


def seeds_of(tool: str) -> tuple[Seed, ...]:
    """The known-good calls of a tool by its id; none where the catalogue has no probes of it."""
    server, _, name = tool.partition(".")
    return _seeds(server).get(name, ())


@lru_cache(maxsize=256)
def _seeds(server: str) -> dict[str, tuple[Seed, ...]]:
    folder = PROBES / server
    files = folder / "files"
    there = {str(path.relative_to(files)) for path in files.rglob("*")} if files.is_dir() else set()
    found: dict[str, list[Seed]] = {}
    for probe in load_probes(folder):
        if not probe.fails:
            found.setdefault(probe.tool, []).append(_seed(probe.arguments, there))
    return {name: tuple(seeds) for name, seeds in found.items()}


def _seed(arguments: Mapping[str, JsonValue], there: set[str]) -> Seed:
    holes = {name for name, value in arguments.items() if _bound(value)}
    paths = {name for name, value in arguments.items() if _is_there(value, there)}
    return Seed({n: v for n, v in arguments.items() if n not in holes}, frozenset(holes), frozenset(paths))


def _is_there(value: JsonValue, there: set[str]) -> bool:
    """Is a value a path of the probes' own files, or a list of such?"""
    if isinstance(value, list):
        return bool(value) and all(_is_there(item, there) for item in value)
    return isinstance(value, str) and _bare(value) in there


def _bare(path: str) -> str:
    return path.removeprefix(ROOT).strip("/").removeprefix("./")


def _bound(value: JsonValue) -> bool:
    """Does a value hold a binding to an earlier probe's result?"""
    if isinstance(value, dict):
        return bool(value.keys() & {"$ref", "$find", "$number"}) or any(_bound(item) for item in value.values())
    return isinstance(value, list) and any(_bound(item) for item in value)


def brought_to(seed: Seed, now: str) -> Seed:
    """The call with its dates as far from `now` as they were from the probes' clock; dates of other years stay."""
    try:
        days = datetime.fromisoformat(now).date() - _CLOCK
    except ValueError:
        return seed
    return replace(seed, arguments={name: _moved(value, days) for name, value in seed.arguments.items()})


def _moved(value: JsonValue, days: timedelta) -> JsonValue:
    if isinstance(value, dict):
        return {key: _moved(item, days) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, days) for item in value]
    return re.sub(_DAY, lambda day: _later(day[0], days), value) if isinstance(value, str) else value


def _later(day: str, days: timedelta) -> str:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        return day
    return (found + days).isoformat() if abs(found - _CLOCK) < timedelta(366) else day


def bare_paths(tool: str) -> bool:
    """Do the known-good calls of a tool name files relative to the sandbox, and never with its path?"""
    named = [str(seed.arguments[name]) for seed in seeds_of(tool) for name in seed.paths]
    return bool(named) and not any(ROOT in value for value in named)


def varied_value(name: str, value: JsonValue, rng: random.Random) -> JsonValue:
    """A value like this one: another number of its size, another day within two weeks; texts stay as they are."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return (
            value
            if abs(value) < 2
            else max(1, value + rng.randint(-value // 3, value // 3 + 2))
            if value > 0
            else value
        )
    if isinstance(value, float):
        decimals = len(repr(value).partition(".")[2]) if "e" not in repr(value) else 6
        return round(value * rng.uniform(0.6, 1.6), min(decimals, 6))
    if isinstance(value, str):
        return _varied_text(name, value, rng)
    return value


def _varied_text(name: str, value: str, rng: random.Random) -> str:
    days = rng.randint(1, 14)
    try:
        value = re.sub(_DAY, lambda day: (date.fromisoformat(day[0]) + timedelta(days)).isoformat(), value)
    except ValueError:
        return value
    if re.search(r"expr|formula|equation", name):
        return re.sub(r"(?<![\w.^*])\d{1,4}(?![\w.])", lambda n: str(max(1, int(n[0]) + rng.randint(0, 6))), value)
    return value
