"""Days, moments and times of day near the one that was meant; of a start beside an end, such as keep their order."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from pydantic import JsonValue

from rise_bench.synth.facts.derivations import ISO_DATE, ISO_MOMENT
from rise_bench.synth.primitives.kinds import words

__all__ = ["in_order", "is_bound", "near_moments"]

_STARTS = frozenset(["start", "from", "since", "begin", "after", "first", "earliest", "min"])
_ENDS = frozenset(["end", "to", "until", "till", "finish", "stop", "before", "last", "latest", "max"])
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def near_moments(value: str, name: str, beside: Mapping[str, JsonValue]) -> list[str]:
    """Other days, moments or times, written as the value is; empty where it is none of them.

    Of a start beside its end a day, a week and a month earlier and half the span later, of an end the reverse: all of them
    leave the start before the end. Of a moment alone the day after and before and the week after and before.

    Args:
        name: of the argument.
        beside: the arguments of the same object by name.
    """
    if clock := _CLOCK.fullmatch(value):
        return [f"{(int(clock[1]) + shift) % 24:02}:{clock[2]}" for shift in (1, -1, 12)]
    if (moment := _read(value)) is None:
        return []
    partner = _partner(name, beside)
    other = _read(partner) if partner is not None else None
    if other is None or type(other) is not type(moment) or not _comparable(moment, other):
        return _written(value, [(moment, shift) for shift in (_DAY, -_DAY, _WEEK, -_WEEK)])
    sign = -1 if _role(name) == "start" else 1
    inward = -sign * _half(moment, other)
    moves = [(moment, sign * _DAY), (moment, sign * _WEEK), (moment, inward), (_month(moment, sign), timedelta())]
    return _written(value, [move for move in moves if move[1] or move[0] != moment])


def is_bound(name: str, beside: Mapping[str, JsonValue]) -> bool:
    """Is the argument the start or the end of a span of which the other one is given too?"""
    return _partner(name, beside) is not None


def in_order(value: str, name: str, beside: Mapping[str, JsonValue]) -> bool:
    """Would the value as this argument leave the start before the end? True where there is no such pair."""
    partner = _partner(name, beside)
    one, other = _read(value), _read(partner) if partner is not None else None
    if one is None or other is None or type(one) is not type(other) or not _comparable(one, other):
        return partner is None
    return one < other if _role(name) == "start" else other < one


def _read(text: str) -> date | datetime | None:
    try:
        if re.fullmatch(ISO_DATE, text):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text) if re.fullmatch(ISO_MOMENT, text) else None
    except ValueError:
        return None


def _comparable(one: date, other: date) -> bool:
    zones = [moment.tzinfo is None for moment in (one, other) if isinstance(moment, datetime)]
    return len(set(zones)) < 2


def _role(name: str) -> str:
    told = set(words(name))
    return "start" if told & _STARTS else "end" if told & _ENDS else ""


def _partner(name: str, beside: Mapping[str, JsonValue]) -> str | None:
    """The other end of the span: the argument whose name differs in the word for start or end alone."""
    role = _role(name)
    rest = [word for word in words(name) if word not in _STARTS | _ENDS]
    for other, value in beside.items():
        opposite = role and _role(other) not in ("", role)
        if (
            opposite
            and isinstance(value, str)
            and [word for word in words(other) if word not in _STARTS | _ENDS] == rest
        ):
            return value
    return None


def _half(one: date, other: date) -> timedelta:
    """Half of what lies between, in whole days or minutes; nothing where that is too short."""
    if isinstance(one, datetime) and isinstance(other, datetime):
        return timedelta(minutes=abs(other - one) // timedelta(minutes=2))
    return timedelta(days=abs((other - one).days) // 2)


def _month(moment: date, sign: int) -> date:
    year, month = divmod(moment.year * 12 + moment.month - 1 + sign, 12)
    last = calendar.monthrange(year, month + 1)[1] if 1 <= year <= 9999 else 28
    return moment.replace(year=max(1, min(9999, year)), month=month + 1, day=min(moment.day, last))


def _written(model: str, moves: list[tuple[date, timedelta]]) -> list[str]:
    """The moved moments in the writing of the model: its mark between day and time, its seconds, its zone."""
    found: list[str] = []
    for start, shift in moves:
        try:
            moment = start + shift
        except OverflowError:
            continue
        if not isinstance(moment, datetime):
            found.append(moment.isoformat())
            continue
        clock = f"{moment:%H:%M:%S}" if re.match(r".{13}:\d\d:\d\d", model) else f"{moment:%H:%M}"
        rest = re.sub(r"^.{10}[T ]\d\d:\d\d(?::\d\d)?", "", model)
        found.append(f"{moment.date().isoformat()}{model[10]}{clock}{rest}")
    return found
