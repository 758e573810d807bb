"""Under what a run was made, and in what two runs differ besides what they are meant to compare."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Protocol

from pydantic import JsonValue

from rise_bench.ground.sandbox import bwrap_problem, faketime_library
from rise_bench.model.cache import CachedModel
from rise_bench.types import Conditions, GroundMode, Model, Record, RunSpec

__all__ = ["Difference", "Recorded", "conditions_now", "differences"]

_COMPARED = ("model", "model_args", "model_content")
"""What a comparison is about. Of a model's identity all is meant to differ but how it is asked and read (`_ASKED`)."""

_ASKED = ("template", "tools", "parser", "format", "dtype", "engine")
"""Words in the names of what says how a model is asked and read, wherever it is recorded."""


class Difference(Record):
    """One setting in which two runs differ."""

    name: str
    first: JsonValue = None
    second: JsonValue = None
    meant: bool = False
    """Is it what a comparison of two models compares? Any other makes their numbers answer different questions."""


def conditions_now(
    model: Model, *, mode: GroundMode, executor: str, concurrency: int, drift: tuple[str, ...] = ()
) -> Conditions:
    """What holds for the attempts that this process is about to make."""
    settings = getattr(model, "settings", None)
    live = mode == "live"
    return Conditions(
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        rise_bench=version("rise-bench"),
        python=platform.python_version(),
        executor=executor,
        concurrency=concurrency,
        isolated=not live or bwrap_problem() is None,
        clock=not live or faketime_library() is not None,
        cache=isinstance(model, CachedModel),
        drift=drift,
        model=dict(settings()) if settings is not None else {},
    )


class Recorded(Protocol):
    """What says how a run was made: a `Run`, or what is kept of one."""

    def spec(self) -> RunSpec:
        """What the run is."""

    def conditions(self) -> tuple[Conditions, ...]:
        """Under what its attempts were made, in order."""


def differences(first: Recorded, second: Recorded) -> tuple[Difference, ...]:
    """Every setting in which two runs differ, by name; those that spoil a comparison first.

    Where a run went on under other conditions its own are joined by `|`.

    Raises:
        InputError: a run's files cannot be read.
    """
    here, there = _settings(first), _settings(second)
    found = [
        Difference(name=name, first=here.get(name), second=there.get(name), meant=_meant(name))
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name)
    ]
    return tuple(sorted(found, key=lambda difference: (difference.meant, difference.name)))


def _meant(name: str) -> bool:
    if any(word in name.rpartition(".")[2] for word in _ASKED):
        return False
    return name in _COMPARED or name.startswith(tuple(f"{one}." for one in _COMPARED))


def _settings(run: Recorded) -> dict[str, JsonValue]:
    spec = run.spec().model_dump(mode="json")
    spec["model_content"] = _identity(str(spec["model_content"]))
    found = dict(_flat("", spec))
    parts = [dict(_flat("", part.model_dump(mode="json", exclude={"since"}))) for part in run.conditions()]
    for name in sorted({name for part in parts for name in part}):
        values = list({json.dumps(part[name]): part[name] for part in parts if name in part}.values())
        found[f"conditions.{name}"] = values[0] if len(values) == 1 else " | ".join(map(str, values))
    return found


def _identity(text: str) -> JsonValue:
    """A model's identity as it is kept: an object where it is JSON, else the text."""
    try:
        found: JsonValue = json.loads(text)
    except ValueError:
        return text
    return found


def _flat(prefix: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, Mapping) and value:
        for key, inside in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else key, inside)
    else:
        yield prefix, value
