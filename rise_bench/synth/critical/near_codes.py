"""Codes of countries, currencies and languages and names of time zones that are taken for the one that was meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from rise_bench.errors import InputError
from rise_bench.store import read_yaml
from rise_bench.synth.primitives.kinds import words
from rise_bench.types import Record

__all__ = ["near_codes"]

CODES = Path(__file__).parent / "codes.yaml"
_MOST = 3
_SEASONS = (datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC))
_WORLD_TIME = ("UTC", "GMT", "Etc/UTC", "Etc/GMT")
_ZONE = re.compile(r"[A-Z]\w+(?:/[A-Z][\w+-]+){1,2}")


class _Codes(Record):
    """Codes of one kind."""

    kind: str
    name: str = ""
    groups: tuple[tuple[str, ...], ...]


@lru_cache(maxsize=1)
def _codes() -> tuple[_Codes, ...]:
    rows = read_yaml(CODES)
    try:
        return tuple(_Codes.model_validate(row) for row in rows) if isinstance(rows, list) else ()
    except ValidationError as error:
        raise InputError(error.errors()[0]["msg"], where=str(CODES)) from error


def near_codes(name: str, value: str) -> list[str]:
    """Up to three codes of the same kind, the neighbours of the value first, written as it is; empty where it is no code.

    A time zone is known by itself and gives zones of its region whose clocks show another time, summer and winter.

    Args:
        name: of the argument; it says of what the value is a code.
    """
    if value in _WORLD_TIME or _ZONE.fullmatch(value):
        return _near_zones(value)
    spoken = " ".join(words(name))
    for codes in _codes():
        if codes.name and re.search(rf"\b(?:{codes.name})\b", spoken):
            for group in codes.groups:
                if found := _near_in(group, value):
                    return found
    return []


def _near_in(group: tuple[str, ...], value: str) -> list[str]:
    """Those beside the value in the group, then its far end; the part of a locale such as `de-AT` that stands first."""
    head, dash, _ = value.partition("-")
    place = next(
        (at for at, code in enumerate(group) if code in (value.upper(), head.lower() if dash else value)), None
    )
    if place is None:
        return []
    near = sorted((at for at in range(len(group)) if at != place), key=lambda at: (abs(at - place), at))
    picked = [*near[: _MOST - 1], *([near[-1]] if len(near) >= _MOST else [])]
    return [group[at].lower() if value.islower() else group[at] for at in picked]


def _near_zones(value: str) -> list[str]:
    mine = _offsets(value)
    if mine is None:
        return []
    groups = next((codes.groups for codes in _codes() if codes.kind == "timezone"), ())
    region = "Europe/" if value in _WORLD_TIME else value.partition("/")[0] + "/"
    others = [zone for group in groups for zone in group if zone.startswith(region)]
    apart: list[tuple[timedelta, str]] = []
    for zone in others:
        theirs = _offsets(zone)
        if theirs is not None and all(a != b for a, b in zip(mine, theirs, strict=True)):
            apart.append((max(abs(a - b) for a, b in zip(mine, theirs, strict=True)), zone))
    return [zone for _, zone in sorted(apart)[:_MOST]]


def _offsets(zone: str) -> tuple[timedelta, ...] | None:
    """Of its clocks from UTC, in winter and in summer; None where there is no such zone."""
    try:
        there = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return tuple(moment.astimezone(there).utcoffset() or timedelta() for moment in _SEASONS)
