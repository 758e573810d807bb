"""Values as a person would write them, by the name of the argument: where nothing that exists fits it."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from pydantic import JsonValue, ValidationError

from rise_bench.errors import InputError
from rise_bench.store import read_yaml
from rise_bench.synth.primitives.kinds import words
from rise_bench.types import Record

__all__ = ["numbers", "texts", "window"]

VALUES = Path(__file__).parent / "values.yaml"


class _Rule(Record):
    """One line of `values.yaml`."""

    name: str
    type: str = "text"
    values: tuple[str, ...]


@lru_cache(maxsize=1)
def _rules() -> tuple[_Rule, ...]:
    rows = read_yaml(VALUES)
    try:
        return tuple(_Rule.model_validate(row) for row in rows) if isinstance(rows, list) else ()
    except ValidationError as error:
        raise InputError(error.errors()[0]["msg"], where=str(VALUES)) from error


def texts(name: str, schema: dict[str, JsonValue], now: str) -> list[str]:
    """Texts that fit an argument by name, format and description, the likeliest rule's; empty where no rule fits.

    Args:
        now: ISO 8601 instant near which dates lie.
    """
    spoken, form = " ".join(words(name)), schema.get("format")
    about = str(schema.get("description", "")).casefold()
    dated = _dated(form, about, spoken)
    for rule in _rules():
        if rule.type != "text" and rule.type != dated:
            continue
        if re.search(rf"\b(?:{rule.name})\b", spoken) or (rule.type == form and dated):
            return [_filled(value, now) for value in rule.values]
    return []


def _dated(form: JsonValue, about: str, spoken: str) -> str:
    """`datetime`, `date` or `time` where the argument takes one."""
    if form in ("date-time", "date", "time"):
        return "datetime" if form == "date-time" else str(form)
    if re.search(r"yyyy-mm-dd(?!.{0,3}t?hh)", about):
        return "date"
    if re.search(r"iso.?8601|datetime|date and time|date-time|yyyy-mm-ddt", about):
        return "datetime"
    if re.search(r"\bhh:mm\b|24-hour", about):
        return "time"
    return "date" if re.search(r"\b(date|day|due|deadline)\b", spoken) else ""


def _filled(value: str, now: str) -> str:
    try:
        today = datetime.fromisoformat(now)
    except ValueError:
        today = datetime(2026, 1, 1, tzinfo=UTC)

    def day(match: re.Match[str]) -> str:
        return (today + timedelta(days=int(match[1] or 0))).date().isoformat()

    return re.sub(r"\{day([+-]\d+)?\}", day, value)


def window(name: str, schema: dict[str, JsonValue], now: str) -> list[str]:
    """For an argument that takes an instant or a day: the beginning or the end of some months around `now`, else nothing."""
    told = set(words(name))
    form = _dated(schema.get("format"), str(schema.get("description", "")).casefold(), " ".join(words(name)))
    if form not in ("date", "datetime") or schema.get("type") != "string":
        return []
    days = 90 if told & {"end", "until", "to", "before", "latest", "max"} else -60
    return [_filled(f"{{day{days:+d}}}" + ("T00:00:00Z" if form == "datetime" else ""), now)]


def numbers(name: str, schema: dict[str, JsonValue], rng: random.Random) -> list[JsonValue]:
    """Numbers that fit an argument: small whole ones within its bounds, near its default where it has one."""
    low, high = _bound(schema, "minimum", "exclusiveMinimum", 1), _bound(schema, "maximum", "exclusiveMaximum", -1)
    default = schema.get("default")
    whole = schema.get("type") == "integer"
    start = default if isinstance(default, int | float) and not isinstance(default, bool) and default > 0 else 3
    guesses: list[float] = [start + 1, start * 2, max(1, start // 2), rng.randint(2, 9), 1]
    if re.search(r"amount|price|rate|weight|height|width|value|mass|length|distance", name.casefold()):
        guesses[:0] = [rng.randint(12, 60) * 10, rng.randint(15, 95)]
    low = low if low is not None else (0 if high is None or high >= 0 else high - 10)
    fitting = [guess for guess in guesses if guess >= low and (high is None or guess <= high)]
    if not fitting:
        fitting = [low] if high is None else [low, (low + high) / 2]
    return list(dict.fromkeys(int(guess) if whole or float(guess).is_integer() else guess for guess in fitting))


def _bound(schema: dict[str, JsonValue], keyword: str, exclusive: str, inward: int) -> float | None:
    for name, step in ((keyword, 0), (exclusive, inward)):
        found = schema.get(name)
        if isinstance(found, int | float) and not isinstance(found, bool):
            return found + step
    return None
