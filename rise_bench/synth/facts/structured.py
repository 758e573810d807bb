"""Facts in structured results: single fields, and of a list of records how many, the sum, the highest, a row's detail."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pydantic import JsonValue

from rise_bench.refs import ROOT, escape
from rise_bench.score.text import parse_date
from rise_bench.synth.facts.about import about, many_in, noun_of, of_one, phrase, words_of
from rise_bench.synth.facts.derivations import ISO_DATE, ISO_MOMENT, NUMBER, counted, gathered, keyed, listed, of_row
from rise_bench.types import Fact, Tool

__all__ = ["Seen", "of_fields", "of_records", "typed", "weight_of"]

FactType = Literal["number", "date", "datetime", "text", "path"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A fact that a result offers, how telling it is (0-4), and the leaves that it rests on."""

    fact: Fact
    weight: float
    pointers: tuple[str, ...] = ("",)


_UNASKED = re.compile(
    r"^(?:.*[_-])?(?:u?u?id|ids|guid|hash|sha\d*|md5|etag|token|cursor|checksum|digest|mtime|atime|ctime|birthtime|"
    r"created(?:_?at)?|modified(?:_?at)?|updated(?:_?at)?|accessed|timestamp|time_?stamp|version|schema|mime_?type|"
    r"encoding|jsonrpc|offset|page|rowid|permissions|mode|elapsed.*|duration_ms|took.*|url|href|link|success|ok|status|"
    r"type|message|hint|note|instructions?|next_?steps?|limit|content_?size|is_.*|has_.*|start_line|end_line|line|column)$"
    r"|.*(?:Id|Hash|Url|At)$|(?:from|to)$",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"count|number|total|rows|records|affected|replaced|removed|deleted|changed|matched|updated|inserted|moved|added",
    re.IGNORECASE,
)
_NO_SUM = re.compile(
    r"rate|percent|pct|ratio|price|balance|average|avg|mean|median|year|month|index|order|lower|upper|age$",
    re.IGNORECASE,
)
"""Names of numbers of which nobody wants the sum."""
_LABELS = ("name", "title", "summary", "label", "subject", "event", "task", "item", "product", "person", "city", "sku")
_LONGEST_LABEL = 60
_WEEKDAYS = frozenset(name.casefold() for name in calendar.day_name)
_MOST_ROWS = 60


def typed(value: JsonValue) -> tuple[FactType, JsonValue] | None:
    """(fact type, value) of a leaf that can be told; None for what cannot: flags, empty, long or quoted text."""
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, int | float):
        return "number", value
    text = value.strip()
    if not text or len(text) > _LONGEST_LABEL or "\n" in text:
        return None
    if re.fullmatch(ISO_DATE, text):
        return ("date", text) if parse_date(text) else None
    if re.fullmatch(ISO_MOMENT, text):
        return "datetime", text
    if re.fullmatch(NUMBER, text):
        number = float(text.replace(",", ""))
        padded = re.match(r"-?0\d", text)
        return ("text", text) if padded else ("number", int(number) if number.is_integer() else number)
    if text.startswith(ROOT) or re.fullmatch(r"(?:[\w.-]+/)+[\w.-]+|[\w-]+\.[a-z]{1,4}\d?", text):
        return "path", text
    sayable = text[0].isalnum() and re.search(r"[A-Za-z]{2}", text) and not re.search(r"[{}<>\[\]]", text)
    return ("text", text) if sayable and not re.fullmatch(r"\w+_\w+", text) else None


def weight_of(kind: FactType, value: JsonValue) -> float:
    """How telling a value is: a small whole number stands in many results, a name or an amount in few."""
    if kind == "number" and isinstance(value, int | float):
        if abs(value) in (0, 1):
            return 0.0
        return 3.0 if abs(value) >= 10 or not float(value).is_integer() else 1.5
    if isinstance(value, str) and value.casefold() in _WEEKDAYS:
        return 1.0
    return {"date": 3.0, "datetime": 2.5, "path": 2.0, "text": 2.2, "number": 0.0}[kind]


def of_fields(value: JsonValue, tool: Tool, *, counts_only: bool = False) -> list[Seen]:
    """Facts that are single fields of a result, and a result that is nothing but a value.

    Args:
        counts_only: of a write only numbers of things that it did are news, such as rows that it changed.
    """
    found: list[Seen] = []
    for pointer, key, leaf in _fields(value):
        if _UNASKED.match(key) or (counts_only and not _REPORTED.search(" ".join((key, pointer)))):
            continue
        kind_value = typed(leaf)
        if kind_value is None or (counts_only and (kind_value[0] != "number" or leaf in (0, 1))):
            continue
        if (seen := _field(pointer, key, kind_value, leaf, tool)) is not None:
            found.append(seen)
    return found


def _fields(value: JsonValue) -> Iterator[tuple[str, str, JsonValue]]:
    """(pointer, key, leaf) of the leaves of mappings, and of a list that holds one record."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        yield from ((f"/0{pointer}", key, leaf) for pointer, key, leaf in _fields(value[0]))
    elif isinstance(value, dict):
        for key, item in value.items():
            place = f"/{escape(key)}"
            if isinstance(item, dict) or (isinstance(item, list) and len(item) == 1):
                yield from ((place + pointer, inner, leaf) for pointer, inner, leaf in _fields(item))
            elif not isinstance(item, list):
                yield place, key, item


def _field(pointer: str, key: str, kind_value: tuple[FactType, JsonValue], leaf: JsonValue, tool: Tool) -> Seen | None:
    kind, value = kind_value
    is_path = kind == "path"
    rule = keyed(pointer, leaf, name=is_path)
    if rule is None:
        return None
    above = [token for token in pointer.split("/")[1:-1] if not token.isdigit()]
    names = [*above, tool.name]
    said = phrase(key, kind) if words_of(key) else _only(kind, tool)
    accept: tuple[JsonValue, ...] = ()
    if is_path and isinstance(value, str):
        whole = value.removeprefix(f"{ROOT}/")
        value = whole.rstrip("/").rpartition("/")[2]
        accept = (whole,) if whole != value else ()
    fact = Fact(value=value, type=kind, about=about(said, names=(key, *names)), accept=accept, derive=rule)
    return Seen(fact, weight_of(kind, value) + 0.5, (pointer,))


def _only(kind: FactType, tool: Tool) -> str:
    """What the one value of a result is called, by what its tool is about."""
    noun = noun_of(tool.id)
    if kind != "number":
        return of_one(noun) or "result"
    return f"number of {noun}" if noun and tool.name.casefold().startswith("count") else "result"


def of_records(value: JsonValue, tool: Tool) -> list[Seen]:
    """Facts of the lists in a result: how many, and of records the sum or highest of a field, a detail of one."""
    found: list[Seen] = [*_names(value, tool)]
    for pointer, rows in _tables(value):
        own = [part for part in pointer.split("/") if part and not part.isdigit()]
        noun = _noun(own, tool)
        found += _how_many(pointer, rows, noun)
        found += _amounts(pointer, rows, noun)
        found += _details(pointer, rows, noun)
    return found


def _noun(steps: list[str], tool: Tool) -> str:
    """What a list holds, by the innermost name around it that says so."""
    return (
        next((noun for step in reversed(steps) if (noun := many_in(words_of(step)))), "")
        or noun_of(tool.id)
        or "entries"
    )


def _names(value: JsonValue, tool: Tool, pointer: str = "") -> Iterator[Seen]:
    """How many texts there are in a list of nothing else."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, list):
                yield from _names(item, tool, f"{pointer}/{escape(key)}")
    elif isinstance(value, list) and 2 <= len(value) <= _MOST_ROWS and all(isinstance(item, str) for item in value):
        noun = _noun(pointer.split("/"), tool)
        rule = listed(r"[\[,]\s*[\"']([^\"'\\\n]+)[\"'](?=\s*[,\]])")
        yield Seen(
            Fact(value=len(value), type="number", about=about(f"number of {noun}"), derive=rule), 2.3, (pointer,)
        )


def _tables(value: JsonValue, pointer: str = "", depth: int = 0) -> Iterator[tuple[str, list[dict[str, JsonValue]]]]:
    if isinstance(value, list):
        rows = [row for row in value if isinstance(row, dict)]
        if 2 <= len(rows) == len(value) <= _MOST_ROWS:
            yield pointer, rows
    elif isinstance(value, dict) and depth < 3:
        for key, item in value.items():
            yield from _tables(item, f"{pointer}/{escape(key)}", depth + 1)


def _how_many(pointer: str, rows: list[dict[str, JsonValue]], noun: str) -> Iterator[Seen]:
    """Their number, by the first field that is another in each."""
    for key in rows[0]:
        values = [row.get(key) for row in rows]
        if len({str(item) for item in values}) == len(rows) and all(isinstance(v, str | int) for v in values):
            rule = counted(key, values[0])
            if rule is not None:
                fact = Fact(value=len(rows), type="number", about=about(f"number of {noun}"), derive=rule)
                yield Seen(fact, 2.6 if len(rows) > 2 else 2.0, _column(pointer, rows, key))
                return


def _column(pointer: str, rows: list[dict[str, JsonValue]], key: str) -> tuple[str, ...]:
    """Pointers of a field in every record."""
    return tuple(f"{pointer}/{number}/{escape(key)}" for number in range(len(rows)))


def _amounts(pointer: str, rows: list[dict[str, JsonValue]], noun: str) -> Iterator[Seen]:
    """Sum and extremes of fields that hold a number in every record and are no ids."""
    for key in rows[0]:
        numbers = [row.get(key) for row in rows]
        if _UNASKED.match(key) or len(set(map(str, numbers))) < 2:
            continue
        amounts = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)]
        if len(amounts) != len(rows) or all(after - one == 1 for one, after in pairwise(amounts)):
            continue  # numbers of rows, of years
        names = (key, noun)
        for op, value, word in (
            ("max", max(amounts), "highest"),
            ("min", min(amounts), "lowest"),
            ("sum", round(sum(amounts), 6), "total"),
        ):
            if op == "sum" and _NO_SUM.search(key):
                continue
            rule = gathered(key, op)  # type: ignore[arg-type]
            fact = Fact(value=value, type="number", about=about(f"{word} {phrase(key)}", names=names), derive=rule)
            yield Seen(fact, weight_of("number", value) - (0.3 if op == "sum" else 0.6), _column(pointer, rows, key))


def _details(pointer: str, rows: list[dict[str, JsonValue]], noun: str) -> Iterator[Seen]:
    """A field of a record that its label names."""
    label_key = next((key for key in (*_LABELS, *rows[0]) if _labels(rows, key)), None)
    if label_key is None:
        return
    for number, row in enumerate(rows[:12]):
        label, keys = row[label_key], list(row)
        for key, leaf in row.items():
            kind_value = typed(leaf)
            if key == label_key or kind_value is None or kind_value[0] == "path" or _UNASKED.match(key):
                continue
            first = keys.index(label_key) < keys.index(key)
            rule = of_row((label_key, label), (key, leaf), label_first=first)
            if rule is not None:
                words = about(phrase(key, kind_value[0]), str(label), names=(key, label_key, noun))
                fact = Fact(value=kind_value[1], type=kind_value[0], about=words, derive=rule)
                yield Seen(fact, weight_of(*kind_value), (f"{pointer}/{number}/{escape(key)}",))


def _labels(rows: list[dict[str, JsonValue]], key: str) -> bool:
    """Do the records' values of this key tell them apart, and can a person say them?"""
    values = [row.get(key) for row in rows]
    sayable = [
        v for v in values if isinstance(v, str) and 2 < len(v) <= _LONGEST_LABEL and typed(v) == ("text", v.strip())
    ]
    return len(sayable) == len(rows) == len(set(sayable))
