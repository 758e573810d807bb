"""Facts in tables that are lists of lists, as spreadsheets give them: the cell of a row and a column that have names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import JsonValue

from rise_bench.refs import escape
from rise_bench.synth.facts.about import about, phrase, words_of
from rise_bench.synth.facts.derivations import ISO_DATE, ISO_MOMENT, NUMBER
from rise_bench.synth.facts.structured import Seen, typed, weight_of
from rise_bench.types import Derivation, Fact

__all__ = ["of_grids"]

_MOST_ROWS = 20
_SHAPES = {"number": NUMBER, "date": ISO_DATE, "datetime": ISO_MOMENT}


def of_grids(value: JsonValue) -> Iterator[Seen]:
    """Cells below a heading, each by the name that its row begins with."""
    for pointer, rows in _grids(value):
        heading = rows[0]
        names = [row[0] for row in rows[1:]]
        for number, row in enumerate(rows[1:_MOST_ROWS], 1):
            label = row[0]
            if not isinstance(label, str) or names.count(label) > 1 or typed(label) != ("text", label):
                continue
            for column in range(1, min(len(row), len(heading))):
                name, kind_value = heading[column], typed(row[column])
                if isinstance(name, str) and words_of(name) and kind_value is not None and kind_value[0] != "path":
                    shape = _SHAPES.get(kind_value[0], r"[^\"'\\\n]+")
                    rule = _cell(label, column, shape)
                    words = about(phrase(name), label, names=(name,))
                    fact = Fact(value=kind_value[1], type=kind_value[0], about=words, derive=rule)
                    yield Seen(fact, weight_of(*kind_value), (f"{pointer}/{number}/{column}",))


def _cell(label: str, column: int, shape: str) -> Derivation:
    skipped = rf"(?:[^,\[\]]*,\s*){{{column - 1}}}" if column > 1 else ""
    return Derivation(op="find", pattern=rf"\[\s*[\"']{re.escape(label)}[\"'],\s*{skipped}[\"']?({shape})")


def _grids(value: JsonValue, pointer: str = "", depth: int = 0) -> Iterator[tuple[str, list[list[JsonValue]]]]:
    if isinstance(value, list):
        rows = [row for row in value if isinstance(row, list) and len(row) > 1]
        if 2 < len(rows) == len(value) and all(isinstance(name, str) for name in rows[0]):
            yield pointer, rows
    elif isinstance(value, dict) and depth < 3:
        for key, item in value.items():
            yield from _grids(item, f"{pointer}/{escape(key)}", depth + 1)
