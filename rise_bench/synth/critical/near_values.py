"""Values like the one that was meant, made by type where nothing says what else exists: numbers, ids, moments, cells, codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from pydantic import JsonValue

from rise_bench.mutations import near_misses
from rise_bench.refs import ROOT, escape
from rise_bench.synth.critical.leaves import Leaf, kind_of
from rise_bench.synth.critical.near_cells import near_cells
from rise_bench.synth.critical.near_codes import near_codes
from rise_bench.synth.critical.near_moments import near_moments
from rise_bench.synth.critical.near_sql import near_sql
from rise_bench.types import Critical

__all__ = ["near_values", "renamed", "scalars"]

_SQL = 3
_HASH = re.compile(r"[0-9a-f]{7,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FINE = 4
"""Decimals up to which a number was written by somebody; beyond, it was computed."""
_RING = 4
"""Points that a closed line has at least, the first again at its end."""


def near_values(leaf: Leaf) -> list[JsonValue]:
    """Values in place of a scalar, the likeliest slip first; none may be valid in its place. Empty for objects and lists."""
    value = leaf.value
    if isinstance(value, bool) or (leaf.schema or {}).get("enum"):
        return near_misses(Critical(call=leaf.call, argument=leaf.pointer), value, leaf.schema)
    if isinstance(value, int | float):
        return [*_near_number(value)]
    if not isinstance(value, str):
        return []
    return [*_near_text(leaf, value)]


def _near_text(leaf: Leaf, value: str) -> Iterator[JsonValue]:
    kind = kind_of(leaf)
    if kind == "sql":
        yield from near_sql(value)[:_SQL]
    elif found := near_moments(value, leaf.name, leaf.beside) or near_cells(value) or near_codes(leaf.name, value):
        yield from found
        return
    elif kind == "exact" and " " not in value and not _HASH.fullmatch(value):
        yield from _near_id(value)
    yield from near_misses(Critical(call=leaf.call, argument=leaf.pointer), value)


def _near_number(value: int | float) -> Iterator[int | float]:
    """One less and one more in its last place, its last two digits turned, ten times as much."""
    if isinstance(value, int):
        yield from (value - 1, value + 1) if value > 1 else (value + 1, value + 2)
        digits = str(value)
        if len(digits) > 1 and digits[-2:] != digits[-1] * 2 and digits[-2] != "-":
            yield int(digits[:-2] + digits[-1] + digits[-2])
        yield value * 10
        return
    exact = Decimal(repr(value))
    exponent = exact.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    step = Decimal(1).scaleb(-places) if places <= _FINE else Decimal(1).scaleb(exact.adjusted() - 1)
    yield from (float(exact + step), float(exact + 10 * step), float(exact * 10))


def _near_id(text: str) -> Iterator[str]:
    """The ids before and after: `v0.2` and `v0.4` for `v0.3`, `0002` and `0004` for `0003`."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", text)
    if match is None:
        return
    number = int(match[2])
    for other in (number - 1, number + 1) if number > 1 else (number + 1,):
        yield f"{match[1]}{str(other).zfill(len(match[2]))}{match[3]}"


def renamed(leaf: Leaf) -> list[JsonValue]:
    """A value that was said a little otherwise, for names and texts that do not exist before the call."""
    if not isinstance(leaf.value, str) or (leaf.schema or {}).get("enum"):
        return []
    kind, text = kind_of(leaf), leaf.value
    if kind in ("sql", "date", "datetime") or near_cells(text) or near_codes(leaf.name, text):
        return []
    if kind == "path":
        stem, dot, ending = text.rpartition(".")
        return [f"{stem}-2.{ending}" if dot and "/" not in ending else f"{text.rstrip('/')}-2"]
    words = text.split(" ")
    if kind == "text" and len(words) > 2:
        return [" ".join(words[:-1])]
    return [f"{text} 2" if kind == "text" and " " in text else f"{text}-2"]


def scalars(value: JsonValue, pointer: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Pointer and value of what can slip inside a list or an object: texts and numbers, but for the ends of a closed line.

    A polygon whose last point is not its first would be none.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            yield from scalars(item, f"{pointer}/{escape(key)}")
    elif isinstance(value, list):
        closed = len(value) >= _RING and isinstance(value[0], list) and value[0] == value[-1]
        for index, item in enumerate(value):
            if not (closed and index in (0, len(value) - 1)):
                yield from scalars(item, f"{pointer}/{index}")
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and value not in ("", ROOT):
        yield pointer, value
