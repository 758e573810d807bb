"""Value operators: a critical argument holds something near to what was meant."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Literal

from pydantic import JsonValue

from rise_bench.refs import ROOT
from rise_bench.synth.negatives.operators.base import (
    DEVIATED,
    Material,
    Mutant,
    Operator,
    Site,
    distinct,
    replaced,
    sites,
)
from rise_bench.types import canonical

__all__ = ["OPERATORS"]

Change = Callable[[Material, Site], Iterator[JsonValue]]

_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_CLOCK = re.compile(r"(?<=[T ])(\d{2}):(\d{2})|^(\d{2}):(\d{2})(?=$|:\d{2}$)")
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})$|(?<=\d)Z$")
_NUMBER = re.compile(r"(?<![\w.\-/:])-?\d+(?:\.\d+)?(?![\w.\-/:]*\w)")
_NEAR_ENTITIES = 2
"""Existing values tried in the place of one."""

_UNITS = (
    ("km", "mi"), ("m", "ft"), ("cm", "in"), ("mm", "cm"), ("kg", "lb"), ("g", "oz"), ("l", "gal"),
    ("kilometers", "miles"), ("kilometer", "mile"), ("meters", "feet"), ("meter", "foot"), ("centimeters", "inches"),
    ("kilograms", "pounds"), ("kilogram", "pound"), ("grams", "ounces"), ("gram", "ounce"), ("liters", "gallons"),
    ("liter", "gallon"), ("celsius", "fahrenheit"), ("c", "f"), ("hours", "minutes"), ("hour", "minute"),
    ("days", "hours"), ("day", "week"), ("weeks", "months"), ("km/h", "mph"), ("eur", "usd"), ("gbp", "eur"),
)  # fmt: skip
_OTHER_UNIT = dict(_UNITS) | {other: one for one, other in reversed(_UNITS)}


def _operator(name: str, change: Change, direction: Literal["+", "-", ""] = "") -> Operator:
    """An operator that changes each critical argument to which `change` applies."""

    def make(material: Material, operator: Operator) -> Iterator[Mutant]:
        for site in sites(material):
            for value in distinct(change(material, site), site.value):
                yield replaced(material.task, operator, site, value)

    return Operator("value", name, DEVIATED, make, direction)


# --- what exists ------------------------------------------------------------------------------------------------------


def _entity(material: Material, site: Site) -> Iterator[JsonValue]:
    """Near misses that the author named, else the most alike of the values of the same kind that exist."""
    if site.critical.near:
        yield from site.critical.near
        return
    if isinstance(site.value, bool | float | None | list | dict):
        return
    kinds = {entity.kind for entity in material.entities if entity.value == site.value}
    others = [entity.value for entity in material.entities if entity.kind in kinds]
    yield from sorted(
        distinct(others, site.value), key=lambda value: (-_likeness(site.value, value), canonical(value))
    )[:_NEAR_ENTITIES]


def _likeness(one: JsonValue, other: JsonValue) -> float:
    return SequenceMatcher(None, str(one), str(other), autojunk=False).ratio()


def _parent(material: Material, site: Site) -> Iterator[JsonValue]:
    """The folder around the path."""
    if site.critical.match == "path" and isinstance(site.value, str):
        path = site.value.rstrip("/")
        head, slash, _ = path.rpartition("/")
        if slash and head and path != ROOT:
            yield head


# --- dates and times --------------------------------------------------------------------------------------------------


def _moved(step: Callable[[date], date | None]) -> Change:
    """The first ISO date in the text, moved."""

    def change(material: Material, site: Site) -> Iterator[JsonValue]:
        text = site.value if isinstance(site.value, str) else ""
        match = _DATE.search(text)
        if match is None:
            return
        try:
            other = step(date.fromisoformat(match.group()))
        except (ValueError, OverflowError):
            return
        if other is not None:
            yield text[: match.start()] + other.isoformat() + text[match.end() :]

    return change


def _months(count: int) -> Callable[[date], date]:
    def step(day: date) -> date:
        number = day.year * 12 + day.month - 1 + count
        year, month = divmod(number, 12)
        last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
        return date(year, month + 1, min(day.day, last))

    return step


def _swapped(day: date) -> date | None:
    """Day and month exchanged, where both readings are dates."""
    return day.replace(month=day.day, day=day.month) if day.day <= 12 and day.day != day.month else None


def _hours(count: int) -> Change:
    def change(material: Material, site: Site) -> Iterator[JsonValue]:
        text = site.value if isinstance(site.value, str) else ""
        match = _CLOCK.search(text)
        if match is None:
            return
        hour, minute = (int(part) for part in match.groups() if part is not None)
        if 0 <= hour + count <= 23 and minute < 60:
            moved = f"{hour + count:02d}:{minute:02d}"
            yield text[: match.start()] + moved + text[match.end() :]

    return change


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


_NEIGHBOUR_ZONES = (
    "Europe/London", "Europe/Berlin", "Europe/Helsinki", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo",
    "Australia/Sydney", "America/Sao_Paulo", "America/New_York", "America/Chicago", "America/Denver",
    "America/Los_Angeles", "UTC",
)  # fmt: skip


def _zone(material: Material, site: Site) -> Iterator[JsonValue]:
    """A zone of the same continent with another offset; in a time with an offset, an hour beside it."""
    if not isinstance(site.value, str):
        return
    if site.value in _zones() and ("/" in site.value or site.value == "UTC"):
        region = site.value.partition("/")[0]
        at = datetime.fromisoformat((material.task.now or "2026-01-01T00:00:00+00:00").replace("Z", "+00:00"))
        own = at.astimezone(zoneinfo.ZoneInfo(site.value)).utcoffset()
        others = [name for name in _NEIGHBOUR_ZONES if at.astimezone(zoneinfo.ZoneInfo(name)).utcoffset() != own]
        yield from sorted(others, key=lambda name: name.partition("/")[0] != region)[:1]
    elif _DATE.search(site.value) and (match := _OFFSET.search(site.value)):
        hours = int((match.group(1) or "+") + (match.group(2) or "0"))
        yield f"{site.value[: match.start()]}{hours + 1:+03d}:{match.group(3) or '00'}"


# --- numbers and units ------------------------------------------------------------------------------------------------


def _number(change: Callable[[int | float], int | float | None]) -> Change:
    """The number, or the last one that stands by itself in a text."""

    def apply(material: Material, site: Site) -> Iterator[JsonValue]:
        value = site.value
        if isinstance(value, bool):
            return
        if isinstance(value, int | float):
            if (other := change(value)) is not None and _in_range(other, site):
                yield other
        elif isinstance(value, str) and not _DATE.search(value) and (found := list(_NUMBER.finditer(value))):
            match = found[-1]
            number = float(match.group()) if "." in match.group() else int(match.group())
            if (other := change(number)) is not None:
                yield f"{value[: match.start()]}{_padded(other, match.group())}{value[match.end() :]}"

    return apply


def _padded(value: int | float, like: str) -> str:
    """The number with the leading zeros of the text in whose place it stands: `09` becomes `08`."""
    return str(value).zfill(len(like)) if re.match(r"-?0\d", like) else str(value)


def _in_range(value: int | float, site: Site) -> bool:
    low, high = site.schema.get("minimum"), site.schema.get("maximum")
    under = isinstance(low, int | float) and value < low
    over = isinstance(high, int | float) and value > high
    whole = site.schema.get("type") != "integer" or float(value).is_integer()
    return whole and not under and not over


def _tenth(value: int | float) -> int | float | None:
    if isinstance(value, int):
        return value // 10 if value and value % 10 == 0 else None
    return float(f"{value / 10:.12g}")


def _tenfold(value: int | float) -> int | float | None:
    return value * 10 if isinstance(value, int) else float(f"{value * 10:.12g}")


def _next(step: int) -> Callable[[int | float], int | float | None]:
    def change(value: int | float) -> int | float | None:
        return value + step if isinstance(value, int) else float(f"{value + step:.12g}")

    return change


def _sign(material: Material, site: Site) -> Iterator[JsonValue]:
    """The other sign, of a number that may have either: one that is negative, or whose contract speaks of negative ones.

    Nobody takes -5 for a price or a count by mistake: such a call shows by itself that it is wrong, whatever was asked.
    """
    negated = list(_number(lambda value: -value if value else None)(material, site))
    whole = not isinstance(site.value, str) or _NUMBER.fullmatch(site.value.strip())
    if whole and (str(site.value).strip().startswith("-") or _takes_negatives(site.schema)):
        yield from negated


def _takes_negatives(schema: Mapping[str, JsonValue]) -> bool:
    shown: list[JsonValue] = [schema.get(word) for word in ("minimum", "exclusiveMinimum", "default", "const")]
    for word in ("examples", "enum"):
        listed = schema.get(word)
        shown += listed if isinstance(listed, list) else []
    return any(isinstance(value, int | float) and value < 0 for value in shown)


def _unit(material: Material, site: Site) -> Iterator[JsonValue]:
    """Another unit of the same quantity."""
    if isinstance(site.value, str) and (other := _OTHER_UNIT.get(site.value.casefold())):
        yield other.upper() if site.value.isupper() else other


# --- choices ----------------------------------------------------------------------------------------------------------


def _members(site: Site) -> list[JsonValue]:
    choices = site.schema.get("enum")
    if isinstance(choices, list):
        return choices
    for word in ("anyOf", "oneOf"):
        options = site.schema.get(word)
        for option in options if isinstance(options, list) else ():
            if isinstance(option, dict) and isinstance(found := option.get("enum"), list):
                return found
    return []


def _sibling_member(step: int) -> Change:
    """The member before or after it in the contract's list."""

    def change(material: Material, site: Site) -> Iterator[JsonValue]:
        members = _members(site)
        if site.value in members and 0 <= members.index(site.value) + step < len(members):
            yield members[members.index(site.value) + step]

    return change


def _negated(material: Material, site: Site) -> Iterator[JsonValue]:
    if isinstance(site.value, bool):
        yield not site.value


def _default(material: Material, site: Site) -> Iterator[JsonValue]:
    """The contract's default in place of what was said."""
    if "default" in site.schema and site.schema["default"] is not None:
        yield site.schema["default"]


_COMPARE = {">=": ">", "<=": "<", ">": ">=", "<": "<="}


def _bound(material: Material, site: Site) -> Iterator[JsonValue]:
    """A comparison that takes in its end where it did not, or the other way round."""
    if isinstance(site.value, str) and (match := re.search(r"(?<![<>=!-])(>=|<=|>|<)(?![<>=])", site.value)):
        yield site.value[: match.start()] + _COMPARE[match.group()] + site.value[match.end() :]


OPERATORS = (
    _operator("entity", _entity),
    _operator("parent-path", _parent),
    _operator("date+1d", _moved(lambda day: day + timedelta(days=1)), "+"),
    _operator("date-1d", _moved(lambda day: day - timedelta(days=1)), "-"),
    _operator("date+1m", _moved(_months(1)), "+"),
    _operator("date-1m", _moved(_months(-1)), "-"),
    _operator("date+1y", _moved(_months(12)), "+"),
    _operator("date-1y", _moved(_months(-12)), "-"),
    _operator("day-month", _moved(_swapped)),
    _operator("time+1h", _hours(1), "+"),
    _operator("time-1h", _hours(-1), "-"),
    _operator("zone", _zone),
    _operator("unit", _unit),
    _operator("number+1", _number(_next(1)), "+"),
    _operator("number-1", _number(_next(-1)), "-"),
    _operator("tenfold", _number(_tenfold), "+"),
    _operator("tenth", _number(_tenth), "-"),
    _operator("sign", _sign),
    _operator("member+1", _sibling_member(1), "+"),
    _operator("member-1", _sibling_member(-1), "-"),
    _operator("negated", _negated),
    _operator("default", _default),
    _operator("bound", _bound),
)
