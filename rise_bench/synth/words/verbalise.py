"""Values as people say them: dates seen from `now`, numbers in words, places of files, nicknames; and back again."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Literal
from zoneinfo import available_timezones

from pydantic import JsonValue

from rise_bench.refs import ROOT
from rise_bench.score.text import parse_datetime
from rise_bench.score.values import same
from rise_bench.synth.words.dates import date_words, is_relative, read_date
from rise_bench.synth.words.grids import grid_words, read_grid
from rise_bench.synth.words.numbers import number_words, read_number, read_time, time_words
from rise_bench.types import MatchKind, canonical

__all__ = [
    "Derived",
    "Kind",
    "Names",
    "Spoken",
    "adverbial",
    "full_moment",
    "kind_of",
    "read",
    "same_day",
    "same_value",
    "verbalise",
]

Kind = Literal["text", "number", "date", "datetime", "time", "path", "timezone", "list", "json"]
Derived = Literal["verbatim", "verbaliser", "relative date", "nickname"]
Names = Mapping[str, Sequence[str]]
"""How people of a world call things: value (a path without `{root}`, a person, an account) to words."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.0+)?)?(?:Z|[+-]\d{2}:?\d{2})?")
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("`", "`"))
_HERE = "the top folder"
_PLAIN = re.compile(r"[A-Za-z0-9À-ÿ][\w.@+/&-]*(?: [\w.@+/&-]*\w)?")
"""Texts that need no quotation marks to be told from the words around them."""
_ENDS_DAY = time(23, 59, 59)
_SAME_DAY = "the same day"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One way to say a value, and by what it follows from the words."""

    words: str
    by: Derived


def kind_of(value: JsonValue, match: MatchKind | None = None) -> Kind:
    """What a value is to a speaker; `match` is its rule of comparison where it is critical."""
    if isinstance(value, list) and value and not any(isinstance(item, dict | list) for item in value):
        return "list"
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return "json"
    if isinstance(value, int | float):
        return "number"
    if value in _zones():
        return "timezone"
    if match == "path" or value == ROOT or value.startswith(f"{ROOT}/"):
        return "path"
    if match not in ("sql", "url", "semantic"):
        forms: tuple[tuple[re.Pattern[str], Kind], ...] = ((_DATE, "date"), (_MOMENT, "datetime"), (_TIME, "time"))
        if kind := next((kind for form, kind in forms if form.fullmatch(value)), None):
            return kind
    return "text"


def verbalise(value: JsonValue, kind: Kind, now: str = "", names: Names | None = None) -> tuple[Spoken, ...]:
    """Ways to say a value, the plainest first; each of them is read back as this value by `read`.

    Args:
        now: ISO 8601 instant that relative dates refer to; empty = none are made.
        names: how people of this world call things.
    """
    names = names or {}
    if kind == "list" and isinstance(value, list):
        plain = [
            way for way in _list_ways(value, now, names) if same_value(value, read(way.words, kind, now, names), kind)
        ]
    else:
        plain = [way for way in _sound(canonical(value), kind, now) if not _taken(way.words, value, kind, names)]
    called = [Spoken(words, "nickname") for words in _called(value, kind, names)]
    called = [way for way in called if same_value(value, read(way.words, kind, now, names), kind)]
    return tuple(dict.fromkeys([*plain, *called]))


@lru_cache(maxsize=4096)
def _sound(text: str, kind: Kind, now: str) -> tuple[Spoken, ...]:
    """Ways to say the value of a JSON text that are read back as it, before anybody gave it a nickname."""
    value = json.loads(text)
    return tuple(way for way in _ways(value, kind, now) if same_value(value, read(way.words, kind, now), kind))


def _taken(words: str, value: JsonValue, kind: Kind, names: Names) -> bool:
    """Are the words a nickname of something else?"""
    owner = next((other for other, called in names.items() if words in called), None)
    return owner is not None and not same_value(value, owner, kind)


def read(words: str, kind: Kind, now: str = "", names: Names | None = None) -> JsonValue:
    """The value that words say, None where they say none of this kind; the inverse of `verbalise`."""
    names = names or {}
    text = words.strip()
    named = next((value for value, called in names.items() if text in called), None)
    if named is not None and kind != "number":
        return [named] if kind == "list" else named
    today = _today(now)
    match kind:
        case "number":
            return read_number(text)
        case "date":
            day = read_date(text, today)
            return day.isoformat() if day else None
        case "time":
            moment = read_time(text)
            return moment.strftime("%H:%M") if moment else None
        case "datetime":
            return _read_moment(text, now)
        case "path":
            return _read_path(text)
        case "timezone":
            return text if text in _zones() else _cities().get(text.removesuffix(" time"))
        case "list":
            return _read_list(text, now, names)
        case "json":
            return _read_json(_unquoted(text))
        case _:
            return _unquoted(text)


def same_value(value: JsonValue, found: JsonValue, kind: Kind) -> bool:
    """Is what was read the value that was meant?"""
    if found is None:
        return False
    if kind == "path":
        return isinstance(value, str) and isinstance(found, str) and _relative(value) == _relative(found)
    if kind == "list":
        pairs = zip(value, found, strict=False) if isinstance(value, list) and isinstance(found, list) else ()
        whole = isinstance(value, list) and isinstance(found, list) and len(value) == len(found)
        return whole and all(same_value(a, b, kind_of(a)) for a, b in pairs)
    if kind == "json":
        return canonical(value) in (found, f"[[{found}]]")  # a single cell is said without its row
    return same(value, found, "datetime" if kind == "datetime" else "exact")


def adverbial(words: str) -> str:
    """Words for a moment with the preposition that they ask for: `on 9 April`, `at 10 am tomorrow`, `tomorrow`."""
    if re.match(r"\d{1,2}:\d{2}|\d{1,2} [ap]m\b|noon|half past|quarter past", words):
        return f"at {words}"
    if re.match(r"\d|the \d|[A-Z][a-z]+ \d|[A-Z][a-z]+day ", words):
        return f"on {words}"
    return words


def same_day(value: str, other: str) -> tuple[str, ...]:
    """Ways to say a moment on the day of another one that was said before it; none where the days differ."""
    one, two = (datetime.fromisoformat(text) for text in (value, other))
    if one.date() != two.date() or one.utcoffset() != two.utcoffset() or one.second or one.microsecond:
        return ()
    clock = one.time().replace(tzinfo=None)
    return tuple(f"{words} {_SAME_DAY}" for words in time_words(clock) if read_time(words) == clock)


def full_moment(words: str, other: str, now: str) -> str:
    """What `same_day` said in short, in full: the time with the day that the other words say; else the words."""
    anchor = read(other, "datetime", now) if words.endswith(f" {_SAME_DAY}") else None
    return f"{words.removesuffix(f' {_SAME_DAY}')} on {anchor[:10]}" if isinstance(anchor, str) else words


# --- saying -----------------------------------------------------------------------------------------------------------


def _ways(value: JsonValue, kind: Kind, now: str) -> list[Spoken]:
    today = _today(now)
    if kind == "number" and isinstance(value, int | float):
        return [Spoken(words, "verbaliser" if i else "verbatim") for i, words in enumerate(number_words(value))]
    if isinstance(value, list) and (rows := grid_words(value)):
        opening, closing = next((pair for pair in _QUOTES if not {*pair} & {*rows}), _QUOTES[2])
        return [Spoken(f"{opening}{rows}{closing}", "verbaliser"), Spoken(canonical(value), "verbatim")]
    if not isinstance(value, str):
        return [Spoken(canonical(value), "verbatim")]
    if kind == "date":
        return [_dated(words, value) for words in date_words(date.fromisoformat(value), today)]
    if kind == "time":
        said = time_words(time.fromisoformat(value))
        return [Spoken(words, "verbaliser" if i else "verbatim") for i, words in enumerate(said)]
    if kind == "datetime":
        return _moment_ways(value, now)
    if kind == "path":
        return _path_ways(value)
    if kind == "timezone":
        city = value.rpartition("/")[2].replace("_", " ")
        return [Spoken(value, "verbatim"), Spoken(city, "verbaliser")]
    return _text_ways(value)


def _dated(words: str, value: str) -> Spoken:
    return Spoken(words, "verbatim" if words == value else "relative date" if is_relative(words) else "verbaliser")


def _text_ways(value: str) -> list[Spoken]:
    bare = [Spoken(value, "verbatim")] if _PLAIN.fullmatch(value) else []
    quotes = [(a, b) for a, b in _QUOTES if a not in value and b not in value][:1]
    return bare + [Spoken(f"{a}{value}{b}", "verbatim") for a, b in quotes or [_QUOTES[2]]]


def _path_ways(value: str) -> list[Spoken]:
    plain = _relative(value)
    if plain == ".":
        return [Spoken(_HERE, "verbaliser")]
    folder, name = posixpath.split(plain)
    ways = [Spoken(plain if " " not in plain else f'"{plain}"', "verbatim")]
    if folder and "." in name and " " not in plain:  # `2026 in archive` does not sound like a folder
        ways += [Spoken(f"{name} in {folder}", "verbaliser"), Spoken(f"{name} in the {folder} folder", "verbaliser")]
        ways.append(Spoken(f"{name} under {folder}", "verbaliser"))
    return ways


def _moment_ways(value: str, now: str) -> list[Spoken]:
    moment = datetime.fromisoformat(value)
    ways = [Spoken(value, "verbatim")]
    here = _instant(now)
    if (moment.second or moment.microsecond) and moment.time() != _ENDS_DAY:
        return ways
    if moment.tzinfo is not None and (here is None or here.utcoffset() != moment.utcoffset()):
        return ways
    day, clock = moment.date(), moment.time().replace(tzinfo=None)
    for spoken in (_dated(words, day.isoformat()) for words in date_words(day, here.date() if here else None)):
        if spoken.words.startswith("in "):  # `from in seven days at noon` is no English
            continue
        by: Derived = "relative date" if spoken.by == "relative date" else "verbaliser"
        for words in time_words(clock) if clock != _ENDS_DAY else ():
            link = " " if by == "relative date" and "of this month" not in spoken.words else " on "
            ways += [Spoken(f"{spoken.words} at {words}", by), Spoken(f"{words}{link}{spoken.words}", by)]
        if clock in (time(), _ENDS_DAY):
            ways.append(Spoken(f"the {'start' if clock == time() else 'end'} of {spoken.words}", by))
    return ways


def _list_ways(values: list[JsonValue], now: str, names: Names) -> list[Spoken]:
    """The items one after the other: each said its first way, or each in quotation marks, or each by its nickname."""
    ways: list[Spoken] = []
    each = [verbalise(value, kind_of(value), now, names) for value in values]
    if not all(each):
        return [Spoken(canonical(values), "verbatim")]
    for pick in (0, -1):
        chosen = [some[pick] for some in each]
        kinds = {way.by for way in chosen}
        by: Derived = chosen[0].by if len(kinds) == 1 else "verbaliser"
        ways.append(Spoken(_listed([way.words for way in chosen]), by))
    return ways


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_path(text: str) -> str:
    if text == _HERE:
        return "."
    if text[:1] in "\"'":
        return _relative(_unquoted(text))
    if match := re.fullmatch(r"(\S+) (?:in the (\S+) folder|(?:in|under) (\S+))", text):
        return posixpath.join(match[2] or match[3], match[1])
    return _relative(text)


def _read_moment(text: str, now: str) -> str | None:
    if _MOMENT.fullmatch(text):
        return text
    here = _instant(now)
    today = here.date() if here else None
    if match := re.fullmatch(r"the (start|end) of (.+)", text):
        day = read_date(match[2], today)
        clock = time() if match[1] == "start" else _ENDS_DAY
        return _stamp(day, clock, here) if day else None
    for split in re.finditer(r" at | on | ", text):
        one, two = text[: split.start()], text[split.end() :]
        halves = ((one, two),) if split.group() == " at " else ((two, one),)
        for dated, timed in halves:
            spoken_day, spoken_time = read_date(dated, today), read_time(timed)
            if spoken_day and spoken_time is not None:
                return _stamp(spoken_day, spoken_time, here)
    return None


def _stamp(day: date, clock: time, here: datetime | None) -> str:
    return datetime.combine(day, clock, tzinfo=here.tzinfo if here else None).isoformat()


def _read_list(text: str, now: str, names: Names) -> JsonValue:
    parts = re.findall(r"(\"[^\"]*\"|'[^']*'|“[^”]*”|.+?)(?:, | and |$)", text)
    items: list[JsonValue] = []
    for part in parts:
        named = next((value for value, called in names.items() if part in called), None)
        value = _unquoted(part)
        number = read_number(part)
        items.append(named if named is not None else number if number is not None else value)
    return items


def _read_json(text: str) -> str:
    """The text itself where it is JSON, else that of the rows which it says."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return canonical(rows) if (rows := read_grid(text)) is not None else text
    return text


def _unquoted(text: str) -> str:
    for opening, closing in _QUOTES:
        if len(text) >= 2 and text[0] == opening and text[-1] == closing:
            return text[1:-1]
    return text


# --- small things -----------------------------------------------------------------------------------------------------


def _called(value: JsonValue, kind: Kind, names: Names) -> Sequence[str]:
    """The nicknames of a value; those of a path stand under it as it is or as it is seen from the sandbox."""
    if not isinstance(value, str):
        return ()
    return names.get(value) or (names.get(_relative(value), ()) if kind == "path" else ())


def _relative(path: str) -> str:
    """The path as seen from the sandbox."""
    return posixpath.normpath(path.removeprefix(ROOT).lstrip("/") if path.startswith(ROOT) else path) or "."


def _instant(now: str) -> datetime | None:
    found = parse_datetime(now) if now else None
    return found if isinstance(found, datetime) else None


def _today(now: str) -> date | None:
    instant = _instant(now)
    return instant.date() if instant else None


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if "/" in name) - {"Etc/GMT"}


@lru_cache(maxsize=1)
def _cities() -> dict[str, str]:
    """City to the one time zone whose name ends in it."""
    found: dict[str, list[str]] = {}
    for zone in _zones():
        found.setdefault(zone.rpartition("/")[2].replace("_", " "), []).append(zone)
    return {city: zones[0] for city, zones in found.items() if len(zones) == 1}
