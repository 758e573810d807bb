"""Typed things that a text mentions: quotations, paths, numbers, dates, times, names, with the words around them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal

__all__ = ["Kind", "Mention", "mentions", "stem", "words"]

Kind = Literal["quote", "path", "url", "email", "number", "date", "datetime", "time", "identifier", "name"]


@dataclass(frozen=True, slots=True)
class Mention:
    """One thing, its place in the text and the stemmed words near it (what a parameter's name is held against)."""

    kind: Kind
    value: str | int | float
    start: int
    end: int
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CLOSING = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’"}
_QUOTE = re.compile("|".join(f"(?<!\\w){a}([^{a}{b}\\n]{{1,500}}?){b}(?!\\w)" for a, b in _CLOSING.items()))
_MONTHS = tuple(name.casefold() for name in calendar.month_name[1:])
_DAYS = tuple(name.casefold() for name in calendar.day_name)
_MONTH = "(" + "|".join(f"{month[:3]}(?:{month[3:]})?" for month in _MONTHS) + r")\.?"
_CLOCK = re.compile(r"\b(\d{1,2})(?::(\d{2}))?\s*([ap])\.?m\b|\b([01]?\d|2[0-3]):([0-5]\d)\b|\b(noon|midnight)\b", re.I)

_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("url", re.compile(r"\bhttps?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]")),
    ("email", re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")),
    ("datetime", re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?")),
    ("path", re.compile(r"(?<![\w/.~-])(?:~?/)?(?:[\w.{}-]+/)+[\w.*{}-]*[\w*}]")),
    ("path", re.compile(r"(?<![\w/.-])(?!(?:i\.e|e\.g)\b)[\w*-][\w*.-]*\.[a-z][a-z0-9]{0,4}\b(?!\.\w)")),
    ("date", re.compile(r"\b\d{4}-\d\d-\d\d\b")),
    ("date", re.compile(rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}(?:,? \d{{4}})?\b", re.I)),
    ("date", re.compile(rf"\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?\b(?!:)", re.I)),
    ("date", re.compile(r"\b(?:the day after tomorrow|the day before yesterday|today|tomorrow|yesterday)\b", re.I)),
    ("date", re.compile(r"\bin (?:a|one|two|three|four|five|six|\d+) (?:day|week)s?\b", re.I)),
    ("date", re.compile(rf"\b(?:(?:next|this|last|on|by) )?(?:{'|'.join(_DAYS)})\b", re.I)),
    ("time", _CLOCK),
    ("identifier", re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]+\b|\b\w+_\w+\b|\b[A-Z]+-\d+\b")),
    ("number", re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w]|\.\d)%?")),
    ("name", re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z]\w*(?:[-’'](?!s\b)\w+)*(?: [A-Z]\w*(?:[-’'](?!s\b)\w+)*)*")),
)
_SMALL = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """A word without its commonest English endings: enough for `files` to meet `file` and `moving` to meet `move`."""
    word = word.casefold()
    for ending in ("ing", "ies", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + ("y" if ending == "ies" else "")
            break
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] else word


def words(text: str) -> list[str]:
    """Stemmed words of a text; `camelCase` and `snake_case` fall into their parts."""
    return [stem(word) for word in _WORD.findall(text)]


@lru_cache(maxsize=256)
def mentions(text: str, now: str = "") -> tuple[Mention, ...]:
    """What the text mentions, in order, without overlaps: a number inside a date is no number of its own.

    Relative dates are counted from `now` (ISO 8601) and left out where it is empty.
    """
    taken: list[tuple[int, int]] = []
    found: list[Mention] = []
    for kind, start, end, value in _spans(text, _instant(now)):
        if any(start < other_end and other_start < end for other_start, other_end in taken):
            continue
        taken.append((start, end))
        before, after = words(text[max(0, start - 40) : start])[-4:], words(text[end : end + 30])[:2]
        found.append(Mention(kind, value, start, end, tuple(before), tuple(after)))
    return tuple(sorted(found, key=lambda mention: mention.start))


def _spans(text: str, now: datetime | None) -> Iterator[tuple[Kind, int, int, str | int | float]]:
    for match in _QUOTE.finditer(text):
        yield "quote", match.start(), match.end(), match.group()[1:-1]
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            value = _valued(kind, match.group(), now)
            if value is not None:
                yield kind, match.start(), match.end(), value


def _valued(kind: Kind, text: str, now: datetime | None) -> str | int | float | None:
    match kind:
        case "number":
            plain = text.replace(",", "").rstrip("%")
            return float(plain) if "." in plain else int(plain[:300])
        case "date":
            day = _day(text.casefold(), now)
            return day.isoformat() if day else None
        case "time":
            return _clock(text)
        case _:
            return text


def _instant(now: str) -> datetime | None:
    try:
        return datetime.fromisoformat(now)
    except ValueError:
        return None


def _day(text: str, now: datetime | None) -> date | None:
    try:
        if text[:4].isdigit() and text[4:5] == "-":
            return date.fromisoformat(text)
        month = next((i for i, name in enumerate(_MONTHS, 1) if re.search(rf"\b{name[:3]}", text)), None)
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        if month and numbers:
            year = next((number for number in numbers if number > 31), now.year if now else None)
            return date(year, month, numbers[0]) if year else None
    except ValueError:
        return None
    return _relative(text, now.date()) if now else None


def _relative(text: str, today: date) -> date | None:
    fixed = {"today": 0, "tomorrow": 1, "yesterday": -1, "the day after tomorrow": 2, "the day before yesterday": -2}
    if text in fixed:
        return today + timedelta(days=fixed[text])
    if counted := re.fullmatch(r"in (\w+) (day|week)s?", text):
        number = _SMALL.get(counted[1]) or (int(counted[1][:4]) if counted[1].isdigit() else 0)
        return today + timedelta(days=number * (7 if counted[2] == "week" else 1))
    weekday = next((index for index, name in enumerate(_DAYS) if text.endswith(name)), None)
    if weekday is None:
        return None
    if text.startswith("last"):
        return today - timedelta(days=(today.weekday() - weekday - 1) % 7 + 1)
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def _clock(text: str) -> str | None:
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    if match[6]:
        return "12:00" if match[6].casefold() == "noon" else "00:00"
    if match[3]:
        hour, minute = int(match[1]) % 12 + (12 if match[3].casefold() == "p" else 0), match[2] or "00"
        return f"{hour:02}:{minute}"
    return f"{int(match[4]):02}:{match[5]}"
